"""Taking: some queues whose keys lie together, a node's record of what it took from them, and the way to them.

On a server there is one for all queues of a consumer; on a Cluster there is one for each queue.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from celeriac.brokers.base import Delivery
from celeriac.brokers.redis.agenda import Agenda, ListEntry
from celeriac.brokers.redis.elements import eta_of, is_redelivered
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.line import Line
from celeriac.brokers.redis.parked_take import Lost
from celeriac.brokers.redis.record import SCRIPTS, Record
from celeriac.exceptions import OperationalError
from celeriac.redis.errors import ReplyError
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall
from celeriac.redis.scripts import load_script

__all__ = ["TAKE_BYTES", "Shard"]

_log = logging.getLogger("celeriac.broker")

#: About how many bytes of messages are taken at once, at most.
TAKE_BYTES: Final = 1 << 20
#: Delayed messages of a queue that are moved in one take: a few for each that is asked for, and within these bounds.
_RIPEN_LEAST: Final = 100
_RIPEN_MOST: Final = 1000
#: Milliseconds after which the answer to a parked take is not believed: the node was stopped, and perhaps its lease has
#: ended meanwhile and others have the message.
_STALE: Final = 100
#: Seconds between two complaints about a key that is no list.
_COMPLAINT_INTERVAL: Final = 60.0


class _Question(NamedTuple):
    """What was asked for in a take."""

    due: list[str]
    entries: list[ListEntry]
    #: The last receipt's number before it.
    serial: int


class Shard:
    """Queues, a record, and a line. Used by one thread."""

    def __init__(self, layout: Layout, record: Record, *, queue: str = "") -> None:
        self._layout = layout
        #: On a Cluster, the only queue.
        self.queue = queue
        self.record = record
        self.agenda = Agenda(layout)
        #: The number of the last receipt.
        self._serial = 0
        #: The server's clock in milliseconds minus ours.
        self._ahead = 0.0
        self._asked = _Question([], [], 0)
        #: The list that a take is parked on, and the last receipt's number before it.
        self._parked: tuple[ListEntry, int]
        self._complained_at = -_COMPLAINT_INTERVAL

    def begin_anew(self) -> None:
        """Note that the connection is a new one: nothing heard or asked before holds."""
        self.agenda.wake_all()
        self.record.is_in_doubt = True

    @property
    def seconds_until_due(self) -> float | None:
        """How long until the next delayed message is due; None if none is known."""
        moment = self.agenda.next_moment
        return None if moment is None else (moment - self._now()) / 1000

    def did(self, keys: Iterable[str]) -> None:
        """Note that our own connection puts something there, for which the bell does not ring."""
        self.agenda.wake({key.encode() for key in keys})

    def is_something_to_ask(self) -> bool:
        """Some list may hold something, some delayed message may be due, or an answer was lost."""
        if self.agenda.is_something_to_ask or self.record.is_in_doubt:
            return True
        moment = self.agenda.next_moment
        return moment is not None and moment <= self._now()

    @property
    def line(self) -> Line:
        """The way to it."""
        return self.record.line

    def prepare(self, limit: int) -> list[Command]:
        """Return the commands of a take; their answers go to ``finish``."""
        due = self.agenda.due(self._now())
        commands: list[Command] = []
        if due:
            commands.append(self._ripen_call(due, limit))
            for queue in due:
                self.agenda.saw(queue, moved=1, moment=None)
        self._asked = _Question(due, self.agenda.choose(limit), self._serial)
        commands.append(self._take_call(self._asked.entries, limit))
        self._serial += limit
        return commands

    def finish(self, replies: Sequence[Reply]) -> list[Delivery]:
        """Return what was taken, less what is not due; raises ``RedisRefused``."""
        for reply in replies:
            if isinstance(reply, ReplyError):
                self.begin_anew()
                raise self.line.connection.explain(reply)
        if self._asked.due:
            self._saw(self._asked.due, replies[0])
        try:
            return self._deliver(self._asked.entries, replies[-1], self._asked.serial)
        except OperationalError:
            # It was taken, and nobody gets it from here.
            self.record.is_in_doubt = True
            raise

    def take_unheard(self, limit: int) -> list[Delivery]:
        """Return what was taken without this consumer's hearing of it, up to a limit."""
        execution, pairs = self.record.unheard(limit)
        deliveries = []
        for number, (receipt, element) in enumerate(pairs):
            serial, _, name = receipt.partition(":")
            self._serial = max(self._serial, int(serial))
            deliveries.append(
                Delivery(
                    tag=receipt,
                    queue=self._layout.queue_of(name),
                    envelope=element,
                    execution=execution + number,
                    redelivered=is_redelivered(element),
                )
            )
        # Without an answer the server's time is not known: it decides on each that has an eta.
        return self._hand_out(deliveries, 0.0)

    def park(self, entry: ListEntry) -> ScriptCall:
        """Return the take that waits for the next message of a list; its answer goes to ``finish_parked``."""
        record = self.record
        self._serial += 1
        record.awaited = f"{self._serial}:{entry.name}"
        self._parked = entry, self._serial - 1
        keys = (record.keys.nodes, record.keys.in_flight, record.keys.executions, entry.key)
        return ScriptCall(load_script(SCRIPTS, "take_one"), keys, (record.incarnation, record.awaited))

    def finish_parked(self, reply: Reply, *, to_run: bool = True) -> list[Delivery]:
        """Return what a parked take has brought; to be run it must be fresh, and otherwise the record tells of it."""
        entry, serial = self._parked
        self.record.awaited = ""
        # The bell does not ring for a list that only a parked take has found empty.
        self.agenda.wake((entry.key,))
        if isinstance(reply, Lost):
            self.record.is_in_doubt = True
            return []
        now, has_lapsed, _, given, _ = reply
        if has_lapsed:
            return []
        if given and to_run and self._now() - now > _STALE:
            self.record.is_in_doubt = True
            return []
        ahead = self._ahead
        try:
            return self._deliver([entry], reply, serial)
        except OperationalError:
            self.record.is_in_doubt = True
            raise
        finally:
            # The answer may have waited for a reader.
            self._ahead = max(ahead, self._ahead)

    def arrive(self, queue: str, elements: Sequence[bytes]) -> list[Delivery]:
        """Take up messages of a queue that came by another way than its lists."""
        name = self._layout.list_name(queue, 0)
        receipts = [f"{self._serial + number}:{name}" for number in range(1, len(elements) + 1)]
        self._serial += len(elements)
        pairs = [argument for pair in zip(receipts, elements, strict=True) for argument in pair]
        keys = self.record.keys
        commands: list[Command] = [
            (b"HSET", keys.in_flight, *pairs),
            ScriptCall(load_script(SCRIPTS, "found"), (keys.in_flight, keys.executions), receipts),
        ]
        replies = self.line.connection.pipeline(commands)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise self.line.connection.explain(reply)
        deliveries = [
            Delivery(tag=receipt, queue=queue, envelope=element, execution=replies[1][0] + number)
            for number, (receipt, element) in enumerate(zip(receipts, elements, strict=True))
        ]
        return self._hand_out(deliveries, 0.0)

    def _now(self) -> float:
        return time.monotonic() * 1000 + self._ahead

    def _ripen_call(self, queues: Sequence[str], limit: int) -> ScriptCall:
        keys = [key for queue in queues for key in (self._layout.delayed(queue), self._layout.list(queue))]
        chunk = min(max(4 * limit, _RIPEN_LEAST), _RIPEN_MOST)
        return ScriptCall(load_script(SCRIPTS, "ripen"), keys, (chunk, self._layout.separator))

    def _take_call(self, entries: Sequence[ListEntry], limit: int) -> ScriptCall:
        record = self.record
        return ScriptCall(
            load_script(SCRIPTS, "take"),
            (record.keys.nodes, record.keys.in_flight, record.keys.executions, *[entry.key for entry in entries]),
            (
                record.incarnation,
                record.lease,
                limit,
                self._serial + 1,
                len(self._layout.prefix.encode()),
                TAKE_BYTES,
                *[entry.level for entry in entries],
            ),
        )

    def _saw(self, queues: Sequence[str], reply: Reply) -> None:
        for number, queue in enumerate(queues):
            moved, moment = reply[2 * number : 2 * number + 2]
            self.agenda.saw(queue, moved=moved, moment=None if moment is None else float(moment))

    def _deliver(self, entries: Sequence[ListEntry], reply: Reply, serial: int) -> list[Delivery]:
        now, has_lapsed, execution = reply[:3]
        self._ahead = now - time.monotonic() * 1000
        if has_lapsed:
            self.record.lapsed(now)
            self.record.keep_name()
        deliveries: list[Delivery] = []
        for entry, given, is_empty in zip(entries, reply[3::2], reply[4::2], strict=True):
            elements = [] if isinstance(given, bytes) else given
            if isinstance(given, bytes):
                self._complain(entry, given)
            self.agenda.asked(entry, gave=len(elements), is_empty=bool(is_empty))
            for element in elements:
                serial += 1
                delivery = Delivery(
                    tag=f"{serial}:{entry.name}",
                    queue=entry.queue,
                    envelope=element,
                    execution=execution,
                    redelivered=is_redelivered(element),
                )
                execution += 1
                deliveries.append(delivery)
        return self._hand_out(deliveries, now)

    def _hand_out(self, deliveries: list[Delivery], now: float) -> list[Delivery]:
        """Return the deliveries that are due; those that are not go where they wait for their eta."""
        late = [
            (delivery, eta * 1000)
            for delivery in deliveries
            if (eta := eta_of(delivery.envelope)) is not None and eta * 1000 > now
        ]
        if late:
            # Until this is answered nothing of the batch is handed out: if it fails, all of it is found in the record.
            was_in_doubt, self.record.is_in_doubt = self.record.is_in_doubt, True
            moved = self._delay(late)
            self.record.is_in_doubt = was_in_doubt
            deliveries = [delivery for delivery in deliveries if delivery.tag not in moved]
        self.record.handed.update([str(delivery.tag) for delivery in deliveries])
        return deliveries

    def _delay(self, late: Sequence[tuple[Delivery, float]]) -> set[str]:
        """Put messages with an eta where they wait for it; return the tags of those that had to."""
        delayed = [self._layout.delayed(delivery.queue) for delivery, _ in late]
        keys = [self.record.keys.in_flight, *delayed]
        arguments: list[Argument] = []
        for delivery, moment in late:
            tag = str(delivery.tag)
            arguments += (tag, self._layout.step_of(tag.partition(":")[2]), repr(moment))
        reply = self.line.connection.run(ScriptCall(load_script(SCRIPTS, "delay"), keys, arguments))
        self.did(delayed)
        return {str(delivery.tag) for (delivery, _), is_moved in zip(late, reply, strict=True) if is_moved}

    def _complain(self, entry: ListEntry, error: bytes) -> None:
        if time.monotonic() - self._complained_at > _COMPLAINT_INTERVAL:
            self._complained_at = time.monotonic()
            _log.error(
                "The queue %s cannot be read: the key %r holds something that is no list (%s). Remove or rename it.",
                entry.queue,
                entry.key.decode(errors="replace"),
                error.decode(errors="replace"),
            )
