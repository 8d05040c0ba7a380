"""The result backend port: what an engine must do to keep results.

A result is a document (``protocol.result_document``), already bytes when it arrives here; what an engine reads of it is
beside it in a ``StoredResult``. Batches cross this border.

The promises every engine keeps:

* A result whose ``store`` returned can be fetched, by every process, until it expires.
* A stored SUCCESS is final: no later result of that task replaces it (Celery's rule, ``celery/backends/base.py``).
  So is a ``LAST_WORD``.
* A result of an earlier execution never replaces that of a later one, unless it is the first final one.
* A run is held by one holder at a time, and by nobody once it has ended (``hold``, where ``holds_runs``).
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Struct

from celeriac import states
from celeriac.brokers.remarks import Remark

__all__ = ["ENDED_FOR", "LAST_WORD", "ChordProgress", "Holding", "ResultBackend", "StoredResult", "may_replace"]

#: Seconds for which a store remembers that a run has ended: longer than a second message of it comes later than the
#: first.
ENDED_FOR = 3600.0
#: The execution of a result that is final whatever its state, such as that of a run which another one has replaced. It
#: takes the place of what is not final only.
LAST_WORD = 2**53 - 1


class StoredResult(Struct, frozen=True, kw_only=True, array_like=True):
    """One task's state and result, as a store keeps it."""

    task_id: str
    state: str
    #: The whole result document.
    document: bytes
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    #: Seconds to keep it; None: for ever.
    lifetime: float | None = None
    #: Which execution says so (``Delivery.execution``); 0 when there was no delivery, which is never refused.
    execution: int = 0
    #: Who waits for it (the message's ``reply_to``), for engines that send results to their readers.
    reply_to: str | None = None

    @property
    def ready(self) -> bool:
        """No other state is to be expected."""
        return self.state in states.READY_STATES


def may_replace(new: StoredResult, old: StoredResult) -> bool:
    """Say whether a new result takes the place of the one that is there: the rule every engine follows."""
    if old.state == states.SUCCESS or old.execution == LAST_WORD:
        return False
    if new.execution == LAST_WORD:
        return not old.ready
    # Where executions are told by clocks, which differ, the last word must not be lost to an older "has begun".
    return new.execution == 0 or new.execution >= old.execution or (new.ready and not old.ready)


class ChordProgress(Struct, frozen=True, kw_only=True):
    """What is known of a chord after one part of its header has come in."""

    #: Parts that have come in, each counted once however often it is reported.
    count: int
    #: For the part that came in last, and no other: the documents of all parts, in the order of their index.
    documents: tuple[bytes, ...] | None = None


class Holding(enum.Enum):
    """What a store answers to who wants to hold a run."""

    #: It is the asker's, for as long as was asked for.
    OURS = "ours"
    #: Somebody else holds it.
    TAKEN = "taken"
    #: It has ended: nobody is to begin it any more.
    ENDED = "ended"


class ResultBackend(ABC):
    """One process's way to a store of results. Safe for use by many threads.

    Opens itself at first use. After a fork the child's copy opens a connection of its own.
    """

    #: Results are kept; False only for the disabled backend.
    stores_results: ClassVar[bool] = True
    #: Which engine keeps a timetable where the results are (``timetables.choice``); None: none does.
    timetable_engine: ClassVar[str | None] = None
    #: Runs are held here (``hold``), and everybody can read their results; False: nobody can tell how far a run is.
    holds_runs: ClassVar[bool] = False

    #: Without passwords: for logs and people.
    url: str

    @abstractmethod
    def open(self) -> None:
        """Connect; raises ``OperationalError`` with the cure. Safe to call twice."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. Safe to call twice; a later call of another method opens again."""

    @abstractmethod
    def store(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        """Keep results in one step; return those that were refused, being older than what is there.

        Raises ``BackendStoreError`` when none was stored.
        """

    @abstractmethod
    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        """Return what is known of these tasks; an id nobody knows is missing from the answer."""

    @abstractmethod
    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        """Wait until ``minimum`` of these tasks (all, if they are fewer) are ready, or ``timeout`` seconds have passed.

        Returns those that are ready, which after the timeout are fewer, perhaps none. Polls nothing more often than
        about once a second. Safe from many threads at once. May return earlier, with fewer, after ``wake``.
        """

    def wake(self) -> None:
        """End every ``wait`` of this object that has begun; if none has, the next one ends at once.

        For a thread that waits on behalf of others and has to wait for more tasks from now on. Safe from any thread.
        An engine that leaves it out makes coroutines wait longer for their results.
        """

    @abstractmethod
    def forget(self, task_ids: Sequence[str]) -> None:
        """Drop results. Safe to repeat."""

    @abstractmethod
    def save_group(self, group_id: str, document: bytes, lifetime: float | None = None) -> None:
        """Keep a group's document, replacing an earlier one."""

    @abstractmethod
    def load_group(self, group_id: str) -> bytes | None:
        """Return a group's document, or None."""

    @abstractmethod
    def forget_group(self, group_id: str) -> None:
        """Drop a group's document. Safe to repeat."""

    @abstractmethod
    def chord_part(
        self, group_id: str, *, size: int, index: int, document: bytes, lifetime: float | None = None
    ) -> ChordProgress:
        """Record one finished part of a chord's header; a part told twice counts once.

        The documents go to the part that completes the chord, as often as it is told: whoever dies between here and
        the body's publishing is run again, and gets them again.
        """

    def hold(self, task_ids: Sequence[str], holder: str, seconds: float) -> dict[str, Holding]:
        """Hold runs for so many seconds by the store's clock; say of each id whether that was had, in one step each.

        Again before the time is over it goes on. A run has ended if its result is final or ``end_runs`` has said so.
        ``holder`` is another one for each process. Only where ``holds_runs``.
        """
        raise NotImplementedError

    def let_go(self, task_ids: Sequence[str], holder: str) -> None:
        """Hold these runs no more, so that others can; those that others hold stay theirs. Safe to repeat."""
        raise NotImplementedError

    def end_runs(self, task_ids: Sequence[str]) -> None:
        """Remember for ``ENDED_FOR`` seconds that these runs have ended, with a result or without. Safe to repeat."""
        raise NotImplementedError

    @abstractmethod
    def prune(self) -> int:
        """Drop what has expired; return how many results. Engines that expire by themselves return 0."""

    def examine(self) -> list[Remark]:
        """Ask the server how it keeps results, and say what it can lose; changes nothing."""
        return []

    def reply_address(self) -> str | None:
        """Return the address that results are sent to, for engines that send them; None for those that keep them."""
        return None

    def fetch_one(self, task_id: str) -> StoredResult | None:
        """Return what is known of one task, or None."""
        return self.fetch([task_id]).get(task_id)

    def states(self, task_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the state of each of these tasks; PENDING for those nobody knows."""
        known = self.fetch(task_ids)
        return {task_id: known[task_id].state if task_id in known else states.PENDING for task_id in task_ids}
