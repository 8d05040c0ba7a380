"""Whether this process is a copy of a child that a task of the user's has made by ``os.fork``.

A child does nothing on SIGTERM and SIGINT: its node, which gets them too, decides when it ends (``systemctl stop`` and
``docker stop`` may signal every process). Copies get the default back, so that ``multiprocessing`` can end its own.
"""

import os
import signal
from types import FrameType

__all__ = ["is_copy", "watch"]

is_copy = False

#: What a service manager sends to all processes of a service.
_LEFT_TO_THE_NODE = (signal.SIGTERM, signal.SIGINT)


def watch() -> None:
    """Begin to notice forks of this process, and leave the signals that end it to the node."""
    for number in _LEFT_TO_THE_NODE:
        # A function, not SIG_IGN: programs that tasks start would inherit that.
        signal.signal(number, _do_nothing)
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_note)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Leave it to the node."""


def _hold() -> None:
    # A signal for the copy must wait until the copy has set the default back: Python drops those that come before.
    signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT_TO_THE_NODE)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _LEFT_TO_THE_NODE)


def _note() -> None:
    global is_copy  # noqa: PLW0603 - one fact about one process
    is_copy = True
    for number in _LEFT_TO_THE_NODE:
        if signal.getsignal(number) is _do_nothing:
            signal.signal(number, signal.SIG_DFL)
    _release()
