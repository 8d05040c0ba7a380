"""The dispatcher: says events on the channel where Celery's monitors listen."""

import os
import time
from typing import Any

from celeriac.brokers.base import Broadcast, Broker, Channel
from celeriac.events.event import Event
from celeriac.events.lamport import LamportClock
from celeriac.protocol import serialization

__all__ = ["EventDispatcher", "event_channel"]

_SECONDS_AN_HOUR = 3600


class EventDispatcher:
    """Sends the events of one node. Safe for use by many threads, as far as its broker is."""

    def __init__(
        self,
        broker: Broker,
        *,
        hostname: str,
        channel: Channel | None = None,
        serializer: str = "json",
        clock: LamportClock | None = None,
    ) -> None:
        self.hostname = hostname
        self.clock = clock or LamportClock()
        self._broker = broker
        self._channel = channel or event_channel()
        self._serializer = serializer

    def send(self, type_: str, **fields: Any) -> None:
        """Say that something has happened, now; raises ``OperationalError`` when the broker is away."""
        event = Event(
            type=type_,
            hostname=self.hostname,
            timestamp=time.time(),
            utcoffset=_utc_offset(),
            pid=os.getpid(),
            clock=self.clock.forward(),
            fields=fields,
        )
        content_type, content_encoding, body = serialization.dumps(event.as_dict(), self._serializer)
        self._broker.broadcast(
            self._channel,
            Broadcast(
                body=body,
                routing_key=event.routing_key,
                headers={"hostname": self.hostname},
                content_type=content_type,
                content_encoding=content_encoding,
            ),
        )

    def close(self) -> None:
        """Disconnect; a later ``send`` connects again."""
        self._broker.close()


def event_channel(name: str = "celeryev") -> Channel:
    """Return the channel of events (setting ``event_exchange``)."""
    return Channel(name=name, topics=True, durable=True)


def _utc_offset() -> int:
    """Return how many hours local time is behind UTC, as Celery says it."""
    seconds = time.altzone if time.daylight and time.localtime().tm_isdst else time.timezone
    return seconds // _SECONDS_AN_HOUR
