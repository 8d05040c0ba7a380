"""How ``app.task`` and ``shared_task`` look to a type checker.

A task made by the decorator is a ``Task``; what calling it as a function returns depends on whether the function is an
``async def``, which these classes say. At run time there is only ``Task``.
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from celeriac.app.task import Task

__all__ = ["BoundDecorator", "CoroutineTask", "Decorator", "FunctionTask"]

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:

    class FunctionTask(Task[P, R]):
        """A task made of a ``def``."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    class CoroutineTask(Task[P, R]):
        """A task made of an ``async def``."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...

else:
    FunctionTask = CoroutineTask = Task


class Decorator(Protocol):
    """Makes a task of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> "CoroutineTask[P, R]": ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R], /) -> "FunctionTask[P, R]": ...


class BoundDecorator(Protocol):
    """Makes a task of a function whose first parameter is the task itself."""

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> "CoroutineTask[P, R]": ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> "FunctionTask[P, R]": ...
