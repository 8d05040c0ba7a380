"""From SQLite's errors to sentences that say what to do."""

import os
import sqlite3
from pathlib import Path
from typing import Final

__all__ = ["explain", "is_busy"]

_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether trying again soon is likely to help: another connection is at it."""
    return _name(error).startswith(_BUSY)


def explain(error: sqlite3.Error, path: Path) -> str:
    """Return what happened and the cure, in one or two sentences."""
    name = _name(error)
    for prefix, sentence in _SENTENCES.items():
        if name.startswith(prefix):
            return sentence.format(path=path, directory=path.parent, error=error, name=name)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY")):
        return _explain_access(path, error)
    return f"SQLite cannot use {path}: {error} ({name or type(error).__name__})."


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")


_SENTENCES: Final = {
    "SQLITE_FULL": (
        "The disk that holds {path} is full, so nothing was stored. Free some space in {directory}; "
        "what is in the file is safe."
    ),
    "SQLITE_NOTADB": (
        "{path} is not an SQLite database, or it is damaged at its very beginning. "
        "Choose another file, or move this one away and a new one is made."
    ),
    "SQLITE_CORRUPT": (
        "The database {path} is damaged ({error}). Stop everything that uses it, save what can be saved with "
        "'sqlite3 {path} .recover', move the file and its -wal and -shm away, and start again."
    ),
    "SQLITE_BUSY": (
        "The database {path} stayed locked by another process until the deadline. "
        "Look for a process that is stopped or holds a long transaction on it ('fuser {path}' names them)."
    ),
    "SQLITE_PROTOCOL": (
        "The database {path} cannot be locked as SQLite needs it. "
        "It must be on a local disk: network file systems do not work."
    ),
    "SQLITE_IOERR": (
        "Reading or writing {path} failed ({name}). Look at the disk, its quota and this process's file size limit, "
        "and at the system's log."
    ),
    "SQLITE_TOOBIG": "The message or result is too large for SQLite ({error}). Keep the data elsewhere, send its name.",
    "SQLITE_NOMEM": "There was not enough memory for SQLite to use {path}.",
}


def _explain_access(path: Path, error: sqlite3.Error) -> str:
    """Find out why a file cannot be opened or written: SQLite does not say."""
    directory = path.parent
    if not directory.exists():
        return f"The database {path} cannot be made: the directory {directory} does not exist. Create it."
    if not directory.is_dir():
        return f"The database {path} cannot be made: {directory} is not a directory."
    if path.is_dir():
        return f"{path} is a directory, not a database. Name a file in it, for example {path / 'celeriac.sqlite3'}."
    user = os.geteuid()
    if not os.access(directory, os.W_OK | os.X_OK):
        return (
            f"This process (user id {user}) may not write in the directory {directory}, where SQLite keeps {path.name} "
            "and the files beside it. Give it the right to, or choose another directory."
        )
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return f"This process (user id {user}) may not read and write {path}. Give it the right to."
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists() and not os.access(beside, os.R_OK | os.W_OK):
            return f"This process (user id {user}) may not read and write {beside}. Give it the right to."
    return f"The database {path} cannot be opened for writing ({error}). Is its disk mounted read-only?"
