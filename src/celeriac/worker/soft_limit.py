"""The soft time limit: an exception raised inside the task when its time is up.

In the main thread it comes by SIGUSR1, sent by a watching thread to the main thread alone; in other threads by the
interpreter's asynchronous exception. Coroutines are cancelled by their loop instead (``async_loop``).
"""

import ctypes
import signal
import threading
import time
from types import FrameType
from typing import Self

from celeriac.exceptions import SoftTimeLimitExceeded

__all__ = ["MainThreadLimit", "SoftLimit", "ThreadLimit"]


class SoftLimit:
    """Guards one call at a time: ``with limit.of(seconds): call()``. Each thread has its own."""

    def __init__(self) -> None:
        self.seconds = 0.0
        #: When the guarded call's time is up (monotonic); 0 while nothing is guarded.
        self.deadline = 0.0
        self._thread_id = threading.get_ident()
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None

    def of(self, seconds: float | None) -> Self:
        """Set the limit of the next guarded call; None: none."""
        self.seconds = seconds or 0.0
        return self

    def __enter__(self) -> None:
        if self.seconds:
            with self._changed:
                self.deadline = time.monotonic() + self.seconds
                if self._watcher is None:
                    self._watcher = threading.Thread(target=self._watch, name="celeriac-soft-limit", daemon=True)
                    self._watcher.start()
                self._changed.notify()

    def __exit__(self, *_: object) -> None:
        if self.deadline:
            self.deadline = 0.0

    def _watch(self) -> None:
        with self._changed:
            while True:
                deadline = self.deadline
                if not deadline:
                    self._changed.wait()
                    continue
                left = deadline - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                elif deadline == self.deadline:
                    self._interrupt()
                    self._changed.wait(0.5)

    def _interrupt(self) -> None:
        raise NotImplementedError


class MainThreadLimit(SoftLimit):
    """For tasks in the main thread: interrupts system calls too."""

    def __init__(self) -> None:
        super().__init__()
        signal.signal(signal.SIGUSR1, self._on_signal)

    def __enter__(self) -> None:
        # A task before this one may have taken the signal, or had it ignored.
        signal.signal(signal.SIGUSR1, self._on_signal)
        super().__enter__()

    def _interrupt(self) -> None:
        signal.pthread_kill(self._thread_id, signal.SIGUSR1)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # It runs in the main thread between two instructions, so the guarded call either is still on or is not.
        if self.deadline and time.monotonic() >= self.deadline:
            self.deadline = 0.0
            raise SoftTimeLimitExceeded(self.seconds)


class ThreadLimit(SoftLimit):
    """For tasks in other threads: raised at the next Python instruction, so not inside a blocking call."""

    def _interrupt(self) -> None:
        if self.deadline:
            self.deadline = 0.0
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread_id), ctypes.py_object(SoftTimeLimitExceeded)
            )
