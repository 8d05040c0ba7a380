"""What the numbers were measured on."""

import os
import platform
import sqlite3
from pathlib import Path

__all__ = ["describe", "load"]


def describe() -> str:
    """Return one line about the machine and the versions below the queues."""
    return (
        f"{platform.system()} {platform.release()}, {os.cpu_count()} x {_processor()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def load() -> str:
    """Return how busy the machine is with other things."""
    return f"load average {os.getloadavg()[0]:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
