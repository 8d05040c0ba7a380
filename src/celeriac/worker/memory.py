"""The memory of a process: how much of it is resident, and what becomes of what is freed."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["keep_freed_memory", "resident_bytes"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
#: Bytes: larger blocks than this go back to the system when they are freed.
_LARGE = 4 << 20


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next large message, up to some megabytes.

    Else it gives the pages back to the system with each message, and gets them back by a page fault each: a third of
    what messages of 100 kB cost. glibc learns from the largest block that it has seen freed. It has all its pages from
    the system unseen, so this takes no memory; other C libraries do as they did.
    """
    _ = bytes(_LARGE)


def resident_bytes(pid: int) -> int | None:
    """Return a process's resident set size in bytes, or None if it is gone."""
    try:
        if sys.platform == "linux":
            return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
        shown = subprocess.run(
            ["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=False, text=True
        ).stdout
        return int(shown) * 1024
    except (OSError, ValueError, IndexError):
        return None
