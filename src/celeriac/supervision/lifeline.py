"""The lifeline: a pipe whose writing end only the node holds. When the node dies, by whatever death, so does the child.

On Linux the kernel does it: it sends SIGKILL to the owner of the reading end when the last writing end is closed, so
a child whose interpreter lock is held by C code is ended at once, too. Elsewhere a thread waits for the end of the
pipe, and such a child ends when the lock is free.

The owner is the child's process id: processes that a task forks inherit the descriptor and are not touched. Every child
has a pipe of its own, because the owner belongs to the open file and not to the descriptor.
"""

import fcntl
import os
import select
import signal
import sys
import threading
from contextlib import suppress

__all__ = ["Lifeline", "tie", "tie_by_kernel", "wait_for_release"]

_RELEASE = b"r"


class Lifeline:
    """The node's end. The child waits at its end until it is released, so that it runs only once the node knows it."""

    def __init__(self) -> None:
        self.child_end, self._own_end = os.pipe()

    def handed_over(self) -> None:
        """Close this process's copy of the child's end. Safe to call twice."""
        self.child_end = _close(self.child_end)

    def release(self) -> None:
        """Let the child begin."""
        with suppress(BrokenPipeError):
            os.write(self._own_end, _RELEASE)

    def cut(self) -> None:
        """Let go: the child dies. Safe to call twice."""
        self.handed_over()
        self._own_end = _close(self._own_end)


def wait_for_release(child_end: int) -> bool:
    """Wait, in the child, until the node lets it begin; False when the node is gone or has given the child up."""
    return os.read(child_end, 1) == _RELEASE


def tie(child_end: int, *, portable: bool = False) -> None:
    """Make this process die with the holder of the other end; ``portable``: only by what every system can do."""
    if portable or not tie_by_kernel(child_end):
        _tie_by_thread(child_end)


def tie_by_kernel(child_end: int) -> bool:
    """Ask the kernel to do it; False where it cannot (anything but Linux)."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(child_end, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(child_end, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(child_end, fcntl.F_SETFL, fcntl.fcntl(child_end, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        return False
    # The node may have died just before the kernel was asked.
    poll = select.poll()
    poll.register(child_end, 0)
    if poll.poll(0):
        _die()
    return True


def _tie_by_thread(child_end: int) -> None:
    """Let a thread do it; late while C code holds the interpreter lock."""
    threading.Thread(target=_die_at_end, args=(child_end,), name="celeriac-lifeline", daemon=True).start()


def _die_at_end(child_end: int) -> None:
    while os.read(child_end, 1):
        pass
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _close(descriptor: int) -> int:
    if descriptor >= 0:
        os.close(descriptor)
    return -1
