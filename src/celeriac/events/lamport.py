"""A clock that counts instead of telling the time: it puts events of several processes into one order."""

import threading

__all__ = ["LamportClock"]


class LamportClock:
    """Each event is one later than all that this process knew of before. Safe for use by many threads."""

    def __init__(self, value: int = 0) -> None:
        self._value = value
        self._lock = threading.Lock()

    @property
    def value(self) -> int:
        """The last event's number."""
        return self._value

    def forward(self) -> int:
        """Return the number of a new event of this process."""
        with self._lock:
            self._value += 1
            return self._value

    def adjust(self, other: int) -> int:
        """Take notice of an event of another process; return the number after it."""
        with self._lock:
            self._value = max(self._value, other) + 1
            return self._value
