"""The class of an app's tasks."""

from typing import Any, TypeAlias

from celeriac.app.task import Task
from celeriac.dotted_name import import_dotted_name

__all__ = ["TaskClassHolder"]

TaskClass: TypeAlias = type[Task[..., Any]]


class TaskClassHolder:
    """Has a class of tasks."""

    #: The class of tasks made by the decorator, or its dotted name.
    task_cls: TaskClass | str = Task

    @property
    def Task(self) -> TaskClass:  # noqa: N802 - Celery's name
        """The class of tasks, imported when it is first wanted; a class of your own can begin with it.

        Raises ``ImportError`` with a sentence when there is none of this name.
        """
        if isinstance(self.task_cls, str):
            self.task_cls = import_dotted_name(self.task_cls)
        chosen: Any = self.task_cls
        return chosen  # type: ignore[no-any-return]  # what a name leads to
