"""What only Linux's ``prctl`` can do; elsewhere these functions do nothing and say so."""

import ctypes
import sys

__all__ = ["adopt_orphans", "set_process_name"]

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
#: Bytes of a process name that the kernel keeps.
_NAME_LENGTH = 15


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent dies, instead of process 1; False where that is impossible."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_process_name(name: str) -> bool:
    """Set the short name that ``top`` and ``ps -o comm`` show; False where that is impossible."""
    return _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode(errors="replace")[:_NAME_LENGTH]))


def _prctl(option: int, value: object) -> bool:
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
