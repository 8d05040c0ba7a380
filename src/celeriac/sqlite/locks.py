"""Lock files: the operating system tells at once, and never wrongly, that the process that held one is gone."""

import contextlib
import enum
import fcntl
import os
from pathlib import Path

from celeriac.sqlite.forks import watch

__all__ = ["Holder", "SessionLock", "look_at"]


class Holder(enum.Enum):
    """Who holds a lock file."""

    ALIVE = enum.auto()
    GONE = enum.auto()
    #: The file cannot be looked at, which says nothing of the process: its lease decides.
    UNKNOWN = enum.auto()


class SessionLock:
    """A file that is locked as long as this process lives and does not close it."""

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        # The umask is the creator's; the database's own mode says who may take part.
        os.fchmod(self._descriptor, mode)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        watch(self)

    @property
    def is_in_place(self) -> bool:
        """The file is still where others look for it."""
        try:
            there = self.path.stat()
        except OSError:
            return False
        ours = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        """Remove the file and let go. Safe to call twice."""
        if self._descriptor >= 0:
            if self.is_in_place:
                with contextlib.suppress(OSError):
                    self.path.unlink()
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def before_fork(self) -> None:
        """Nothing to do: the lock belongs to the open file, and closing a copy leaves it."""

    def after_fork_in_parent(self) -> None:
        """Nothing to do."""

    def after_fork_in_child(self) -> None:
        """Drop the copy, or the lock would outlive the parent."""
        self._let_go()


def look_at(path: Path) -> Holder:
    """Say who holds a lock file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # Removed by hand, or another user's.
        return Holder.UNKNOWN
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return Holder.ALIVE
    finally:
        os.close(descriptor)
    return Holder.GONE
