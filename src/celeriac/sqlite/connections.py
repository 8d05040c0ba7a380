"""Connections to a database file, and making sure that it is ours."""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from celeriac.exceptions import OperationalError
from celeriac.sqlite.errors import is_busy
from celeriac.sqlite.location import Location
from celeriac.sqlite.queries import SCHEMA_STEPS

__all__ = ["SCHEMA_VERSION", "close_quietly", "connect", "has_schema", "patiently", "prepare"]

logger = logging.getLogger("celeriac.sqlite")

T = TypeVar("T")

#: The version of a file that has taken all steps.
SCHEMA_VERSION = len(SCHEMA_STEPS)
#: Marks a file as ours: "clrc" as a number.
APPLICATION_ID = 0x636C7263

#: Seconds between two attempts to get the lock: the first and the longest pause.
_PAUSES = (0.0002, 0.01)
#: Pages of the log after which it is copied into the database: hot pages are then copied once and not many times.
_CHECKPOINT_PAGES = 4000
#: Bytes to which the log is cut after a large transaction.
_LOG_LIMIT = 64 * 1024 * 1024


def connect(location: Location, deadline: float) -> sqlite3.Connection:
    """Open a connection that any thread may use; raises ``sqlite3.Error``. Waits for locks until the deadline."""

    def attempt() -> sqlite3.Connection:
        connection = sqlite3.connect(
            location.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            # The first one reads the file, and finds out whether it is a database.
            _pragma(connection, "schema_version")
            _pragma(connection, f"synchronous = {location.synchronous}")
            _pragma(connection, f"wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            _pragma(connection, f"journal_size_limit = {_LOG_LIMIT}")
            # More was never quicker, not with a million results; each connection would come to have it.
            _pragma(connection, "cache_size = -2000")
            # Zeros over what is deleted, as some systems' SQLite is made to write, only where a page is written anyway:
            # else a large message would be written once more when it is gone.
            _pragma(connection, "secure_delete = FAST")
            # Statements that change many rows keep the old ones aside: not in a file of their own each time.
            _pragma(connection, "temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
        return connection

    return patiently(attempt, deadline)


def prepare(connection: sqlite3.Connection, path: Path, deadline: float) -> None:
    """Make the database one that many processes write, and its tables; raises ``OperationalError``. Safe to repeat."""
    if patiently(lambda: _pragma(connection, "journal_mode = WAL"), deadline) != "wal":
        raise OperationalError(
            f"The database {path} cannot be used by several processes at once: its file system gives SQLite no shared "
            "memory. It must be on a local disk."
        )
    patiently(lambda: _make_schema(connection, path), deadline)


def has_schema(connection: sqlite3.Connection, path: Path) -> bool:
    """Return False if ``prepare`` has to make the schema or to complete an older one; raises ``OperationalError``."""
    return _steps_taken(connection, path) == SCHEMA_VERSION


def patiently(action: Callable[[], T], deadline: float) -> T:
    """Do it, again and again while another connection is at it, until the deadline (monotonic)."""
    pause, longest = _PAUSES
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(longest, pause * 1.5)


def close_quietly(connection: sqlite3.Connection) -> None:
    """Close it; whatever is wrong with the file then is in the log."""
    try:
        connection.close()
    except sqlite3.Error:
        logger.warning("A database connection could not be closed cleanly.", exc_info=True)


def _make_schema(connection: sqlite3.Connection, path: Path) -> None:
    if has_schema(connection, path):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        taken = _steps_taken(connection, path)
        if taken < SCHEMA_VERSION:
            for step in SCHEMA_STEPS[taken:]:
                for statement in step.split(";\n"):
                    connection.execute(statement)
            _pragma(connection, f"application_id = {APPLICATION_ID}")
            _pragma(connection, f"user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _steps_taken(connection: sqlite3.Connection, path: Path) -> int:
    """Return how many of the steps a file has taken, none if it is empty; raises ``OperationalError`` otherwise."""
    version, application, is_used = _first_page(connection)
    if application == APPLICATION_ID:
        if 1 <= version <= SCHEMA_VERSION:
            return version
        raise OperationalError(
            f"{path} was made by another version of celeriac: its schema has version {version}, "
            f"this celeriac knows {SCHEMA_VERSION}. Use the same celeriac in every process, or another file."
        )
    if version or is_used:
        raise OperationalError(
            f"{path} is the SQLite database of another application. Choose a file of its own for celeriac; "
            "a new one is made."
        )
    return 0


def _first_page(connection: sqlite3.Connection) -> tuple[int, int, bool]:
    """Return version, application and whether there are tables, as of one moment: others may be making them."""
    is_outermost = not connection.in_transaction
    if is_outermost:
        connection.execute("BEGIN")
    try:
        tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        return _pragma(connection, "user_version"), _pragma(connection, "application_id"), tables is not None
    finally:
        if is_outermost and connection.in_transaction:
            connection.execute("ROLLBACK")


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    row = connection.execute(f"PRAGMA {text}").fetchone()
    return row[0] if row else None
