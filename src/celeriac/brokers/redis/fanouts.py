"""Queues bound to fanout exchanges: every consumer gets its own copy of what is sent there while it listens.

As in Celery nothing of it lies in a list: it is published on a channel. What a consumer hears goes into its record at
once, and is a delivery like any other from then on.
"""

from celeriac.brokers.redis.ear import Ear
from celeriac.brokers.redis.layout import Layout
from celeriac.redis.servers import Server

__all__ = ["Fanouts"]


class Fanouts:
    """What one consumer hears for its queues. Used by one thread; connects when there is something to listen to."""

    def __init__(self, layout: Layout, server: Server) -> None:
        self._layout = layout
        self._server = server
        #: For each pattern the queues that get what is heard by it.
        self._queues: dict[str, set[str]] = {}
        self._ear: Ear | None = None
        self._heard: list[tuple[str, bytes]] = []

    def add(self, queue: str, exchange: str, routing_key: str) -> None:
        """Listen for this queue."""
        pattern = self._layout.channel_pattern(exchange, routing_key)
        self._queues.setdefault(pattern, set()).add(queue)
        if self._ear is None:
            self._ear = Ear(self._server.any_connector())
        self._ear.add(pattern)

    def cancel(self, queue: str) -> None:
        """Take no more for this queue."""
        for queues in self._queues.values():
            queues.discard(queue)

    def hear(self, limit: int) -> dict[str, list[bytes]]:
        """Return the elements that have come, by queue; up to a limit, the others the next time."""
        if self._ear is None:
            return {}
        for pattern, payload in self._ear.hear():
            self._heard += [(queue, payload) for queue in sorted(self._queues.get(pattern, ()))]
        taken, self._heard = self._heard[:limit], self._heard[limit:]
        found: dict[str, list[bytes]] = {}
        for queue, element in taken:
            found.setdefault(queue, []).append(element)
        return found

    @property
    def is_something_there(self) -> bool:
        """Say whether some of what has come was beyond the limit."""
        return bool(self._heard)

    @property
    def filenos(self) -> list[int]:
        """What becomes readable when there is something to hear."""
        number = -1 if self._ear is None else self._ear.fileno()
        return [number] if number >= 0 else []

    def close(self) -> None:
        """Disconnect. Safe to call twice."""
        if self._ear is not None:
            self._ear.close()
