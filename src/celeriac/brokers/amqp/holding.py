"""Deliveries that are under way longer than RabbitMQ allows: held by a copy in a queue of the node's own.

RabbitMQ closes a channel on which a delivery stays unsettled longer than ``consumer_timeout`` (30 minutes, for the
whole server), and gives all of the channel's messages to others. So a delivery that has been under way for a third of
that time is handed over: a copy is published to the node's hold queue and confirmed, comes back at once on the node's
own consumer there, and only then the original is acked. The copy is unsettled from then on, belongs to this connection
as the original did, and is itself handed over when its time has come. ``docs/internals/rabbitmq-engine.md`` says why
nothing is lost at any moment.
"""

import itertools
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Outgoing
from celeriac.brokers.amqp.flights import Flight, Flights
from celeriac.brokers.amqp.pool import ConnectionPool
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.amqp_message import HOLD, HOLD_PREFIX, to_properties

__all__ = ["DEFAULT_CONSUMER_TIMEOUT", "Holder"]

logger = logging.getLogger(__name__)

#: Seconds: RabbitMQ's own default.
DEFAULT_CONSUMER_TIMEOUT = 1800.0

#: Milliseconds a copy may lie in a hold queue without being under way: it never does, unless its node has died. Under
#: way, time does not count; so the copy of a node that dies later goes back at once.
_STRANDED = 10_000
#: Milliseconds after which a hold queue without a consumer, long empty by then, is removed.
_ABANDONED = 3_600_000
#: Seconds before a new hold queue is used. A server that is killed forgets a quorum queue that it has just made, with
#: all that it has confirmed of it.
_SETTLING = 3.0
#: Seconds to wait for confirms, for the copies themselves, and after a failure.
_PUBLISH_PATIENCE = 5.0
_COPY_PATIENCE = 5.0
#: Seconds after which a copy that was published and has not come counts as not published.
_LOST_COPY = 60.0
#: Deliveries handed over at once, at most.
_BATCH = 100


class _Expected(NamedTuple):
    """A copy that was published and has not come yet."""

    flight: Flight
    since: float
    #: It is to be sent by another node, to which the server has given the message (``reunion``).
    is_claim: bool = False


class Holder:
    """Keeps one connection's deliveries from growing too old. A place where they are settled, like a ``Line``."""

    def __init__(
        self,
        connection: Connection,
        flights: Flights,
        pool: ConnectionPool,
        *,
        timeout: float,
        is_classic: Callable[[str], bool],
    ) -> None:
        """``timeout`` is the server's ``consumer_timeout`` in seconds; 0: it has none.

        ``is_classic`` says whether a queue is of the classic type.
        """
        self._connection = connection
        self._flights = flights
        self._pool = pool
        self._age = timeout / 3
        self._is_classic = is_classic
        self._channel: Channel | None = None
        #: The queue a delivery came from -> the hold queue of its copies.
        self._queues: dict[str, str] = {}
        self._made_at: dict[str, float] = {}
        self._keys = (f"{uuid.uuid4().hex}-{number}" for number in itertools.count())
        self._expected: dict[str, _Expected] = {}
        self._next_look = 0.0
        #: Tag of a delivery that is waited for -> its key.
        self._claims: dict[int | str, str] = {}
        #: Called for a delivery whose message another node has sent.
        self.on_return: Callable[[Flight], object] = lambda _: None

    @property
    def is_open(self) -> bool:
        """Settling counts; else the server has given back everything unsettled."""
        return self._channel is not None and self._channel.is_open

    def finish(self, done: Sequence[int], returned: Sequence[int]) -> None:
        """Ack copies, and send copies back to the queues their originals came from; sent with the next ``drive``."""
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        for tag in done:
            channel.ack(tag)
        for tag in returned:
            # Back into the hold queue would be back to this node. Rejected it is dead-lettered to where it came from.
            channel.nack(tag, requeue=False)

    def close(self) -> None:
        """Give back what is held, at once; with the connection it would go back when it counts as stranded."""
        self.finish((), [flight.delivery_tag for flight in self._flights if flight.place is self])

    def claim(self, flight: Flight) -> tuple[str, str]:
        """Return the queue to which another node may send the message of a lost delivery, and the key to send it with.

        The message is as safe there as a copy of this node's own.
        """
        key = self._claims.get(flight.delivery.tag)
        if key is None:
            key = self._claims[flight.delivery.tag] = next(self._keys)
            self._expected[key] = _Expected(flight, time.monotonic(), is_claim=True)
        return self._queue_for(flight.delivery.queue), key

    def collect(self) -> None:
        """Take what has come, if anything was expected."""
        if self._expected:
            self._collect()

    def keep_up(self) -> None:
        """Hand over what has been under way for too long. Costs nothing when nothing has."""
        if not self._age:
            return
        if self._expected:
            self._collect()
        now = time.monotonic()
        if self._channel is not None and self._channel.cancelled:
            self._forget_queues()
        elif now < self._next_look:
            return
        waiting = {expected.flight for expected in self._expected.values() if now - expected.since < _LOST_COPY}
        old = [each for each in self._flights if self._is_old(each, now) and each not in waiting]
        if old and not self._hand_over(old[:_BATCH]):
            self._next_look = now + self._age / 8
        elif len(old) <= _BATCH:
            oldest = min((each.arrived_at for each in self._flights if each.place is not None), default=now)
            self._next_look = max(oldest, now - self._age * 7 / 8) + self._age

    def _is_old(self, flight: Flight, now: float) -> bool:
        return flight.place is not None and flight.place.is_open and now - flight.arrived_at >= self._age

    def _hand_over(self, flights: Sequence[Flight]) -> bool:
        """Publish copies and wait until they are here; return whether it went well, as far as it is known."""
        copies: list[Outgoing] = []
        try:
            ready = [each for each in flights if self._is_settled(each.delivery.queue)]
            if not ready:
                return False
            copies += [self._copy(flight) for flight in ready]
            with self._pool.channel(timeout=_PUBLISH_PATIENCE) as channel:
                receipts = channel.publish(copies, timeout=_PUBLISH_PATIENCE, meanwhile=self._stay_alive)
        except OperationalError as error:
            logger.warning("Deliveries that have been under way for long could not be handed over yet: %s", error)
            # Nothing was sent.
            new = set(flights)
            self._expected = {key: each for key, each in self._expected.items() if each.flight not in new}
            self._connection.require_open()
            return False
        for place, reason in receipts.failures.items():
            self._expected.pop(copies[place].properties.headers[HOLD], None)
            logger.warning("A delivery that has been under way for long could not be handed over yet: %s", reason)
        deadline = time.monotonic() + _COPY_PATIENCE
        while self._expected and (remaining := deadline - time.monotonic()) > 0:
            self._collect()
            if self._expected:
                self._connection.drive(remaining)
        # The originals are acked now and not with whatever is sent next: until then there are two of each.
        self._connection.drive(0)
        return receipts.is_clean and not self._expected and len(ready) == len(flights)

    def _is_settled(self, origin: str) -> bool:
        """Say whether the hold queue has been there long enough to survive a crash of the server."""
        self._queue_for(origin)
        return time.monotonic() - self._made_at[origin] >= min(_SETTLING, self._age)

    def _stay_alive(self) -> None:
        self._connection.drive(0)

    def _copy(self, flight: Flight) -> Outgoing:
        key = next(self._keys)
        message = envelopes.decode(flight.delivery.envelope)
        marked = msgspec.structs.replace(message, headers={**message.headers, HOLD: key})
        # A time-to-live would end before the task does.
        properties = to_properties(marked, 0.0, expires=False)
        self._expected[key] = _Expected(flight, time.monotonic())
        return Outgoing(routing_key=self._queue_for(flight.delivery.queue), properties=properties, body=message.body)

    def _queue_for(self, origin: str) -> str:
        name = self._queues.get(origin)
        if name is None:
            name = f"{HOLD_PREFIX}{uuid.uuid4().hex}"
            # A refusal closes its channel, and must not close the one on which others are held.
            channel = self._connection.channel()
            channel.declare_queue(name, arguments=self._arguments(origin))
            channel.close()
            if self._channel is None:
                self._channel = self._connection.channel()
            self._channel.consume(name)
            self._queues[origin] = name
            self._made_at[origin] = time.monotonic()
        return name

    def _arguments(self, origin: str) -> dict[str, object]:
        arguments: dict[str, object] = {
            "x-message-ttl": _STRANDED,
            "x-expires": _ABANDONED,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": origin,
        }
        if self._is_classic(origin):
            return {"x-queue-type": "classic", **arguments}
        # A classic queue gives its messages away once, and does so when the server starts again, before a quorum queue
        # is there to take them: it has to be one that asks whether they have arrived.
        at_least_once = {"x-overflow": "reject-publish", "x-dead-letter-strategy": "at-least-once"}
        return {"x-queue-type": "quorum", **at_least_once, **arguments}

    def _collect(self) -> None:
        """Have copies that have come stand for their deliveries, and end the originals."""
        channel = self._channel
        while channel is not None and channel.arrivals:
            arrival = channel.arrivals.popleft()
            key = str(arrival.properties.headers.get(HOLD, ""))
            expected = self._expected.pop(key, None)
            if expected is None:
                self.finish((), (arrival.delivery_tag,))
                continue
            flight = expected.flight
            former, former_tag = flight.place, flight.delivery_tag
            if expected.is_claim:
                self._take_claimed(flight, key, arrival.delivery_tag)
                continue
            if self._flights.find(flight.delivery.tag) is not flight or former is None:
                # Its task has ended meanwhile.
                self.finish((arrival.delivery_tag,), ())
                continue
            self._flights.adopt(flight.delivery.tag, self, arrival.delivery_tag)
            flight.held, flight.hold_key, flight.arrived_at = True, key, time.monotonic()
            former.finish((former_tag,), ())

    def _take_claimed(self, flight: Flight, key: str, delivery_tag: int) -> None:
        if self._flights.find(flight.delivery.tag) is not flight or flight.place is not None:
            # It has come by itself, or is waited for no longer: this one is for whoever takes it.
            self.finish((), (delivery_tag,))
            return
        self._flights.find_again(flight)
        self._flights.adopt(flight.delivery.tag, self, delivery_tag)
        flight.held, flight.hold_key, flight.arrived_at = True, key, time.monotonic()
        self.on_return(flight)

    def _forget_queues(self) -> None:
        """Somebody has deleted a hold queue: what was held there is held nowhere, so hand it all over anew."""
        assert self._channel is not None
        self._channel.cancelled.clear()
        self._queues.clear()
        for flight in self._flights:
            if flight.place is self:
                flight.arrived_at = 0.0
