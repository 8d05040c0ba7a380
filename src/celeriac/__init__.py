"""Background tasks for Django and Python in one package: queue, worker, result store and command line.

::

    from celeriac import Celeriac

    app = Celeriac("tasks")

    @app.task
    def add(x, y):
        return x + y

    add.delay(1, 2).get(timeout=10)

The names are Celery's. They are imported when they are first used, so that ``import celeriac`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from celeriac.version import __version__

__all__ = [  # noqa: RUF022 - grouped by subject
    # The app and its tasks.
    "Celeriac",
    "Celery",
    "Task",
    "shared_task",
    # Calls that are not sent yet, and their results.
    "Signature",
    "maybe_signature",
    "signature",
    "subtask",
    "AsyncResult",
    # What is current here.
    "current_app",
    "current_task",
    # The rest.
    "__version__",
    "uuid",
]

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac, Celery, shared_task
    from celeriac.app.task import Task
    from celeriac.async_result import AsyncResult
    from celeriac.canvas import Signature, maybe_signature, signature
    from celeriac.canvas import signature as subtask
    from celeriac.identifiers import uuid
    from celeriac.local import current_app, current_task

#: Where each name is.
_MODULES = {
    "Celeriac": "celeriac.app.base",
    "Celery": "celeriac.app.base",
    "Task": "celeriac.app.task",
    "shared_task": "celeriac.app.base",
    "Signature": "celeriac.canvas",
    "maybe_signature": "celeriac.canvas",
    "signature": "celeriac.canvas",
    "subtask": "celeriac.canvas",
    "AsyncResult": "celeriac.async_result",
    "current_app": "celeriac.local",
    "current_task": "celeriac.local",
    "uuid": "celeriac.identifiers",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"The module celeriac has no attribute {name!r}.")
    value = getattr(import_module(module), "signature" if name == "subtask" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
