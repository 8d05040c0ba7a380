"""Waiting for results: any number of threads of this process on one bell.

The first thread that waits listens to the bell. A ring names the tasks that are ready; the listener tells the threads
that wait for them, and goes on. When it is done itself, another thread listens. A lost ring costs a second: every
thread also looks by itself after ``Bell.patience``.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Sequence
from queue import Empty, SimpleQueue

from celeriac.backends.base import StoredResult
from celeriac.exceptions import BackendGetMetaError, OperationalError
from celeriac.sqlite.bells import Bell
from celeriac.sqlite.database import Database
from celeriac.sqlite.forks import watch
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES
from celeriac.sqlite.results import read_results

__all__ = ["Waits"]

#: Names left in the database for tasks nobody here waits for any more, before they are cleared away.
_LEFTOVERS = 1000


class _Wait:
    """One thread that waits."""

    __slots__ = ("calls", "is_woken", "task_ids")

    def __init__(self, task_ids: Sequence[str]) -> None:
        self.task_ids = task_ids
        #: True: one of its tasks is ready, perhaps. False: listen to the bell yourself.
        self.calls: SimpleQueue[bool] = SimpleQueue()
        #: It shall end, with whatever is ready.
        self.is_woken = False


class Waits:
    """The waits of one process for results in one database. Safe for many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bell: Bell | None = None
        self._listener: _Wait | None = None
        self._reset()
        watch(self)

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        """Wait until so many of the tasks are ready, or ``timeout`` seconds have passed; return those that are."""
        deadline = time.monotonic() + timeout
        enough = min(minimum, len(set(task_ids)))
        encoded = json.dumps(task_ids)
        ready = self._read_ready(encoded)
        if len(ready) >= enough or timeout <= 0:
            return ready
        wait = _Wait(task_ids)
        try:
            bell = self._enter(wait)
            ready = self._register(bell, task_ids, encoded, enough)
            while len(ready) < enough and not wait.is_woken and (remaining := deadline - time.monotonic()) > 0:
                if self._pause(wait, bell, min(remaining, bell.patience)):
                    ready = self._read_ready(encoded)
        finally:
            self._leave(wait)
        return ready

    def wake(self) -> None:
        """End every wait that has begun; if none has, the next one ends at once. Safe from any thread."""
        with self._mutex:
            self._next_is_woken = not self._entered
            for wait in self._entered:
                wait.is_woken = True
                wait.calls.put(True)
            bell = self._bell if self._listener is not None else None
        if bell is not None:
            bell.wake()

    def close(self) -> None:
        """Take the bell down. Safe to call twice; a later wait hangs another."""
        with self._mutex:
            bell, self._bell = self._bell, None
            listener = self._listener
            self._registered.clear()
        if bell is None:
            return
        if listener is not None:
            # The listener closes it.
            bell.wake()
            return
        self._close_bell(bell)

    def before_fork(self) -> None:
        """Nothing to do."""

    def after_fork_in_parent(self) -> None:
        """Nothing to do."""

    def after_fork_in_child(self) -> None:
        """Begin anew: the waiting threads are the parent's."""
        self._reset()

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._bell = None
        self._listener = None
        self._waits: dict[str, list[_Wait]] = {}
        self._entered: set[_Wait] = set()
        self._next_is_woken = False
        #: Tasks whose ring is ordered.
        self._registered: set[str] = set()

    def _read_ready(self, encoded: str) -> dict[str, StoredResult]:
        return self._database.read(lambda connection: _select_ready(connection, encoded), error=BackendGetMetaError)

    def _enter(self, wait: _Wait) -> Bell:
        with self._mutex:
            self._entered.add(wait)
            wait.is_woken, self._next_is_woken = self._next_is_woken, False
            for task_id in wait.task_ids:
                self._waits.setdefault(task_id, []).append(wait)
            if self._bell is None:
                self._bell = self._database.make_bell()
                self._registered.clear()
            return self._bell

    def _leave(self, wait: _Wait) -> None:
        with self._mutex:
            self._entered.discard(wait)
            for task_id in wait.task_ids:
                others = [other for other in self._waits.get(task_id, ()) if other is not wait]
                if others:
                    self._waits[task_id] = others
                else:
                    self._waits.pop(task_id, None)
            self._pass_on(wait)

    def _pass_on(self, wait: _Wait) -> None:
        """Have another thread listen; the caller holds the mutex."""
        if self._listener is wait:
            self._listener = None
        if self._listener is None:
            for others in self._waits.values():
                others[0].calls.put(False)
                break

    def _register(self, bell: Bell, task_ids: Sequence[str], encoded: str, enough: int) -> dict[str, StoredResult]:
        """Order a ring for each task, unless enough are ready: looked at in the same transaction, so none is missed."""
        with self._mutex:
            new = [task_id for task_id in task_ids if task_id not in self._registered]
            leftovers = self._registered - self._waits.keys() if len(self._registered) > _LEFTOVERS else set()
        if not bell.can_ring or not (new or leftovers):
            return self._read_ready(encoded)

        def register(transaction: Transaction) -> dict[str, StoredResult]:
            connection = transaction.connection
            ready = _select_ready(connection, encoded)
            if len(ready) < enough:
                connection.executemany(QUERIES["insert_result_waiter"], [(task_id, bell.name) for task_id in new])
                connection.executemany(QUERIES["delete_result_waiter"], [(task_id, bell.name) for task_id in leftovers])
            return ready

        ready = self._database.write(register, error=BackendGetMetaError)
        if len(ready) < enough:
            with self._mutex:
                self._registered.update(new)
                self._registered.difference_update(leftovers)
        return ready

    def _pause(self, wait: _Wait, bell: Bell, timeout: float) -> bool:
        """Wait for a ring or a call; return True if it is time to look for results."""
        with self._mutex:
            # Not while it has calls: its own ring may be one of them, and nobody rings twice.
            if self._listener is None and self._bell is bell and wait.calls.empty():
                self._listener = wait
            listens = self._listener is wait
        if not listens:
            try:
                return wait.calls.get(timeout=timeout)
            except Empty:
                return True
        words = bell.wait(timeout)
        if words is None:
            # One look for everybody.
            words = list(self._read_ready(json.dumps(list(self._waits))))
        with self._mutex:
            closed = self._bell is not bell
            if closed:
                self._listener = None
            else:
                self._tell(words)
        if closed:
            self._close_bell(bell)
            return True
        return not words or not set(words).isdisjoint(wait.task_ids)

    def _tell(self, task_ids: Collection[str]) -> None:
        """Tell the threads that wait for these tasks; the caller holds the mutex."""
        self._registered.difference_update(task_ids)
        for task_id in task_ids:
            for wait in self._waits.get(task_id, ()):
                if wait is not self._listener:
                    wait.calls.put(True)

    def _close_bell(self, bell: Bell) -> None:
        bell.close()
        try:
            self._database.forget_bells([bell.name])
        except OperationalError:
            # Whoever rings it in vain does it.
            return


def _select_ready(connection: sqlite3.Connection, encoded: str) -> dict[str, StoredResult]:
    return read_results(connection.execute(QUERIES["ready_results"], (time.time(), encoded)))
