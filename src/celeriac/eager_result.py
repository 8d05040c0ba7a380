"""The result of a task that was called in this process, by ``apply`` or with ``task_always_eager``."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

from celeriac import states
from celeriac.async_result import AsyncResult, assert_will_not_block
from celeriac.exceptions import TaskRevokedError

__all__ = ["EagerResult"]

R = TypeVar("R")


class EagerResult(AsyncResult[R]):
    """A result that is there already; no backend is asked."""

    def __init__(
        self, id: str, ret_value: Any, state: str, traceback: str | None = None, name: str | None = None
    ) -> None:
        # Not the parent's: it would look for an app.
        self.id = id
        self.parent = None
        self.ignored = False
        self._result = ret_value
        self._state = state
        self._traceback = traceback
        self._task_name = name

    @property
    def state(self) -> str:
        return self._state

    @property
    def result(self) -> Any:
        return self._result

    @property
    def traceback(self) -> str | None:
        return self._traceback

    @property
    def children(self) -> list[AsyncResult[Any]] | None:
        return []

    @property
    def name(self) -> str | None:
        return self._task_name

    @property
    def is_at_hand(self) -> bool:
        return True

    def ready(self) -> bool:
        return True

    def exists(self) -> bool:
        return True

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        no_ack: bool = True,
        follow_parents: bool = True,
        callback: Callable[[str, Any], Any] | None = None,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        disable_sync_subtasks: bool = True,
        EXCEPTION_STATES: Collection[str] = states.EXCEPTION_STATES,  # noqa: N803 - Celery's name
        PROPAGATE_STATES: Collection[str] = states.PROPAGATE_STATES,  # noqa: N803 - Celery's name
    ) -> R:
        if disable_sync_subtasks:
            assert_will_not_block()
        if self._state == states.SUCCESS or self._state in PROPAGATE_STATES:
            return cast("R", self.maybe_throw(propagate, callback))
        return cast("R", None)

    wait = get

    async def aget(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *,
        follow_parents: bool = True,
        callback: Callable[[str, Any], Any] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        return self.get(propagate=propagate, callback=callback, disable_sync_subtasks=disable_sync_subtasks)

    def then(
        self,
        callback: Callable[[AsyncResult[R]], Any],
        on_error: Callable[[AsyncResult[R]], Any] | None = None,
        weak: bool = False,
    ) -> "EagerResult[R]":
        chosen = on_error if self._state in states.PROPAGATE_STATES and on_error is not None else callback
        chosen(self)
        return self

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], Any] | None = None) -> Any:
        if propagate and self._state in states.PROPAGATE_STATES:
            raise self._result if isinstance(self._result, BaseException) else Exception(self._result)
        if callback is not None:
            callback(self.id, self._result)
        return self._result

    maybe_reraise = maybe_throw

    def forget(self) -> None:
        """Do nothing: nothing is stored."""

    def revoke(self, *args: Any, **kwargs: Any) -> None:
        """Set the state to REVOKED, as in Celery: the task itself is done already."""
        self._state = states.REVOKED
        self._result = TaskRevokedError("revoked")
        self._traceback = None

    def __copy__(self) -> "EagerResult[R]":
        return type(self)(self.id, self._result, self._state, self._traceback, self._task_name)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.id, self._result, self._state, self._traceback, self._task_name)
