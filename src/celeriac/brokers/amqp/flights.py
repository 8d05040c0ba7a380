"""Deliveries that are under way: which message of which channel each of them is, also after the connection broke."""

import itertools
import time
from collections import deque
from collections.abc import Iterator

from celeriac.brokers.amqp.line import Place
from celeriac.brokers.base import Delivery, Outcome, Settlement

__all__ = ["Flight", "Flights"]

#: How many deliveries that have been acked are remembered, and for how many seconds.
_REMEMBERED = 20_000
_MEMORY = 120.0
#: Bytes of an envelope by which a redelivery is known again: its headers are among them.
_TELLING = 4096


class Flight:
    """One delivery that the consumer has handed out."""

    __slots__ = (
        "arrived_at",
        "delivery",
        "delivery_tag",
        "held",
        "hold_key",
        "is_copied",
        "lost_at",
        "pending",
        "place",
    )

    def __init__(self, delivery: Delivery, place: Place, delivery_tag: int) -> None:
        self.delivery = delivery
        #: Where it is settled; None: its connection broke, and the server gives the message to somebody again.
        self.place: Place | None = place
        self.delivery_tag = delivery_tag
        #: On the monotonic clock.
        self.arrived_at = time.monotonic()
        self.lost_at = 0.0
        #: It lies in the node's own hold queue (``holding``).
        self.held = False
        #: Names the copy that lies there.
        self.hold_key = ""
        #: What takes its place, or its dead letter, has been published.
        self.is_copied = False
        #: How it ended, while it is not known whether the message comes back here.
        self.pending: Settlement | None = None


class Flights:
    """All of a consumer's deliveries, by their public tags, which are never used twice.

    A broken connection gives every unsettled message back, though its task may be running here. Those that come here
    again are known by their bytes, and the delivery that was handed out stands for them: so an outage makes no task run
    twice, unless another node was quicker. What had been acked just before the connection broke may come back too, for
    acks are not confirmed and a server that is killed forgets the last ones; it is acked once more.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._flights: dict[int | str, Flight] = {}
        self._lost: dict[int, deque[Flight]] = {}
        #: Key of what was acked -> how often, and when last.
        self._acked: dict[int, tuple[int, float]] = {}

    def __iter__(self) -> Iterator[Flight]:
        """Yield them, the oldest first."""
        return iter(self._flights.values())

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def lost(self) -> int:
        """How many are waited for."""
        return sum(map(len, self._lost.values()))

    def new_tag(self) -> int:
        """Return a tag for a new delivery."""
        return next(self._numbers)

    def find(self, tag: int | str) -> Flight | None:
        """Return the delivery of this tag unless it has ended."""
        return self._flights.get(tag)

    def begin(self, delivery: Delivery, place: Place, delivery_tag: int) -> None:
        """A delivery is handed out."""
        self._flights[delivery.tag] = Flight(delivery, place, delivery_tag)

    def end(self, settlement: Settlement) -> None:
        """A delivery has been settled."""
        flight = self._flights.pop(settlement.delivery.tag, None)
        if flight is None or settlement.outcome is not Outcome.ACK:
            return
        key = hash(flight.hold_key) if flight.held else _key(settlement.delivery.queue, settlement.delivery.envelope)
        count, _ = self._acked.pop(key, (0, 0.0))
        self._acked[key] = (count + 1, time.monotonic())
        if len(self._acked) > _REMEMBERED:
            del self._acked[next(iter(self._acked))]

    def adopt(self, tag: int | str, place: Place, delivery_tag: int) -> None:
        """From now on this message stands for the delivery."""
        flight = self._flights[tag]
        flight.place, flight.delivery_tag, flight.held = place, delivery_tag, False

    def lose(self, place: Place) -> int:
        """The channel is closed: the server gives back what was received on it; return how many deliveries that are."""
        now = time.monotonic()
        gone = [flight for flight in self._flights.values() if flight.place is place]
        for flight in gone:
            flight.place, flight.lost_at = None, now
            key = _key(flight.delivery.queue, flight.delivery.envelope)
            self._lost.setdefault(key, deque()).append(flight)
        return len(gone)

    def recognise(self, queue: str, envelope: bytes) -> Flight | None:
        """Return the delivery whose message this redelivery is, if it was handed out here and has not ended."""
        key = _key(queue, envelope)
        waiting = self._lost.get(key)
        if not waiting:
            return None
        flight = next((each for each in waiting if each.delivery.envelope == envelope), None)
        if flight is not None:
            waiting.remove(flight)
            if not waiting:
                del self._lost[key]
        return flight

    def recognise_held(self, hold_key: str) -> Flight | None:
        """Return the delivery whose copy this is, back from the hold queue of a connection that broke.

        Its bytes would not tell: the server sorts the headers of what it dead-letters.
        """
        for key, waiting in self._lost.items():
            for flight in waiting:
                if flight.held and flight.hold_key == hold_key:
                    waiting.remove(flight)
                    if not waiting:
                        del self._lost[key]
                    return flight
        return None

    def has_other_half(self, hold_key: str) -> bool:
        """Say whether this copy is of a delivery that is here by its original: the ack of that was lost."""
        return any(flight.hold_key == hold_key for flight in self._flights.values() if flight.place is not None)

    def was_acked(self, queue: str, envelope: bytes, hold_key: str = "") -> bool:
        """Say whether this redelivery, or held copy, was acked here lately; it counts once for each ack."""
        key = hash(hold_key) if hold_key else _key(queue, envelope)
        count, at = self._acked.get(key, (0, 0.0))
        if not count or time.monotonic() - at > _MEMORY:
            return False
        if count == 1:
            del self._acked[key]
        else:
            self._acked[key] = (count - 1, at)
        return True

    def forget_acked(self, queue: str, envelope: bytes) -> None:
        """The same bytes have come as a new message: what is redelivered from now on is that one."""
        if self._acked:
            self._acked.pop(_key(queue, envelope), None)

    def give_up(self, patience: float) -> list[Flight]:
        """Give up what has been waited for longer than so many seconds; return what had ended meanwhile."""
        if not self._lost:
            return []
        before = time.monotonic() - patience
        ended: list[Flight] = []
        for key, waiting in list(self._lost.items()):
            for flight in [each for each in waiting if each.lost_at < before and each.pending is not None]:
                waiting.remove(flight)
                self._flights.pop(flight.delivery.tag, None)
                ended.append(flight)
            if not waiting:
                del self._lost[key]
        return ended

    def clear(self) -> None:
        """Forget all of them."""
        self._flights.clear()
        self._lost.clear()


def _key(queue: str, envelope: bytes) -> int:
    return hash((queue, len(envelope), envelope[:_TELLING]))
