"""Checks of what is installed."""

import platform
import sqlite3
import sys
from collections.abc import Iterator

from celeriac.checks.finding import Finding, Grade
from celeriac.version import __version__

__all__ = ["check_installation"]


def check_installation() -> Iterator[Finding]:
    """Look at Python and at what it brings along."""
    yield Finding(
        Grade.OK,
        f"celeriac {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} {platform.release()}.",
    )
    if sys.platform == "win32":
        yield Finding(Grade.WRONG, "A worker runs on Linux and macOS only. On Windows, run it in WSL.")
    if not sqlite3.threadsafety:
        yield Finding(Grade.WRONG, "This Python's SQLite was built without threads: use another Python.")
