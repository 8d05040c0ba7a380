"""The registry: an app's tasks by name."""

import inspect
from typing import TYPE_CHECKING, Any

from celeriac.exceptions import InvalidTaskError, NotRegistered

if TYPE_CHECKING:
    from celeriac.app.task import Task

__all__ = ["TaskRegistry"]


class TaskRegistry(dict[str, "Task[..., Any]"]):
    """Tasks by name; asking for an unknown one raises ``NotRegistered``."""

    NotRegistered = NotRegistered

    def __missing__(self, name: str) -> "Task[..., Any]":
        raise NotRegistered(f"There is no task {name!r} in this app; import the module that defines it.")

    def register(self, task: "Task[..., Any] | type[Task[..., Any]]") -> None:
        """Add a task; a class is instantiated. Raises ``InvalidTaskError`` for one without a name."""
        instance = task() if inspect.isclass(task) else task
        if not instance.name:
            raise InvalidTaskError(
                f"The task class {type(instance).__name__!r} has no name: set its attribute name, or register it with "
                "app.register_task, which gives it one."
            )
        self[instance.name] = instance

    def unregister(self, name: "str | Task[..., Any]") -> None:
        """Remove a task by its name or itself; raises ``NotRegistered``."""
        key = name if isinstance(name, str) else name.name
        if key not in self:
            raise NotRegistered(f"There is no task {key!r} to unregister.")
        del self[key]

    def regular(self) -> "list[tuple[str, Task[..., Any]]]":
        """Return the tasks of kind ``regular``; there is no other kind any more."""
        return list(self.items())

    def periodic(self) -> "list[tuple[str, Task[..., Any]]]":
        """Return nothing: periodic tasks are entries of the schedule."""
        return []
