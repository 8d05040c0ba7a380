"""OS signals as a list that a loop reads: the handlers record and wake, nothing else."""

import contextlib
import os
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Any

__all__ = ["OsSignals"]

_READ_SIZE = 4096


class OsSignals:
    """Records the named OS signals from ``install`` until ``restore``, and wakes the loop that selects on it.

    The interpreter's wake-up descriptor does the recording, in C and at once, so a signal is neither lost nor late
    while Python code is busy. ``install`` and ``restore`` only work in the main thread; the rest is safe from any.
    """

    def __init__(self, signals: Iterable[int]) -> None:
        self._signals = frozenset(signal.Signals(number) for number in signals)
        self._former: dict[int, Any] = {}
        self._former_wakeup = -1
        self._read = -1
        self._write = -1

    def install(self) -> None:
        """Begin to record. Raises ``ValueError`` outside the main thread. Safe to call twice."""
        if self._read >= 0:
            return
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        try:
            self._former_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        except ValueError:
            self._close()
            raise
        for number in self._signals:
            self._former[number] = signal.signal(number, _record_only)

    def fileno(self) -> int:
        """Return the descriptor that is readable while signals wait to be drained."""
        return self._read

    def drain(self) -> list[signal.Signals]:
        """Return the signals that arrived since the last call, in their order; never waits."""
        arrived = bytearray()
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._read, _READ_SIZE):
                arrived += chunk
        return [signal.Signals(number) for number in arrived if number in self._signals]

    def restore(self) -> None:
        """Put the former handlers back. Safe to call twice."""
        if self._read < 0:
            return
        for number, handler in self._former.items():
            # None: installed by C code, which Python cannot name and so not put back.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._former.clear()
        signal.set_wakeup_fd(self._former_wakeup)
        self._close()

    def _close(self) -> None:
        os.close(self._read)
        os.close(self._write)
        self._read = self._write = -1


def _record_only(number: int, frame: FrameType | None) -> None:
    """Do nothing: that a Python handler is set is what makes the interpreter write to the wake-up descriptor."""
