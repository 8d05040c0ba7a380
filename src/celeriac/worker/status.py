"""The status: what a node says of itself with each renewal of its lease, for ``celeriac status``."""

import os
import time
from collections import Counter
from collections.abc import Sequence

import msgspec

from celeriac import states
from celeriac.version import __version__
from celeriac.worker.outages import Outage, Outages

__all__ = ["Status", "StatusReport"]


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The document, as JSON in ``NodeRecord.status``."""

    hostname: str
    pid: int
    version: str
    #: Unix time.
    started_at: float
    executor: str
    concurrency: int
    queues: list[str]
    #: Process ids of the children.
    children: list[int]
    #: Tasks that run or have been given to a child.
    active: int
    #: Executions since the start, and those of them that failed.
    processed: int
    failed: int
    #: How often the broker or the result store was away since the start, and when it was last.
    outages: int = 0
    last_outage: Outage | None = None
    #: Why the broker takes no new messages, though it serves this node.
    hindrance: str = ""


class Status:
    """Counters that the main thread writes and the consumer thread reads."""

    def __init__(self, *, hostname: str, executor: str, concurrency: int, queues: Sequence[str]) -> None:
        self._hostname = hostname
        self._executor = executor
        self._concurrency = concurrency
        self._queues = list(queues)
        self._started_at = time.time()
        self._states: Counter[str] = Counter()
        self.outages = Outages()
        self.children: list[int] = []
        self.active = 0

    def count(self, state: str) -> None:
        """Count one execution by the state it ended in."""
        self._states[state] += 1

    @property
    def processed(self) -> int:
        """Executions since the start. Safe from any thread."""
        return sum(list(self._states.values()))

    def document(self) -> bytes:
        """Return the report. Called in the consumer thread."""
        return msgspec.json.encode(
            StatusReport(
                hostname=self._hostname,
                pid=os.getpid(),
                version=__version__,
                started_at=self._started_at,
                executor=self._executor,
                concurrency=self._concurrency,
                queues=self._queues,
                children=self.children,
                active=self.active,
                processed=self.processed,
                failed=self._states[states.FAILURE],
                outages=self.outages.count,
                last_outage=self.outages.last,
                hindrance=self.outages.hindrance,
            )
        )
