"""The tasks of this backend: Django's, with celeriac's options, and each a task of every celeriac app too.

The celeriac task has the name of the function's path. So logs, limits and command line speak of it by name, and a
worker runs it like any other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.utils.module_loading import import_string

from celeriac.app.shared import share
from celeriac.django.celeriac_options import options_of, refuse_unknown_options
from celeriac.django.task_package import Task
from celeriac.django.task_runner import DjangoTask, make_runner

__all__ = ["CeleriacTask", "Task", "declare", "find_task"]

#: Tasks by the path of their function, as they were declared.
_declared: dict[str, Task] = {}


@dataclass(frozen=True, kw_only=True, init=False)
class CeleriacTask(Task):
    """A task of Django's with celeriac's options. Its backend declares it when it has found it good."""

    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __init__(self, **given: Any) -> None:
        """Take Django's fields and celeriac's options; raises ``TypeError`` for what is neither."""
        known = {each.name: given.pop(each.name) for each in fields(type(self)) if each.name in given}
        function: Callable[..., Any] = known["func"]
        refuse_unknown_options(function, given)
        object.__setattr__(self, "options", {**options_of(function), **known.pop("options", {}), **given})
        Task.__init__(self, **known)


def declare(task: Task) -> None:
    """Make a celeriac task of a task's function, unless that has been done."""
    known = _declared.get(task.module_path)
    if known is not None and known.func is task.func:
        # One that ``using`` has made of it, or the same function declared twice.
        return
    _declared[task.module_path] = task
    options = task.options if isinstance(task, CeleriacTask) else options_of(task.func)
    share(make_runner(task), {"name": task.module_path, "base": DjangoTask, "django_task": task, **options})


def find_task(path: str) -> Task | None:
    """Return the task of the function with this path, importing its module; None if there is no such task."""
    if path not in _declared:
        try:
            found = import_string(path)
        except (ImportError, ValueError):
            return None
        if isinstance(found, Task):
            declare(found)
    return _declared.get(path)
