"""Tasks of Django's framework that were declared for another backend, and come to this one by ``using(backend=…)``.

The process that enqueues one makes a celeriac task of it then. A worker has imported its module and knows nothing of
that; it does so when the first call comes.
"""

import sys
from typing import Any

from celeriac.app.base import Celeriac
from celeriac.app.task import Task as CeleriacTask

__all__ = ["find_foreign_task"]

#: Django's, and the package's. If neither is imported there are no such tasks.
_FRAMEWORKS = ("django.tasks.base", "django_tasks.base")


def find_foreign_task(app: Celeriac, name: str) -> CeleriacTask[..., Any] | None:
    """Return the app's task for the framework's task with this path, or None.

    Only what is imported is looked at: a message must not make a worker import what it names.
    """
    if not any(framework in sys.modules for framework in _FRAMEWORKS):
        return None
    module, _, function = name.rpartition(".")
    candidate = getattr(sys.modules.get(module), function, None)
    if candidate is None:
        return None
    from celeriac.django.task_class import Task, declare

    if not isinstance(candidate, Task):
        return None
    declare(candidate)
    return app.tasks.get(name)
