"""Deliveries that are under way: which message of which channel each of them is, also after the connection broke."""

import hashlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Iterator

from celeriac.brokers.amqp.line import Place
from celeriac.brokers.base import Delivery, Outcome, Settlement
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message

__all__ = ["Flight", "Flights", "digest"]

#: Seconds before the end of a connection in which an ack may have been lost: as long as its end may go unnoticed.
_LOST_ACKS = 15.0
#: How many such acks are remembered.
_REMEMBERED = 20_000
#: Bytes of a body by which a redelivery is known again.
_TELLING = 1024

#: Seconds within which a held copy comes back from a server that was restarted: a quorum queue that finds the other one
#: without a leader tries again after three minutes.
_HELD_RETURN = 240.0


class Flight:
    """One delivery that the consumer has handed out."""

    __slots__ = (
        "arrived_at",
        "delivery",
        "delivery_tag",
        "held",
        "hold_key",
        "is_copied",
        "pending",
        "place",
    )

    def __init__(self, delivery: Delivery, place: Place, delivery_tag: int) -> None:
        self.delivery = delivery
        #: Where it is settled; None: its connection broke, and the server gives the message to somebody again.
        self.place: Place | None = place
        self.delivery_tag = delivery_tag
        #: Since when it is in its place, or in none; on the monotonic clock.
        self.arrived_at = time.monotonic()
        #: It lies in the node's own hold queue (``holding``).
        self.held = False
        #: Names the copy that lies there.
        self.hold_key = ""
        #: What takes its place, or its dead letter, has been published.
        self.is_copied = False
        #: How it ended, while it is not known whether the message comes back here.
        self.pending: Settlement | None = None

    @property
    def message(self) -> Message:
        """What was delivered."""
        return envelopes.decode(self.delivery.envelope)


class Flights:
    """All of a consumer's deliveries, by their public tags, which are never used twice.

    A broken connection gives every unsettled message back, though its task may be running here. Those that come here
    again are known by what they say, and the delivery that was handed out stands for them: so an outage makes no task
    run twice, unless another node was quicker. What had been acked just before the connection broke may come back too,
    for acks are not confirmed and a server that is killed forgets the last ones; it is acked once more. That is only
    done soon after a break: a call with the id and arguments of an earlier one is a call of its own.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._flights: dict[int | str, Flight] = {}
        self._lost: dict[int, deque[Flight]] = {}
        #: What was acked lately: when, its key, and its digest.
        self._acks: deque[tuple[float, int, bytes]] = deque(maxlen=_REMEMBERED)
        #: What was acked just before the last break, and how often.
        self._unsure: Counter[int] = Counter()
        #: The digests of those: other nodes to which they are given again need not run them.
        self.done: list[bytes] = []

    def __iter__(self) -> Iterator[Flight]:
        """Yield them, the oldest first."""
        return iter(self._flights.values())

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def expects_some(self) -> bool:
        """Something may come back that is known here."""
        return bool(self._lost or self._unsure)

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
        message = flight.message
        key = hash(flight.hold_key) if flight.held else _key(message)
        now = time.monotonic()
        self._acks.append((now, key, digest(message)))
        while self._acks[0][0] < now - _LOST_ACKS:
            self._acks.popleft()

    def adopt(self, tag: int | str, place: Place, delivery_tag: int) -> None:
        """From now on this message stands for the delivery."""
        flight = self._flights[tag]
        flight.place, flight.delivery_tag, flight.held = place, delivery_tag, False

    def lose(self, place: Place) -> int:
        """The channel is closed: the server gives back what was received on it; return how many deliveries that are."""
        gone = [flight for flight in self._flights.values() if flight.place is place]
        for flight in gone:
            flight.place, flight.arrived_at = None, time.monotonic()
            key = _key(flight.message)
            self._lost.setdefault(key, deque()).append(flight)
        before = time.monotonic() - _LOST_ACKS
        unsure = [(key, done) for at, key, done in self._acks if at >= before]
        self._unsure.update(key for key, _ in unsure)
        self.done += [done for _, done in unsure]
        self._acks.clear()
        return len(gone)

    def recognise(self, message: Message) -> Flight | None:
        """Return the delivery whose message this redelivery is, if it was handed out here and has not ended.

        The bytes would not tell: a quorum queue sorts the headers of what it gives back.
        """
        key = _key(message)
        waiting = self._lost.get(key)
        if not waiting:
            return None
        flight = next((each for each in waiting if each.message == message), None)
        if flight is not None:
            waiting.remove(flight)
            if not waiting:
                del self._lost[key]
        return flight

    def find_again(self, flight: Flight) -> None:
        """The message of a delivery that was waited for has come, by whatever way."""
        key = _key(flight.message)
        waiting = self._lost.get(key)
        if waiting is not None and flight in waiting:
            waiting.remove(flight)
            if not waiting:
                del self._lost[key]

    def recognise_held(self, hold_key: str) -> Flight | None:
        """Return the delivery whose copy this is, back from the hold queue of a connection that broke.

        Its bytes would not tell, nor does what it says when: it comes from another queue.
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

    def was_acked(self, message: Message, hold_key: str = "") -> bool:
        """Say whether this redelivery, or held copy, was acked just before the break; it counts once for each ack."""
        key = hash(hold_key) if hold_key else _key(message)
        if not self._unsure[key]:
            return False
        self._unsure[key] -= 1
        return True

    def forget_acked(self, message: Message) -> None:
        """The same has come as a new message: what is redelivered from now on is that one."""
        if self._unsure:
            self._unsure.pop(_key(message), None)

    def give_up(self) -> list[Flight]:
        """Wait no longer for what has ended; return that. What still runs is waited for as long as it does."""
        self._unsure.clear()
        self.done.clear()
        ended: list[Flight] = []
        late = time.monotonic() - _HELD_RETURN
        for key, waiting in list(self._lost.items()):
            for flight in [each for each in waiting if each.pending is not None]:
                if flight.held and flight.arrived_at > late:
                    continue
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
        self._unsure.clear()
        self.done.clear()


def digest(message: Message) -> bytes:
    """Return what a message is known by, on any machine."""
    text = f"{message.queue}\0{message.id}\0{message.headers.get('retries')}\0".encode("utf-8", "backslashreplace")
    return hashlib.blake2b(text + message.body, digest_size=16).digest()


def _key(message: Message) -> int:
    body = message.body
    return hash((message.queue, message.id, str(message.headers.get("retries")), len(body), body[:_TELLING]))
