"""Broadcasts, on Celery's channels and in Celery's envelope."""

import time
from typing import Final

from celeriac.brokers.base import Broadcast, Channel, Subscription
from celeriac.brokers.redis.elements import encode
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.line import Waker, wait_for_any
from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import kombu_envelope
from celeriac.protocol.message import Message
from celeriac.queues import topic_matches
from celeriac.redis.connecting import Connector
from celeriac.redis.connection import Connection
from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.packing import Reply

__all__ = ["RedisSubscription", "pack"]

#: Seconds within which the server confirms a subscription.
_CONFIRMED: Final = 5.0
#: Seconds of silence after which the connection is tried: what is half open never says so.
_SILENCE: Final = 15.0


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
    """A connection of its own that listens. After an outage it listens again; what was sent meanwhile is not kept."""

    def __init__(self, layout: Layout, connector: Connector, channel: Channel, pattern: str) -> None:
        self._pattern = pattern if channel.topics else ""
        self._key = layout.channel_pattern(channel.name, self._pattern)
        self._connection = Connection(connector)
        self._generation = 0
        self._waker = Waker()
        self._is_closed = False
        self._received: list[Broadcast] = []
        self._heard_at = 0.0
        self._is_tried = False
        try:
            self._subscribe()
        except BaseException:
            self.close()
            raise

    def receive(self, timeout: float) -> list[Broadcast]:
        deadline = time.monotonic() + timeout
        while True:
            self._subscribe()
            self._read()
            received, self._received = self._received, []
            remaining = deadline - time.monotonic()
            if received or self._waker.take() or remaining <= 0:
                return received
            wait_for_any([self._waker.fileno(), self._connection.fileno()], min(remaining, _SILENCE))

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._connection.close()
            self._waker.close()

    def _subscribe(self) -> None:
        """Listen, if we do not or the connection was lost; returns when the server has confirmed it."""
        now = time.monotonic()
        if self._connection.is_open and self._connection.generation == self._generation:
            self._check(now)
            return
        self._connection.send((b"PSUBSCRIBE", self._key))
        self._generation = self._connection.generation
        self._heard_at = now
        deadline = now + _CONFIRMED
        while not self._read():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self._connection.close()
                raise RedisUnavailable(
                    f"The Redis server at {self._connection.server} does not confirm a subscription."
                )
            wait_for_any([self._connection.fileno()], remaining)

    def _check(self, now: float) -> None:
        """Try a connection that has been silent; give one up that has stayed so."""
        if now - self._heard_at <= _SILENCE:
            self._is_tried = False
        elif not self._is_tried:
            self._is_tried = True
            self._connection.send((b"PING",))
        elif now - self._heard_at > 2 * _SILENCE:
            self._connection.close()

    def _read(self) -> bool:
        """Keep what has come; return whether the subscription was confirmed."""
        is_confirmed = False
        for reply in self._connection.read_available():
            self._heard_at = time.monotonic()
            match reply:
                case [b"psubscribe", *_]:
                    is_confirmed = True
                case [b"pmessage", _, _, payload]:
                    self._keep(payload)
        return is_confirmed

    def _keep(self, payload: Reply) -> None:
        broadcast = _unpack(payload)
        if broadcast is not None and (not self._pattern or topic_matches(self._pattern, broadcast.routing_key)):
            self._received.append(broadcast)
