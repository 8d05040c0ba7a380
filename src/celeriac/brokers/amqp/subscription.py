"""Broadcasts through exchanges: each listener has a queue of its own, which ends with its connection."""

import time
from collections.abc import Callable

from celeriac.amqp.channel import Channel as AmqpChannel
from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Arrival, Outgoing
from celeriac.amqp.errors import PRECONDITION_FAILED, Refused
from celeriac.amqp.wake_pipe import WakePipe
from celeriac.brokers.base import Broadcast, Channel, Subscription
from celeriac.protocol.amqp_message import plain_headers
from celeriac.protocol.amqp_properties import Properties

__all__ = ["AmqpSubscription", "outgoing_broadcast", "require_exchange"]

#: Arguments of a listener's queue, in milliseconds: Celery's for event queues (``event_queue_expires``,
#: ``event_queue_ttl``) and for mailboxes (``control_queue_expires``, ``control_queue_ttl``).
_OF_TOPICS = {"x-expires": 60_000, "x-message-ttl": 5_000}
_OF_FANOUT = {"x-expires": 10_000, "x-message-ttl": 300_000}


def require_exchange(connection: Connection, channel: Channel) -> None:
    """Make sure that a channel's exchange is there; one that exists and is different is used as it is."""
    channel_of_orders = connection.channel()
    try:
        channel_of_orders.declare_exchange(
            channel.name, "topic" if channel.topics else "fanout", durable=channel.durable
        )
    except Refused as refusal:
        if refusal.code != PRECONDITION_FAILED:
            raise
    else:
        channel_of_orders.close()


def outgoing_broadcast(channel: Channel, broadcast: Broadcast) -> Outgoing:
    """Return a broadcast as it goes to its channel's exchange: kept by no disk, and dropped if nobody listens."""
    return Outgoing(
        exchange=channel.name,
        routing_key=broadcast.routing_key,
        properties=Properties(
            content_type=broadcast.content_type,
            content_encoding=broadcast.content_encoding,
            headers=broadcast.headers,
            delivery_mode=1,
        ),
        body=broadcast.body,
        mandatory=False,
    )


class AmqpSubscription(Subscription):
    """One listener, with a connection of its own.

    After a lost connection the next ``receive`` connects again, or raises ``OperationalError``; what was broadcast in
    between was not for it.
    """

    def __init__(self, connect: Callable[[], Connection], channel: Channel, pattern: str) -> None:
        self._connect = connect
        self._channel = channel
        self._pattern = pattern
        self._bell = WakePipe()
        self._listening: AmqpChannel | None = None
        self._is_closed = False
        try:
            self._listen()
        except BaseException:
            self.close()
            raise

    def receive(self, timeout: float) -> list[Broadcast]:
        deadline = time.monotonic() + timeout
        while not self._is_closed:
            listening = self._listen()
            arrivals = listening.arrivals
            remaining = deadline - time.monotonic()
            if not arrivals:
                listening.connection.drive(max(0.0, remaining), self._bell.fileno())
            woken = self._bell.hear()
            if arrivals or woken or remaining <= 0:
                received = [_broadcast(arrival) for arrival in arrivals]
                arrivals.clear()
                return received
        return []

    def wake(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._listening is not None:
            self._listening.connection.close()
        self._bell.close()

    def _listen(self) -> AmqpChannel:
        """Return the channel that broadcasts come in on; connects if there is none."""
        listening = self._listening
        if listening is not None:
            # Its queue may have been deleted.
            if listening.is_open and listening.connection.is_open and not listening.cancelled:
                return listening
            self._listening = None
            listening.connection.close()
        connection = self._connect()
        try:
            require_exchange(connection, self._channel)
            listening = connection.channel()
            arguments = _OF_TOPICS if self._channel.topics else _OF_FANOUT
            queue = listening.declare_queue(
                "", durable=False, exclusive=True, auto_delete=True, arguments=arguments
            ).name
            listening.bind_queue(queue, self._channel.name, self._pattern if self._channel.topics else "")
            listening.consume(queue, no_ack=True)
        except BaseException:
            connection.close()
            raise
        self._listening = listening
        return listening


def _broadcast(arrival: Arrival) -> Broadcast:
    properties = arrival.properties
    return Broadcast(
        body=arrival.body,
        routing_key=arrival.routing_key,
        headers=plain_headers(properties.headers),
        content_type=properties.content_type or "application/data",
        content_encoding=properties.content_encoding or "utf-8",
    )
