"""The result of a task call, read from the result backend."""

import builtins
import time
from collections.abc import Callable, Collection, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from celeriac import states
from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.event_loops import asyncio
from celeriac.exceptions import IncompleteStream, ResultsDisabled, TimeoutError
from celeriac.local import get_current_app, joining_is_denied
from celeriac.publication import Publication

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.protocol.result_document import ResultDocument

__all__ = [
    "AsyncResult",
    "assert_will_not_block",
    "result_from_tuple",
]

R = TypeVar("R")

#: Seconds of one wait of the backend, where nobody has said how long to wait.
_LONGEST_WAIT = 3600.0


def assert_will_not_block() -> None:
    """Raise ``RuntimeError`` inside a task: waiting for another task there may wait for ever."""
    if joining_is_denied():
        raise RuntimeError(
            "Never call result.get() within a task: if all slots wait like this, none is left for the tasks they wait "
            "for. Link the tasks instead, or, if you are sure, use result.get(disable_sync_subtasks=False)."
        )


class AsyncResult(Generic[R]):
    """The result of one task call, wherever it runs.

    ``backend`` and ``app`` default to the current app's.
    """

    TimeoutError = TimeoutError

    #: The task's result is not stored, so ``get`` returns None at once.
    ignored = False
    #: Set if the task had to wait before it was published, such as for a transaction's commit.
    publication: Publication | None = None
    _cache: "ResultDocument | None" = None

    def __init__(
        self,
        id: str,
        backend: ResultBackend | None = None,
        task_name: str | None = None,
        app: "Celeriac | None" = None,
        parent: "AsyncResult[Any] | None" = None,
    ) -> None:
        if id is None:
            raise ValueError("A result needs the id of its task; it was given None.")
        self.id = id
        self.app: Celeriac = app or get_current_app()
        self.parent = parent
        self._backend = backend
        self._task_name = task_name

    @property
    def task_id(self) -> str:
        """The same as ``id``."""
        return self.id

    @property
    def backend(self) -> ResultBackend:
        """The result backend it is read from."""
        return self._backend or self.app.backend

    # What is known now.

    @property
    def state(self) -> str:
        """The task's state. PENDING also means that nobody knows the id."""
        return self._document().status

    @property
    def status(self) -> str:
        """The same as ``state``."""
        return self.state

    @property
    def result(self) -> Any:
        """What the task returned, or the exception it raised; for other states what was told with them."""
        return self._document().result

    @property
    def info(self) -> Any:
        """The same as ``result``: for custom states the ``meta`` given to ``update_state``."""
        return self.result

    @property
    def traceback(self) -> str | None:
        """The traceback of a failed task, as text."""
        return self._document().traceback

    @property
    def children(self) -> "list[AsyncResult[Any]] | None":
        """Results of the tasks that this one has published."""
        children = self._document().children
        return None if children is None else [result_from_tuple(child, self.app) for child in children]

    @property
    def name(self) -> str | None:
        """The task's name; with ``result_extended`` only, unless this process has published it."""
        return self._document().name or self._task_name

    @property
    def args(self) -> Any:
        """The task's arguments; with ``result_extended`` only."""
        return self._document().args

    @property
    def kwargs(self) -> Any:
        """The task's keyword arguments; with ``result_extended`` only."""
        return self._document().kwargs

    @property
    def worker(self) -> str | None:
        """The node that ran it; with ``result_extended`` only."""
        return self._document().worker

    @property
    def date_done(self) -> Any:
        """When it was done: an aware datetime, or None."""
        return self._document().date_done

    @property
    def retries(self) -> int | None:
        """How often it was retried; with ``result_extended`` only."""
        return self._document().retries

    @property
    def queue(self) -> str | None:
        """The queue it came from; with ``result_extended`` only."""
        return self._document().queue

    def ready(self) -> bool:
        """Say whether the task is done: SUCCESS, FAILURE or REVOKED."""
        return self.state in states.READY_STATES

    def successful(self) -> bool:
        """Say whether the task has returned."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Say whether the task has failed."""
        return self.state == states.FAILURE

    @property
    def is_at_hand(self) -> bool:
        """The final result is known here; reading it asks nobody."""
        return self._cache is not None

    def exists(self) -> bool:
        """Say whether the result backend knows anything of this id."""
        return self.results_backend().fetch_one(self.id) is not None

    # Waiting.

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
        """Wait until the task is done and return what it returned.

        Raises what the task raised (unless ``propagate`` is false: then that is returned), ``TimeoutError`` after
        ``timeout`` seconds, and ``ResultsDisabled`` at once where no results are kept. The error of a parent (an
        earlier task of a chain) is raised too, unless ``follow_parents`` is false. ``callback`` is called with the id
        and the value, ``on_message`` with the result document, ``on_interval`` about every ``interval`` seconds.
        For a task that is not sent yet it raises ``TaskNotSent``. Inside a task it raises ``RuntimeError``, as it could
        wait for ever; ``disable_sync_subtasks=False`` allows it.
        Of a task with ``ignore_result`` it returns None at once.
        """
        if self.ignored:
            return cast("R", None)
        if self.publication is not None:
            self.publication.require_sent(self.id)
        if disable_sync_subtasks:
            assert_will_not_block()
        document = self._wait(timeout, interval if on_interval else None, on_interval, follow_parents and propagate)
        if on_message is not None:
            on_message(msgspec.structs.asdict(document))
        return cast("R", self._value(document, propagate, callback, PROPAGATE_STATES))

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
        """Wait like ``get``, without blocking the event loop; thousands of these share one thread."""
        if self.ignored:
            return cast("R", None)
        if self.publication is not None:
            self.publication.require_sent(self.id)
        if disable_sync_subtasks:
            assert_will_not_block()
        if self._cache is None:
            self.results_backend()
            ids = [self.id, *self._parent_ids()] if follow_parents and propagate else [self.id]
            deadline = None if timeout is None else time.monotonic() + timeout
            while self._cache is None:
                remaining = None if deadline is None else deadline - time.monotonic()
                ids = await self._await_one(ids, remaining, timeout)
        return cast("R", self._value(self._cache, propagate, callback, states.PROPAGATE_STATES))

    def __await__(self) -> Generator[Any, None, R]:
        """``await result`` is ``await result.aget()``."""
        return self.aget().__await__()

    def then(
        self,
        callback: Callable[["AsyncResult[R]"], Any],
        on_error: Callable[["AsyncResult[R]"], Any] | None = None,
        weak: bool = False,
    ) -> "AsyncResult[R]":
        """Call ``callback`` (``on_error`` if it failed) with this result once the task is done.

        It is called in the thread that waits for results, so it should be short.
        """

        def call() -> None:
            chosen = on_error if self.state in states.PROPAGATE_STATES and on_error is not None else callback
            chosen(self)

        self.results_backend()
        self.app.result_waiter(self.backend).call_when_ready(self.id, call)
        return self

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], Any] | None = None) -> Any:
        """Raise the task's error if it has failed; else return what is known now."""
        return self._value(self._document(), propagate, callback, states.PROPAGATE_STATES)

    maybe_reraise = maybe_throw

    def forget(self) -> None:
        """Drop the result, and its parents', from the backend. Safe to repeat."""
        self._cache = None
        if self.parent is not None:
            self.parent.forget()
        self.results_backend().forget([self.id])

    # The tree of results.

    def iterdeps(self, intermediate: bool = False) -> "Iterator[tuple[AsyncResult[Any] | None, AsyncResult[Any]]]":
        """Yield ``(parent, result)`` for this result and all its children, breadth first.

        Raises ``IncompleteStream`` at one that is not ready, unless ``intermediate`` is true.
        """
        waiting: list[tuple[AsyncResult[Any] | None, AsyncResult[Any]]] = [(None, self)]
        while waiting:
            parent, node = waiting.pop(0)
            yield parent, node
            if node.ready():
                waiting += [(node, child) for child in node.children or []]
            elif not intermediate:
                raise IncompleteStream(f"The task {node.id} is not done yet; its state is {node.state}.")

    def collect(self, intermediate: bool = False, **kwargs: Any) -> "Iterator[tuple[AsyncResult[Any], Any]]":
        """Yield ``(result, value)`` of this result and all its children; ``kwargs`` go to ``get``."""
        for _, node in self.iterdeps(intermediate=intermediate):
            yield node, node.get(**kwargs)

    def get_leaf(self) -> Any:
        """Return the value of the last result of the tree."""
        value = None
        for _, node in self.iterdeps():
            value = node.get()
        return value

    def as_tuple(self) -> tuple[Any, Any]:
        """Return the ids of this result and its parents, as they are stored."""
        return (self.id, self.parent.as_tuple() if self.parent is not None else None), None

    def as_list(self) -> list[str]:
        """Return the ids of this result and its parents."""
        return [self.id, *(self.parent.as_list() if self.parent is not None else [])]

    # Inside.

    def results_backend(self) -> ResultBackend:
        """Return the backend; raises ``ResultsDisabled`` with the cure where there is none."""
        backend = self.backend
        if not backend.stores_results:
            raise ResultsDisabled(
                f"No results are kept, so that of task {self.id} cannot be read: set result_backend, for example "
                "result_backend='sqlite:///results.sqlite3', for the app that publishes and for its workers."
            )
        return backend

    def _document(self) -> "ResultDocument":
        if self._cache is not None:
            return self._cache
        stored = self.results_backend().fetch_one(self.id)
        if stored is None:
            return self.app.result_format.unknown(self.id)
        document = self.app.result_format.read(stored)
        if stored.ready:
            self._cache = document
        return document

    def _wait(
        self,
        timeout: float | None,
        interval: float | None,
        on_interval: Callable[[], Any] | None,
        follow_parents: bool,
    ) -> "ResultDocument":
        backend = self.results_backend()
        ids = [self.id, *self._parent_ids()] if follow_parents else [self.id]
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._cache is None:
            remaining = _LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            ready = backend.wait(ids, remaining if interval is None else min(interval, remaining))
            if not ready and deadline is not None and time.monotonic() >= deadline:
                raise self._timed_out(timeout)
            ids = self._take(ready, ids)
            if on_interval is not None and self._cache is None:
                on_interval()
        return self._cache

    async def _await_one(self, ids: list[str], remaining: float | None, timeout: float | None) -> list[str]:
        """Wait for one of the ids, and return those still waited for."""
        waiter = self.app.result_waiter(self.backend)
        try:
            ready = await asyncio.wait_for(waiter.wait_for_any(ids), remaining)
        except TimeoutError:  # of the backend's own
            raise
        except builtins.TimeoutError:
            raise self._timed_out(timeout) from None
        return self._take(ready, ids)

    def _take(self, ready: dict[str, StoredResult], ids: list[str]) -> list[str]:
        """Note the results that have come; raise a parent's error; return the ids still waited for."""
        for task_id, stored in ready.items():
            document = self.app.result_format.read(stored)
            if task_id == self.id:
                self._cache = document
            elif document.status in states.PROPAGATE_STATES:
                raise _as_exception(document.result)
        return [task_id for task_id in ids if task_id not in ready]

    def _value(
        self,
        document: "ResultDocument",
        propagate: bool,
        callback: Callable[[str, Any], Any] | None,
        propagate_states: Collection[str],
    ) -> Any:
        if propagate and document.status in propagate_states:
            raise _as_exception(document.result)
        if callback is not None:
            callback(self.id, document.result)
        return document.result

    def _parent_ids(self) -> list[str]:
        return [] if self.parent is None else self.parent.as_list()

    def _timed_out(self, timeout: float | None) -> Exception:
        return TimeoutError(
            f"The result of task {self.id} was not there within {timeout:g} s (its state is {self.state}): "
            "is a worker running, and does it know the task? The task itself goes on."
        )

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncResult):
            return self.id == other.id
        if isinstance(other, str):
            return self.id == other
        return NotImplemented

    def __copy__(self) -> "AsyncResult[R]":
        return type(self)(self.id, self._backend, self._task_name, self.app, self.parent)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.id, None, self._task_name, None, self.parent)


def result_from_tuple(value: Any, app: "Celeriac | None" = None) -> AsyncResult[Any]:
    """Return the result that ``as_tuple`` described."""
    if isinstance(value, AsyncResult):
        return value
    own, _ = value
    task_id, parent = own if isinstance(own, (list, tuple)) else (own, None)
    return AsyncResult(task_id, app=app, parent=result_from_tuple(parent, app) if parent else None)


def _as_exception(value: Any) -> BaseException:
    return value if isinstance(value, BaseException) else Exception(value)
