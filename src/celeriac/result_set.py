"""Several results, waited for together."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from celeriac.async_result import AsyncResult, assert_will_not_block
from celeriac.exceptions import TimeoutError
from celeriac.local import get_current_app

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["ResultSet"]

R = TypeVar("R")

_LONGEST_WAIT = 3600.0


class ResultSet(Generic[R]):
    """Results that belong together. They are asked for in one round trip where they are of one backend."""

    def __init__(
        self, results: Iterable[AsyncResult[R]], app: "Celeriac | None" = None, ready_barrier: Any = None
    ) -> None:
        self.results: list[AsyncResult[R]] = list(results)
        self._app = app

    @property
    def app(self) -> "Celeriac":
        """The app whose backend is asked."""
        if self._app is None:
            self._app = self.results[0].app if self.results else get_current_app()
        return self._app

    # Which results.

    def add(self, result: AsyncResult[R]) -> None:
        """Add a result, unless it is there."""
        if result not in self.results:
            self.results.append(result)

    def remove(self, result: AsyncResult[R] | str) -> None:
        """Remove a result by itself or by its id; raises ``KeyError`` if it is not there."""
        kept = [other for other in self.results if other != result]
        if len(kept) == len(self.results):
            raise KeyError(result)
        self.results = kept

    def discard(self, result: AsyncResult[R] | str) -> None:
        """Remove a result if it is there."""
        self.results = [other for other in self.results if other != result]

    def update(self, results: Iterable[AsyncResult[R]]) -> None:
        """Add several results."""
        for result in results:
            self.add(result)

    def clear(self) -> None:
        """Remove all results."""
        self.results = []

    def __iter__(self) -> Iterator[AsyncResult[R]]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> AsyncResult[R]:
        return self.results[index]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: [{', '.join(result.id for result in self.results)}]>"

    # What is known now.

    def successful(self) -> bool:
        """Say whether every task has returned."""
        return all(result.successful() for result in self.results)

    def failed(self) -> bool:
        """Say whether a task has failed."""
        return any(result.failed() for result in self.results)

    def waiting(self) -> bool:
        """Say whether a task is not done."""
        return not self.ready()

    def ready(self) -> bool:
        """Say whether every task is done."""
        return all(result.ready() for result in self.results)

    def completed_count(self) -> int:
        """Return how many tasks have returned."""
        return sum(result.successful() for result in self.results)

    def maybe_throw(self, callback: Callable[[str, Any], Any] | None = None, propagate: bool = True) -> None:
        """Raise the error of a task that has failed, if there is one."""
        for result in self.results:
            result.maybe_throw(callback=callback, propagate=propagate)

    maybe_reraise = maybe_throw

    def forget(self) -> None:
        """Drop all results from the backend."""
        for result in self.results:
            result.forget()

    # Waiting.

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        callback: Callable[[str, Any], Any] | None = None,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        disable_sync_subtasks: bool = True,
        on_interval: Callable[[], Any] | None = None,
    ) -> list[R]:
        """Wait until every task is done; return what they returned, in the order of the results.

        ``timeout`` (seconds) is for all together. Errors, callbacks and the rule for tasks are those of
        ``AsyncResult.get``; the error raised is that of the first task that fails.
        """
        values: dict[str, Any] = {}
        for result, value in self._as_they_come(timeout, propagate, disable_sync_subtasks):
            values[result.id] = value
            if callback is not None:
                callback(result.id, value)
        return [values[result.id] for result in self.results]

    join = get
    join_native = get

    def iterate(self, timeout: float | None = None, propagate: bool = True, interval: float = 0.5) -> Iterator[R]:
        """Yield what the tasks return, in the order in which they are done."""
        for _, value in self._as_they_come(timeout, propagate, disable_sync_subtasks=True):
            yield value

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> list[R]:
        """Wait like ``get``, without blocking the event loop."""
        deadline = None if timeout is None else time.monotonic() + timeout
        values = []
        for result in self.results:
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            values.append(await result.aget(remaining, propagate))
        return values

    def _as_they_come(
        self, timeout: float | None, propagate: bool, disable_sync_subtasks: bool
    ) -> Iterator[tuple[AsyncResult[R], Any]]:
        if disable_sync_subtasks:
            assert_will_not_block()
        waiting = {result.id: result for result in self.results}
        for result in self.results:
            if result.ignored or result.is_at_hand:
                del waiting[result.id]
                yield result, result.get(propagate=propagate, disable_sync_subtasks=False)
        deadline = None if timeout is None else time.monotonic() + timeout
        while waiting:
            remaining = _LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            backend = next(iter(waiting.values())).results_backend()
            ready = backend.wait(list(waiting), remaining)
            if not ready and deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(
                    f"{len(waiting)} of {len(self.results)} results were not there within {timeout:g} s, "
                    f"{next(iter(waiting))} among them."
                )
            for task_id in ready:
                result = waiting.pop(task_id)
                yield result, result.get(propagate=propagate, disable_sync_subtasks=False)
