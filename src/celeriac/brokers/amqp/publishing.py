"""Publishing: many messages in flight, every one confirmed, and what became of each told honestly."""

import contextlib
import time
from collections.abc import Callable, Sequence

from celeriac import clock
from celeriac.amqp.channel import Channel
from celeriac.amqp.confirms import NACKED, Receipts
from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Outgoing, Publishable
from celeriac.amqp.errors import ConnectionLost, Refused
from celeriac.brokers.amqp.declaring import Declarer
from celeriac.brokers.amqp.delaying import outgoing_delayed
from celeriac.brokers.amqp.pool import ConnectionPool
from celeriac.brokers.amqp.prepared import PreparedCall, PreparedForm
from celeriac.exceptions import BrokerUnavailable, EncodeError, MessageRefused, OperationalError, PublishUnconfirmed
from celeriac.protocol.amqp_message import refusal_of, to_properties
from celeriac.protocol.amqp_properties import Properties
from celeriac.protocol.call_form import FilledForm
from celeriac.protocol.message import Message

__all__ = ["Parcel", "Publisher"]

#: Seconds.
_MOMENT = 0.5
#: Replies of the server that mean that no queue takes what is published so.
_NO_ROUTE = "NO_ROUTE"
#: Seconds before each further attempt with what came back.
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
#: Seconds for which a server that has just taken a message is trusted to take the next one.
_FRESH = 0.05
_TO_NOBODY = Outgoing(routing_key="celeriac.nobody", properties=Properties(), body=b"", mandatory=False)


class Parcel:
    """A message on its way, with what has to be there for it to arrive."""

    __slots__ = ("id", "is_delayed", "outgoing", "queue")

    def __init__(self, id: str, queue: str, outgoing: Publishable, *, is_delayed: bool = False) -> None:
        self.id = id
        self.queue = queue
        self.outgoing = outgoing
        self.is_delayed = is_delayed


class Publisher:
    """Sends parcels through the pool. Safe for use by many threads."""

    def __init__(self, pool: ConnectionPool, declarer: Declarer) -> None:
        self._pool = pool
        self._declarer = declarer

    def publish(
        self,
        messages: Sequence[Message],
        *,
        timeout: float,
        interop: bool = False,
        meanwhile: Callable[[], object] | None = None,
        is_repeated: bool = False,
    ) -> None:
        """Publish messages; those with a moment that lies ahead into the delay queues.

        With ``interop`` one whose ``eta`` header says its moment goes to its queue at once, where Celery's workers look
        for it. ``is_repeated``: whoever calls will try again for as long as it takes. Raises what ``Broker.publish``
        raises.
        """
        now = clock.now()
        parcels = [pack(message, now, interop=interop) for message in messages]
        try:
            self.send(parcels, timeout=timeout, meanwhile=meanwhile, is_repeated=is_repeated)
        except (TypeError, EncodeError) as error:
            refusals = filter(None, map(refusal_of, messages))
            raise next(refusals, error) from error

    def publish_filled(self, filled: FilledForm, *, timeout: float) -> None:
        """Publish calls of one form. Raises what ``publish`` raises."""
        form, prepared = filled.form, filled.form.prepared
        ready: PreparedForm | None = prepared.get(PreparedForm)
        if ready is None or ready.origin != filled.origin or ready.reply_to != filled.reply_to:
            ready = prepared[PreparedForm] = PreparedForm(filled)
        parcels = [Parcel(filling[0], form.queue, PreparedCall(ready, filling)) for filling in filled.fillings]
        try:
            self.send(parcels, timeout=timeout)
        except EncodeError as error:
            refusals = filter(None, map(refusal_of, filled.messages()))
            raise next(refusals, error) from error

    def send(
        self,
        parcels: Sequence[Parcel],
        *,
        timeout: float,
        meanwhile: Callable[[], object] | None = None,
        is_repeated: bool = False,
    ) -> None:
        """Send parcels; what has come back goes again.

        Once if its queue was gone, to a new one; now and then for most of a second if its queue is there and refuses
        it, as one does that has just been made and has no leader yet.
        """
        if not parcels:
            return
        deadline = time.monotonic() + timeout
        receipts = self._send_once(parcels, deadline, meanwhile, is_repeated=is_repeated)
        for pause in _PAUSES:
            places = [
                place
                for place, reason in receipts.failures.items()
                if reason == NACKED or (_NO_ROUTE in reason and pause == _PAUSES[0])
            ]
            if not places or receipts.unanswered or time.monotonic() + pause >= deadline:
                break
            time.sleep(pause)
            again = self._send_once([parcels[place] for place in places], deadline, meanwhile, anew=True)
            _merge(receipts, again, places)
        if not receipts.is_clean:
            raise _error(parcels, receipts)

    def say(self, outgoing: Outgoing, *, timeout: float = _MOMENT) -> bool | None:
        """Send something if that is possible within a moment; return whether it is there, None if nobody knows."""
        with contextlib.suppress(OperationalError), self._pool.channel(timeout=timeout) as channel:
            receipts = channel.publish([outgoing], timeout=timeout)
            return None if receipts.unanswered else receipts.is_clean
        return None

    def _send_once(
        self,
        parcels: Sequence[Parcel],
        deadline: float,
        meanwhile: Callable[[], object] | None,
        *,
        anew: bool = False,
        is_repeated: bool = False,
    ) -> Receipts:
        """Send on one connection; on a second one if the first broke before anything was sent."""
        outgoing = [parcel.outgoing for parcel in parcels]
        is_last = False
        while True:
            remaining = max(0.05, deadline - time.monotonic())
            try:
                with self._pool.channel(timeout=remaining) as channel:
                    if anew:
                        for parcel in parcels:
                            self._declarer.forget(channel.connection, parcel.queue)
                    self._prepare(channel.connection, parcels)
                    if is_repeated:
                        _probe(channel, meanwhile)
                    receipts = channel.publish(
                        outgoing, timeout=max(0.05, deadline - time.monotonic()), meanwhile=meanwhile
                    )
                    if receipts.fault is None:
                        channel.connection.took_at = time.monotonic()
                    return receipts
            except ConnectionLost:
                if is_last or time.monotonic() >= deadline:
                    raise
                is_last = True

    def _prepare(self, connection: Connection, parcels: Sequence[Parcel]) -> None:
        known = connection.known
        for parcel in parcels:
            exchange = parcel.outgoing.address[0]
            if parcel.is_delayed:
                if f"delays {parcel.queue}" not in known or "delays" not in known:
                    queue = self._declarer.describe(parcel.queue)
                    self._declarer.declare(connection, queue)
                    self._declarer.prepare_delays(connection, queue)
                continue
            if f"queue {parcel.queue}" not in known:
                self._declarer.declare(connection, self._declarer.describe(parcel.queue))
            if exchange and f"exchange {exchange}" not in known:
                try:
                    self._declarer.require_exchange(connection, exchange)
                except Refused as refusal:
                    raise MessageRefused(
                        f"The message {parcel.id!r} is for the exchange {exchange!r}, which cannot be used: "
                        f"{refusal.text}. Declare it with a queue in task_queues, or leave the exchange out."
                    ) from refusal


def _probe(channel: Channel, meanwhile: Callable[[], object] | None) -> None:
    """Make sure that no alarm is raised, by a message to nobody; raises ``BrokerUnavailable``.

    What the server has half read when an alarm stops it, it reads to the end when the alarm is over, whether or not
    anybody waits for that: so each attempt to publish during an alarm would be one more copy after it.
    """
    if time.monotonic() - channel.connection.took_at < _FRESH:
        return
    receipts = channel.publish([_TO_NOBODY], timeout=_MOMENT, meanwhile=meanwhile)
    if receipts.fault is not None:
        raise BrokerUnavailable(str(receipts.fault))


def pack(message: Message, now: float, *, interop: bool) -> Parcel:
    """Return a message as it is sent at this moment."""
    moment = message.not_before
    if moment is not None and moment > now and not (interop and message.headers.get("eta")):
        return Parcel(message.id, message.queue, outgoing_delayed(message, now), is_delayed=True)
    exchange = message.exchange
    outgoing = Outgoing(
        exchange=exchange,
        routing_key=(message.routing_key or "") if exchange else message.queue,
        properties=to_properties(message, now),
        body=message.body,
    )
    return Parcel(message.id, message.queue, outgoing)


def _merge(receipts: Receipts, again: Receipts, places: Sequence[int]) -> None:
    """Put the outcome of those that went again into that of all; ``places`` are theirs."""
    for number, place in enumerate(places):
        del receipts.failures[place]
        if number in again.failures:
            receipts.failures[place] = again.failures[number]
    receipts.unanswered = [places[number] for number in again.unanswered]
    receipts.fault = again.fault


def _error(parcels: Sequence[Parcel], receipts: Receipts) -> BrokerUnavailable:
    missing = {*receipts.failures, *receipts.unanswered}
    published = tuple(parcel.id for place, parcel in enumerate(parcels) if place not in missing)
    count = len(parcels)
    if receipts.unanswered:
        return PublishUnconfirmed(
            f"Of {count} messages RabbitMQ left {len(receipts.unanswered)} unanswered, which may or may not have "
            f"arrived. {receipts.fault}",
            published=published,
        )
    place, reason = next(iter(receipts.failures.items()))
    return MessageRefused(
        f"RabbitMQ did not take {len(receipts.failures)} of {count} messages: the queue {parcels[place].queue!r} of "
        f"{parcels[place].id!r} refused it, or is not there ({reason}).",
        published=published,
    )
