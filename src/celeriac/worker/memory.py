"""How much memory a process has resident."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["resident_bytes"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


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
