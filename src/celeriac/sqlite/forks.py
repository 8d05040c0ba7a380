"""Telling what must not cross a fork that one is about to happen.

SQLite's bookkeeping of file locks is per process and is copied by a fork: a child that opens a file which its parent
had open holds no locks of its own, and may write into a log that somebody else then deletes. So whatever is open is
closed before the fork, and opened again, by each side for itself, when it is next used.
"""

import os
import threading
import weakref
from typing import ClassVar, Protocol

__all__ = ["Forkable", "watch"]


class Forkable(Protocol):
    """What is told of forks made with ``os.fork`` (not of new programs, which inherit nothing of ours)."""

    def before_fork(self) -> None:
        """Come to rest and close what must not be shared."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Drop what belongs to the parent, without telling anybody else; the parent's threads are gone."""


_watched: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


class _Fork:
    """The fork that is under way; one at a time."""

    mutex = threading.RLock()
    #: Those that have come to rest for it.
    resting: ClassVar[list[Forkable]] = []


def watch(forkable: Forkable) -> None:
    """Tell it of forks, for as long as it exists."""
    _watched.add(forkable)


def _before() -> None:
    _Fork.mutex.acquire()
    for forkable in list(_watched):
        forkable.before_fork()
        _Fork.resting.append(forkable)


def _after_in_parent() -> None:
    while _Fork.resting:
        _Fork.resting.pop().after_fork_in_parent()
    _Fork.mutex.release()


def _after_in_child() -> None:
    _Fork.mutex = threading.RLock()
    while _Fork.resting:
        _Fork.resting.pop().after_fork_in_child()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
