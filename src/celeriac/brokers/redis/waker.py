"""Waiting for descriptors, and ending such a wait from another thread."""

import contextlib
import os
import select
from collections.abc import Sequence

__all__ = ["Waker", "wait_for_any"]


class Waker:
    """Ends a wait from another thread."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._is_closed = False
        #: Set after the pipe was written to, so that who has not been called need not read it to learn that.
        self._is_called = False

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._reading

    def wake(self) -> None:
        """End the wait that has begun, or the next one. Safe from any thread."""
        # Full of earlier calls, or closed.
        with contextlib.suppress(OSError):
            os.write(self._writing, b"!")
        self._is_called = True

    def take(self) -> bool:
        """Return whether somebody has called ``wake`` since."""
        if not self._is_called:
            return False
        self._is_called = False
        try:
            return bool(os.read(self._reading, 4096))
        except OSError:
            return False

    def close(self) -> None:
        """End it. Safe to call twice."""
        if not self._is_closed:
            self._is_closed = True
            os.close(self._reading)
            os.close(self._writing)


def wait_for_any(filenos: Sequence[int], seconds: float) -> set[int]:
    """Wait until one of these is readable, or the time is over; return those that are."""
    poll = select.poll()
    for number in filenos:
        poll.register(number, select.POLLIN)
    return {number for number, _ in poll.poll(max(0, int(seconds * 1000 + 0.999)))}
