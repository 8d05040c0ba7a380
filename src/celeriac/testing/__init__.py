"""Tools for tests of code that publishes tasks; for Django see ``celeriac.django.testing``.

::

    with record_tasks() as tasks:
        sign_up("ada@example.com")
        tasks.assert_enqueued(welcome, ["ada@example.com"])
        tasks.run()

Nothing here needs a test framework; ``pytest_plugin`` is the only module that imports pytest.
"""

from celeriac.testing.drain import TaskRun
from celeriac.testing.errors import RealEngineError, TaskNotRunError
from celeriac.testing.journal import Capture
from celeriac.testing.published_task import PublishedTask
from celeriac.testing.recorder import TaskRecorder
from celeriac.testing.recording import real_brokers, record_tasks
from celeriac.testing.surroundings import Surroundings
from celeriac.testing.virtual_clock import VirtualClock

__all__ = [
    "Capture",
    "PublishedTask",
    "RealEngineError",
    "Surroundings",
    "TaskNotRunError",
    "TaskRecorder",
    "TaskRun",
    "VirtualClock",
    "real_brokers",
    "record_tasks",
]
