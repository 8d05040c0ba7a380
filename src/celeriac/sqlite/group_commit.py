"""Group commit: what several threads write at the same time goes into one transaction.

A thread that comes while nobody writes leads: it begins a transaction, and then takes along whatever others have queued
in the meantime, each behind a savepoint, so that one that fails takes nobody with it. The others wait and find their
work done. When a leader is through and more has been queued, the first of those leads next. There is no thread of its
own, and a thread that is alone waits for nobody. If one statement is all it has to write, it need not even queue: it
claims the connection, and whoever comes in the meantime leads when it is released.
"""

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Claim", "GroupCommit", "Transaction"]

T = TypeVar("T")


class Transaction:
    """What an operation gets: the connection, and a place to note whom to ring when it is all committed."""

    __slots__ = ("connection", "rings")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        #: Bell to the words it is rung with.
        self.rings: dict[str, set[str]] = {}

    def ring(self, bell: str, word: str = "") -> None:
        """Have a bell rung after the commit."""
        words = self.rings.setdefault(bell, set())
        if word:
            words.add(word)


class _Work(Generic[T]):
    """One thread's operation, and what has become of it."""

    __slots__ = ("error", "operation", "result", "rings", "turn")

    def __init__(self, operation: Callable[[Transaction], T]) -> None:
        self.operation = operation
        self.result: T | None = None
        self.error: BaseException | None = None
        self.rings: dict[str, set[str]] = {}
        #: Released when the work is done, or is to lead.
        self.turn = threading.Lock()
        self.turn.acquire()


class Claim:
    """One thread's claim on the connection, past the queue."""

    __slots__ = ()


class GroupCommit:
    """Runs operations in transactions. Safe for many threads.

    ``begin`` returns a connection with a transaction begun, waiting until the deadline (monotonic) it is given.
    ``verify`` is called after each commit and raises if it was in vain.
    """

    def __init__(self, begin: Callable[[float], sqlite3.Connection], verify: Callable[[], None]) -> None:
        self._begin = begin
        self._verify = verify
        self.reset()

    def reset(self) -> None:
        """Forget everything: in a forked child the other threads do not exist."""
        self._mutex = threading.Lock()
        #: Work that is in no transaction yet; the leader's own too.
        self._queue: deque[_Work[Any]] = deque()
        #: Whose thread leads; while nobody does, the queue is empty.
        self._leader: _Work[Any] | Claim | None = None
        self._leader_thread = 0

    def run(self, operation: Callable[[Transaction], T], deadline: float) -> tuple[T, dict[str, set[str]]]:
        """Run an operation and commit it; return its result and whom to ring.

        Raises what the operation or SQLite raised; nothing of it is stored then. Raises ``TimeoutError`` if it was not
        its turn before the deadline (monotonic).
        """
        work = _Work(operation)
        try:
            if self._enter(work) or self._wait(work, deadline):
                self._lead(deadline)
        finally:
            # Also when a signal's handler has raised anywhere in between.
            self._leave(work)
        if work.error is not None:
            raise work.error
        return work.result, work.rings  # type: ignore[return-value]

    def claim(self, claim: Claim) -> bool:
        """Keep everybody else from writing until ``release``; return False if somebody writes."""
        with self._mutex:
            if self._leader is not None:
                return False
            self._leader = claim
            self._leader_thread = threading.get_ident()
            return True

    def release(self, claim: Claim) -> None:
        """Let the others write; nothing if the claim was not granted."""
        with self._mutex:
            if self._leader is claim:
                self._pass_on()

    def pause(self, timeout: float) -> bool:
        """Wait until nobody writes, and let nobody begin until ``resume``; return False if that was not to be had."""
        if self._leader_thread == threading.get_ident():
            return False
        deadline = time.monotonic() + timeout
        while True:
            work = _Work(_do_nothing)
            try:
                if self._enter(work) or self._wait(work, deadline):
                    return True
            except TimeoutError:
                self._leave(work)
                return False

    def resume(self) -> None:
        """Let the others go on."""
        leader = self._leader
        if isinstance(leader, _Work):
            self._leave(leader)

    def _enter(self, work: _Work[Any]) -> bool:
        """Queue work; return True if its thread is to lead."""
        with self._mutex:
            self._queue.append(work)
            if self._leader is None:
                self._leader = work
            return self._leader is work

    def _wait(self, work: _Work[Any], deadline: float) -> bool:
        """Wait for this work's turn; return True if its thread is to lead, False if it is done."""
        if not work.turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            with self._mutex:
                if work in self._queue and self._leader is not work:
                    self._queue.remove(work)
                    raise TimeoutError
            # A leader has it in a transaction, or has just resigned: that is a matter of milliseconds.
            work.turn.acquire()
        return self._leader is work

    def _leave(self, work: _Work[Any]) -> None:
        """Take back what is not done, and pass leadership on."""
        with self._mutex:
            if work in self._queue:
                self._queue.remove(work)
            if self._leader is work:
                self._pass_on()

    def _pass_on(self) -> None:
        """Let the first in the queue lead; the caller holds the mutex."""
        self._leader_thread = 0
        if self._queue:
            self._leader = self._queue[0]
            self._queue[0].turn.release()
        else:
            self._leader = None

    def _lead(self, deadline: float) -> None:
        self._leader_thread = threading.get_ident()
        connection = self._begin(deadline)
        with self._mutex:
            batch = list(self._queue)
            self._queue.clear()
        try:
            self._commit(connection, batch)
        except BaseException:
            # This thread was interrupted. What is not committed waits for the next leader.
            if connection.in_transaction:
                _roll_back(connection)
                with self._mutex:
                    self._queue.extendleft(reversed(batch))
                raise
            self._finish(batch)
            raise
        self._finish(batch)

    def _commit(self, connection: sqlite3.Connection, batch: list[_Work[Any]]) -> None:
        is_alone = len(batch) == 1
        try:
            for work in batch:
                self._perform(connection, work, is_alone=is_alone)
            if connection.in_transaction:
                connection.execute("COMMIT")
            self._verify()
        except (sqlite3.Error, OSError) as error:
            _roll_back(connection)
            for work in batch:
                work.error = work.error or error

    def _perform(self, connection: sqlite3.Connection, work: _Work[Any], *, is_alone: bool) -> None:
        work.error = None
        transaction = Transaction(connection)
        if not is_alone:
            connection.execute("SAVEPOINT work")
        try:
            work.result = work.operation(transaction)
            work.rings = transaction.rings
        except Exception as error:
            work.error = error
            if is_alone or not connection.in_transaction:
                # SQLite itself rolls everything back when, for example, the disk is full: nobody's work is stored then.
                _roll_back(connection)
                if not is_alone:
                    raise
                return
            connection.execute("ROLLBACK TO work")
        if not is_alone:
            connection.execute("RELEASE work")

    def _finish(self, batch: list[_Work[Any]]) -> None:
        for work in batch:
            # The leader's own may have been released when it was told to lead.
            if work is not self._leader:
                work.turn.release()


def _do_nothing(_: Transaction) -> None:
    pass


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
