"""One event. Facts: ``celery/events/event.py`` and ``celery/events/dispatcher.py``."""

from typing import Any

from msgspec import Struct

__all__ = ["Event"]


class Event(Struct, frozen=True, kw_only=True):
    """A fact: what has happened, where, when, and the fields that belong to that type."""

    #: ``worker-heartbeat``, ``task-succeeded`` …
    type: str
    #: The node it is about.
    hostname: str
    #: Unix time.
    timestamp: float
    #: Hours by which the sender's local time is behind UTC.
    utcoffset: int
    pid: int
    #: Where it stands in the order of all events (``LamportClock``).
    clock: int
    fields: dict[str, Any] = {}

    @property
    def routing_key(self) -> str:
        """What monitors choose by: ``worker.heartbeat``."""
        return self.type.replace("-", ".")

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels."""
        return {
            "hostname": self.hostname,
            "utcoffset": self.utcoffset,
            "pid": self.pid,
            "clock": self.clock,
            **self.fields,
            "timestamp": self.timestamp,
            "type": self.type,
        }
