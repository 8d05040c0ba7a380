"""Whether this process is a copy of a child that a task of the user's has made by ``os.fork``.

A child does nothing on SIGTERM and SIGINT: its node, which gets them too, decides when it ends (``systemctl stop`` and
``docker stop`` may signal every process). Copies get the default back, so that ``multiprocessing`` can end its own.
"""

import os
import signal
from types import FrameType

__all__ = ["is_copy", "watch"]

is_copy = False
_child_pid = 0

#: What a service manager sends to all processes of a service.
_LEFT_TO_THE_NODE = (signal.SIGTERM, signal.SIGINT)


def watch() -> None:
    """Begin to notice forks of this process, and leave the signals that end it to the node."""
    global _child_pid  # noqa: PLW0603 - one fact about one process
    _child_pid = os.getpid()
    for number in _LEFT_TO_THE_NODE:
        # A function, not SIG_IGN: programs that tasks start would inherit that.
        signal.signal(number, _leave_to_the_node)
    os.register_at_fork(after_in_child=_note)


def _leave_to_the_node(number: int, _frame: FrameType | None) -> None:
    if os.getpid() != _child_pid:
        # A copy, which the signal has reached before it could set the default back.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _note() -> None:
    global is_copy  # noqa: PLW0603 - one fact about one process
    is_copy = True
    for number in _LEFT_TO_THE_NODE:
        if signal.getsignal(number) is _leave_to_the_node:
            signal.signal(number, signal.SIG_DFL)
