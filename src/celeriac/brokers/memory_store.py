"""Where the memory broker's messages are: the readable reference of what every engine's store does.

A message is one row from ``publish`` to its end. A row is READY, DELAYED until its ``not_before``, or IN_FLIGHT with a
node. Taking it gives it a new execution number; that number, and not the node, is what a settlement must show. So the
end of a task that came back to its queue while its node was silent still counts, until somebody else takes it.
"""

import enum
import heapq
import itertools
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from celeriac import clock
from celeriac.brokers.base import Broadcast, DeadLetter
from celeriac.brokers.lease import Lease
from celeriac.protocol.message import Message
from celeriac.queues import topic_matches

__all__ = ["Inbox", "Line", "MemoryStore", "Node", "Place", "Row"]


class Place(enum.Enum):
    """Where a row is; GONE before it is placed and after its end."""

    READY = enum.auto()
    DELAYED = enum.auto()
    IN_FLIGHT = enum.auto()
    GONE = enum.auto()


@dataclass(slots=True, eq=False)
class Row:
    """One message; ``number`` is its place in the order of arrival."""

    number: int
    message: Message
    place: Place = Place.GONE
    node: int = 0
    execution: int = 0
    was_taken: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        return -(self.message.priority or 0), self.number


@dataclass(slots=True)
class Line:
    """One queue: heaps whose entries may be out of date; the row says where it is."""

    ready: list[tuple[tuple[int, int], Row]] = field(default_factory=list)
    delayed: list[tuple[float, int, Row]] = field(default_factory=list)


@dataclass(slots=True)
class Node:
    """A consumer, its lease, and what it last said of itself."""

    name: str
    lease: Lease
    status: bytes = b""


@dataclass(slots=True, eq=False)
class Inbox:
    """One subscription: its pattern of routing keys, None for everything, and what has arrived."""

    pattern: str | None
    broadcasts: deque[Broadcast] = field(default_factory=deque)


class MemoryStore:
    """All messages of one name; ``changed`` is held for every access and notified when a consumer may go on."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.numbers = itertools.count(1)
        self.executions = itertools.count(1)
        self.node_numbers = itertools.count(1)
        self.lines: dict[str, Line] = {}
        self.rows: dict[int, Row] = {}
        self.nodes: dict[int, Node] = {}
        self.dead: list[DeadLetter] = []
        self.subscriptions: dict[str, list[Inbox]] = {}

    def add(self, messages: Iterable[Message]) -> None:
        for message in messages:
            row = Row(next(self.numbers), message)
            self.rows[row.number] = row
            self.place(row)
        self.changed.notify_all()

    def place(self, row: Row) -> None:
        """Put a row where its message says: in line, or among the delayed."""
        line = self.lines.get(row.message.queue)
        if line is None:
            line = self.lines[row.message.queue] = Line()
        not_before = row.message.not_before
        if not_before is not None and not_before > clock.now():
            row.place = Place.DELAYED
            heapq.heappush(line.delayed, (not_before, row.number, row))
        else:
            row.place = Place.READY
            heapq.heappush(line.ready, (row.rank, row))

    def remove(self, row: Row) -> None:
        row.place = Place.GONE
        self.rows.pop(row.number, None)

    def ripen(self, line: Line) -> None:
        """Move delayed rows that are due into line."""
        now = clock.now()
        while line.delayed and line.delayed[0][0] <= now:
            _, _, row = heapq.heappop(line.delayed)
            if row.place is Place.DELAYED:
                self.place(row)

    def take(self, line: Line) -> Row | None:
        self.ripen(line)
        while line.ready:
            _, row = heapq.heappop(line.ready)
            if row.place is Place.READY:
                return row
        return None

    def give_back(self, node: int) -> int:
        rows = [row for row in self.rows.values() if row.node == node and row.place is Place.IN_FLIGHT]
        for row in rows:
            row.node = 0
            self.place(row)
        self.changed.notify_all()
        return len(rows)

    def waiting(self, queue: str) -> list[Row]:
        """Return a queue's rows in the order of delivery, delayed ones last."""
        rows = [row for row in self.rows.values() if row.message.queue == queue]
        ready = sorted((row for row in rows if row.place is Place.READY), key=lambda row: row.rank)
        delayed = [row for row in rows if row.place is Place.DELAYED]
        delayed.sort(key=lambda row: (row.message.not_before or 0.0, row.number))
        return ready + delayed

    def broadcast(self, channel: str, broadcast: Broadcast) -> None:
        for inbox in self.subscriptions.get(channel, []):
            if inbox.pattern is None or topic_matches(inbox.pattern, broadcast.routing_key):
                inbox.broadcasts.append(broadcast)
        self.changed.notify_all()
