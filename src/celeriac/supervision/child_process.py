"""One child process as the node that started it sees it."""

import math
import os
import select
import signal
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress

from celeriac.supervision.ending import UNKNOWN_ENDING, Ending
from celeriac.supervision.lifeline import Lifeline

__all__ = ["ChildProcess", "open_pidfd"]

#: Seconds ``close`` waits for a child it had to kill.
_KILL_PATIENCE = 1.0
_MOMENT = 0.001


class ChildProcess(ABC):
    """A child: watched by its process, not by what it or its own children keep open. Safe from any thread.

    On Linux a pidfd names the process, so neither a signal nor a status can go to another one that was given the same
    number later.
    """

    def __init__(self, pid: int, *, name: str, pidfd: int | None, watched: int, lifeline: Lifeline) -> None:
        self.pid = pid
        self.name = name
        self._pidfd = pidfd
        self._watched = watched
        self._lifeline = lifeline
        self._ending: Ending | None = None
        self._closed = False
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Return a descriptor that is readable once the child has ended; -1 after ``close``."""
        return self._watched

    def poll(self) -> Ending | None:
        """Return how the child ended, None while it runs. Asking again gives the same answer."""
        with self._lock:
            if self._ending is None and not self._closed and self._has_ended(0.0):
                self._ending = self._collect()
            return self._ending

    def wait(self, timeout: float | None = None) -> Ending | None:
        """Wait up to ``timeout`` seconds (None: for ever) for the end; return as ``poll`` does."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (ending := self.poll()) is None and (left := deadline - time.monotonic()) > 0:
            if self._has_ended(None if left == math.inf else left):
                # Its descriptors are closed a moment before the process has ended.
                time.sleep(_MOMENT)
        return ending

    def send_signal(self, number: int) -> None:
        """Send an OS signal; nothing happens when the child has ended."""
        with self._lock:
            if self._ending is not None or self._closed:
                return
            self._send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL; nothing happens when the child has ended."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Release what this process holds of the child. Safe to call twice.

        A child that still runs is killed: without the node's end of its lifeline it cannot live.
        """
        if self.poll() is None:
            self.kill()
            self.wait(_KILL_PATIENCE)
        with self._lock:
            if not self._closed:
                self._closed = True
                self._ending = self._ending or UNKNOWN_ENDING
                self._release()

    def __repr__(self) -> str:
        state = self._ending.describe() if self._ending else "runs"
        return f"<{type(self).__name__} {self.name or 'unnamed'} with process id {self.pid}: {state}>"

    @abstractmethod
    def _collect(self) -> Ending | None:
        """Return how the child, which has ended, ended; None if it turns out to run still."""

    def _release(self) -> None:
        self._lifeline.cut()
        os.close(self._watched)
        if self._pidfd is not None and self._pidfd != self._watched:
            os.close(self._pidfd)
        self._watched = -1
        self._pidfd = None

    def _has_ended(self, timeout: float | None) -> bool:
        if self._closed:
            return True
        return is_readable(self._watched, timeout)

    def _send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, number)
            elif not self._has_ended(0.0):
                os.kill(self.pid, number)


def open_pidfd(pid: int, *, portable: bool = False) -> int | None:
    """Return a descriptor of a child of this process that nobody has reaped; None where there are no such descriptors.

    That is on macOS, on kernels before 5.3, in sandboxes that forbid it, and when asked to be ``portable``.
    """
    if portable or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def is_readable(descriptor: int, timeout: float | None) -> bool:
    """Wait up to ``timeout`` seconds (None: for ever) for data, the end of the data, or the end of the process."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))
