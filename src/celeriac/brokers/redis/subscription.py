"""Broadcasts, on Celery's channels and in Celery's envelope."""

import time

from celeriac.brokers.base import Broadcast, Channel, Subscription
from celeriac.brokers.redis.ear import SILENCE, Ear
from celeriac.brokers.redis.elements import encode
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.waker import Waker, wait_for_any
from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import kombu_envelope
from celeriac.protocol.message import Message
from celeriac.queues import topic_matches
from celeriac.redis.connecting import Connector

__all__ = ["RedisSubscription", "pack"]


def pack(channel: Channel, broadcast: Broadcast) -> bytes:
    """Return a broadcast as kombu writes it."""
    message = Message(
        id="",
        queue="",
        headers=broadcast.headers,
        exchange=channel.name,
        routing_key=broadcast.routing_key,
        content_type=broadcast.content_type,
        content_encoding=broadcast.content_encoding,
        body=broadcast.body,
    )
    return encode(message, time.time())


def _unpack(payload: bytes) -> Broadcast | None:
    try:
        message = kombu_envelope.decode(payload)
    except UnreadableMessage:
        return None
    return Broadcast(
        body=message.body,
        routing_key=message.routing_key or "",
        headers=message.headers,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
    )


class RedisSubscription(Subscription):
    """A connection of its own that listens."""

    def __init__(self, layout: Layout, connector: Connector, channel: Channel, pattern: str) -> None:
        self._pattern = pattern if channel.topics else ""
        self._ear = Ear(connector)
        self._waker = Waker()
        self._is_closed = False
        try:
            self._ear.add(layout.channel_pattern(channel.name, self._pattern))
        except BaseException:
            self.close()
            raise

    def receive(self, timeout: float) -> list[Broadcast]:
        deadline = time.monotonic() + timeout
        while True:
            received = [broadcast for heard in self._ear.hear() for broadcast in self._read(heard.payload)]
            remaining = deadline - time.monotonic()
            if received or self._waker.take() or remaining <= 0:
                return received
            wait_for_any([self._waker.fileno(), self._ear.fileno()], min(remaining, SILENCE))

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._ear.close()
            self._waker.close()

    def _read(self, payload: bytes) -> list[Broadcast]:
        """Return the broadcast, if it is one and the pattern takes it: the server's pattern may take too many."""
        broadcast = _unpack(payload)
        if broadcast is None or (self._pattern and not topic_matches(self._pattern, broadcast.routing_key)):
            return []
        return [broadcast]
