"""The shards of a consumer, and the lines to them.

On a server all queues are one shard. In a Cluster every queue is one of its own, because its keys lie on one node and
other queues' on others; shards on the same node share a line, and go along when their keys move.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from celeriac.brokers.base import Delivery
from celeriac.brokers.redis.agenda import ListEntry
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.line import Line
from celeriac.brokers.redis.parked_take import LEAST, Lost
from celeriac.brokers.redis.record import Record
from celeriac.brokers.redis.shard import TAKE_BYTES, Shard
from celeriac.exceptions import OperationalError
from celeriac.redis.cluster import Cluster
from celeriac.redis.connecting import Connector
from celeriac.redis.errors import RedisRefused, RedisUnavailable
from celeriac.redis.packing import Command, Reply
from celeriac.redis.servers import Server

__all__ = ["Fleet"]

T = TypeVar("T")

#: Seconds after which a shard whose slot is on its way is asked again.
_PAUSE: Final = 0.1
#: Answers of a node that has not, or not yet, or not any more, what was asked of it.
_MOVED: Final = frozenset({"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"})


class Fleet:
    """All shards of one consumer. Used by one thread."""

    def __init__(self, layout: Layout, server: Server, *, node: str, lease: float) -> None:
        self._layout = layout
        self._server = server
        self._node = node
        self._lease = lease
        self._incarnation = secrets.token_hex(8)
        #: Those first whose turn it is.
        self._shards: dict[str, Shard] = {}
        self._lines: dict[Connector, Line] = {}
        #: The list that a take is parked on, or was last: then the bell does not ring for it until it is asked again.
        self._parked: dict[Line, tuple[Shard, ListEntry]] = {}
        #: Shards that cannot be asked at the moment, as their slot is on its way, and until when (monotonic).
        self._away: dict[Shard, float] = {}

    def open(self) -> None:
        """Take up the lease, where it belongs to no queue."""
        if not self._layout.is_cluster:
            self._shard_for("")

    @property
    def shards(self) -> list[Shard]:
        """Every shard, those of cancelled queues too."""
        return list(self._shards.values())

    @property
    def filenos(self) -> list[int]:
        """What becomes readable when something can be heard."""
        return [number for line in self._lines.values() for number in line.filenos]

    @property
    def queues(self) -> list[str]:
        """The queues that are taken from."""
        return [queue for shard in self._shards.values() for queue in shard.agenda.queues]

    def shard_of(self, queue: str) -> Shard:
        """Return the shard that a queue belongs to."""
        return self._shards[queue if self._layout.is_cluster else ""]

    def add(self, queue: str) -> None:
        """Take from this queue too."""
        self._shard_for(queue if self._layout.is_cluster else "").agenda.add(queue)

    def cancel(self, queue: str) -> None:
        """Take no more from this queue."""
        for shard in self._shards.values():
            shard.agenda.cancel(queue)

    def connect(self) -> list[Shard]:
        """Make sure of the connections; return the shards that have a new one.

        Raises ``RedisUnavailable`` if there is none; in a Cluster the other nodes are enough.
        """
        anew: list[Shard] = []
        error: RedisUnavailable | None = None
        is_any_open = not self._lines
        for line in list(self._lines.values()):
            try:
                is_new = line.open()
            except RedisUnavailable as away:
                error = away
                self._lose_parked(line)
                self._leave_line(line)
                continue
            is_any_open = True
            if is_new:
                self._lose_parked(line)
                anew += [shard for shard in self._shards.values() if shard.line is line]
        if error is not None and not is_any_open:
            raise error
        for shard in anew:
            shard.begin_anew()
        return anew

    def hear(self) -> bool:
        """Pass on what the bells have said; return whether some line is deaf."""
        is_deaf = False
        for line in self._lines.values():
            keys, is_all = line.heard()
            is_deaf = is_deaf or line.is_deaf
            if line.parked.key is not None:
                # The parked take answers for it.
                keys = [key for key in keys if key != line.parked.key]
            if keys or is_all:
                for shard in self._shards.values():
                    if shard.line is line:
                        if is_all:
                            shard.agenda.wake_all()
                        shard.agenda.wake(keys)
        return is_deaf

    def listen(self) -> bool:
        """Hear what has come without being asked for; return whether anything has."""
        has_heard = [line.listen() for line in self._lines.values()]
        return any(has_heard)

    def park(self, limit: int, seconds: float) -> bool:
        """Have each server take the next message of one list by itself, while there is room for as many.

        Returns False when a list has to be asked first, because nothing tells of its messages any more.
        """
        room = limit - self.parked_count
        for line in self._lines.values():
            if line.parked.key is not None:
                continue
            choice = self._likeliest(line) if room > 0 and seconds >= LEAST else None
            if choice is None or choice != self._parked.get(line, choice):
                self._rouse(line)
            elif line.parked.prepare():
                shard, entry = self._parked[line] = choice
                line.parked.park(entry.key, shard.park(entry))
                room -= 1
            else:
                self._rouse(line)
        return not self.to_ask()

    @property
    def parked_filenos(self) -> set[int]:
        """What becomes readable when a parked take is answered."""
        return {line.parked.fileno() for line in self._lines.values()}

    @property
    def parked_count(self) -> int:
        """How many messages parked takes may bring."""
        return sum([line.parked.key is not None for line in self._lines.values()])

    def parked_arrivals(self) -> list[Delivery]:
        """Return what parked takes have brought by now."""
        deliveries: list[Delivery] = []
        for line in self._lines.values():
            if (answer := line.parked.answer()) is not None:
                deliveries += self._finish_parked(line, answer)
        return deliveries

    def unpark(self, *, to_run: bool = True) -> list[Delivery]:
        """End parked takes; return what they have brought, to be run or to be given back."""
        deliveries: list[Delivery] = []
        for line in self._lines.values():
            if (answer := line.parked.end(line.connection)) is not None:
                deliveries += self._finish_parked(line, answer, to_run=to_run)
        return deliveries

    def drop_parked(self) -> None:
        """Forget parked takes; what they bring stays in the record."""
        for line in self._lines.values():
            self._lose_parked(line)

    def rouse(self) -> None:
        """Have the lists asked for which neither a parked take nor the bell tells."""
        for line in self._lines.values():
            if line.parked.key is None:
                self._rouse(line)

    def ping(self) -> None:
        """Hear what was sent before now."""
        for line in self._lines.values():
            if line.connection.is_open:
                line.connection.call(b"PING")

    def look(self) -> None:
        """Ask every list anew."""
        for shard in self._shards.values():
            shard.agenda.wake_all()

    def to_ask(self) -> list[Shard]:
        """Return the shards in which a take may find something."""
        return [shard for shard in self._open_shards() if shard.is_something_to_ask()]

    @property
    def seconds_until_due(self) -> float | None:
        """How long until there is something to do, as far as is known: a delayed message, a slot that has moved."""
        moments = [shard.seconds_until_due for shard in self._shards.values()]
        moments += [until - time.monotonic() for until in self._away.values()]
        return min((moment for moment in moments if moment is not None), default=None)

    def take(self, limit: int, asked: Sequence[Shard]) -> list[Delivery]:
        """Take what there is in shards, up to a limit: one round trip to each node that has some of them, or a few.

        What is large comes in smaller numbers, so that it is on its way to the children before the next is taken.
        """
        deliveries: list[Delivery] = []
        while asked and len(deliveries) < limit:
            error = self._take_from(asked, limit - len(deliveries), deliveries)
            if error is not None:
                if not deliveries:
                    raise error
                # What has been taken is handed out; the next call meets the error again, if it is still there.
                break
            if sum([len(delivery.envelope) for delivery in deliveries]) >= TAKE_BYTES:
                break
            asked = self.to_ask()
        return deliveries

    def at(self, shard: Shard, action: Callable[[], T]) -> T:
        """Do something where the shard is, also if it has moved meanwhile."""
        try:
            return action()
        except RedisRefused as error:
            if not self._follow(shard, error):
                raise
            return action()

    def on_each(self, action: Callable[[Shard], T]) -> list[T]:
        """Do something on every shard that can be reached; raises ``OperationalError`` if that is none."""
        answers: list[T] = []
        error: OperationalError | None = None
        for shard in self.shards:
            try:
                answers.append(self.at(shard, partial(action, shard)))
            except OperationalError as raised:
                error = raised
        if error is not None and not answers:
            raise error
        return answers

    def close(self) -> None:
        """Disconnect. Safe to call twice."""
        for line in self._lines.values():
            line.close()

    def _likeliest(self, line: Line) -> tuple[Shard, ListEntry] | None:
        """Return the list to park a take on: of the shards that were asked last."""
        if line.parked.is_possible and line.connection.is_open:
            for shard in reversed(self._open_shards()):
                if shard.line is line and (entry := shard.agenda.likeliest) is not None:
                    return shard, entry
        return None

    def _finish_parked(self, line: Line, answer: Reply | Lost, *, to_run: bool = True) -> list[Delivery]:
        shard, _ = self._parked[line]
        try:
            return shard.finish_parked(answer, to_run=to_run)
        except OperationalError:
            # It is in the record. Who takes next meets the error again, if it is still there.
            return []

    def _lose_parked(self, line: Line) -> None:
        if line.parked.key is not None:
            line.parked.close()
            self._finish_parked(line, Lost("The connection to the server was lost."))

    def _rouse(self, line: Line) -> None:
        if line in self._parked:
            shard, entry = self._parked.pop(line)
            shard.agenda.wake((entry.key,))

    def _take_from(self, shards: Sequence[Shard], limit: int, taken: list[Delivery]) -> OperationalError | None:
        """Add what some shards give, on each node at once; return an error of some node, if there was one."""
        error: OperationalError | None = None
        shards = next(([shard] for shard in shards if shard.record.is_in_doubt), shards[:limit])
        for line in list(self._lines.values()):
            here = [shard for shard in shards if shard.line is line]
            try:
                if here and here[0].record.is_in_doubt:
                    taken += self.at(here[0], partial(here[0].take_unheard, limit))
                elif here:
                    taken += self._take_on(line, here, limit // len(shards))
            except OperationalError as raised:
                error = raised
        for shard in shards:
            # The others' turn.
            self._shards[shard.queue] = self._shards.pop(shard.queue)
        return error

    def _take_on(self, line: Line, here: Sequence[Shard], limit: int) -> list[Delivery]:
        commands: list[Command] = []
        sizes: list[int] = []
        for shard in here:
            prepared = shard.prepare(limit)
            commands += prepared
            sizes.append(len(prepared))
        replies = line.connection.pipeline(commands)
        deliveries: list[Delivery] = []
        error: OperationalError | None = None
        for shard, size in zip(here, sizes, strict=True):
            own, replies = replies[:size], replies[size:]
            try:
                deliveries += self._finish(shard, own)
            except OperationalError as raised:
                error = raised
        if error is not None and not deliveries:
            raise error
        return deliveries

    def _finish(self, shard: Shard, replies: Sequence[Reply]) -> list[Delivery]:
        try:
            return shard.finish(replies)
        except RedisRefused as error:
            if error.code not in _MOVED or not self._layout.is_cluster:
                raise
            if not self._follow(shard, error):
                self._away[shard] = time.monotonic() + _PAUSE
            return []

    def _follow(self, shard: Shard, error: RedisRefused) -> bool:
        """Go where the shard's keys have moved to; return False if they have not."""
        if error.code not in _MOVED or not isinstance(self._server, Cluster):
            return False
        line = shard.line
        self._server.look_again()
        shard.record.line = self._line_to(shard.queue)
        shard.begin_anew()
        return shard.line is not line

    def _leave_line(self, line: Line) -> None:
        """A node is away: perhaps others have its slots by now."""
        if not isinstance(self._server, Cluster):
            return
        self._server.look_again()
        for shard in self._shards.values():
            if shard.line is line:
                shard.record.line = self._line_to(shard.queue)

    def _open_shards(self) -> list[Shard]:
        now = time.monotonic()
        self._away = {shard: until for shard, until in self._away.items() if until > now}
        return [shard for shard in self._shards.values() if shard.line.connection.is_open and shard not in self._away]

    def _shard_for(self, queue: str) -> Shard:
        shard = self._shards.get(queue)
        if shard is None:
            record = Record(
                self._layout,
                self._line_to(queue),
                incarnation=self._incarnation,
                name=self._node,
                lease=self._lease,
                queue=queue,
            )
            shard = Shard(self._layout, record, queue=queue)
            self._shards[queue] = shard
            self.at(shard, record.register)
            shard.begin_anew()
        return shard

    def _line_to(self, queue: str) -> Line:
        connector = self._server.any_connector()
        if self._layout.is_cluster:
            connector = self._server.pool_of(self._layout.list(queue).encode()).connector
        if connector not in self._lines:
            self._lines[connector] = Line(connector)
        return self._lines[connector]
