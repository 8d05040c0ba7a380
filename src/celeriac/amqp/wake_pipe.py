"""A pipe that ends the wait of whoever drives a connection."""

import contextlib
import os

__all__ = ["WakePipe"]


class WakePipe:
    """Rung from any thread, and remembered until it is heard. ``Connection.drive`` takes its descriptor."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._is_closed = False

    def fileno(self) -> int:
        """Return the descriptor that is readable once it has been rung."""
        return self._reader

    def ring(self) -> None:
        """Ring it. Does nothing once it is closed."""
        # A full pipe has been rung often enough; a closed one has nobody to hear it.
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._writer, b"\0")

    def hear(self) -> bool:
        """Say whether it has been rung since the last time."""
        with contextlib.suppress(BlockingIOError, OSError):
            return bool(os.read(self._reader, 4096))
        return False

    def close(self) -> None:
        """Release it. Safe to call twice."""
        if not self._is_closed:
            self._is_closed = True
            reader, writer = self._reader, self._writer
            # Whoever rings from now on must not hit a file that is opened under the same number.
            self._reader = self._writer = -1
            os.close(writer)
            os.close(reader)
