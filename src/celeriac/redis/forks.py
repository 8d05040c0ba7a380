"""A fork's child closes its copies of the parent's sockets at once, so that none outlives its owner there."""

import os
import weakref
from typing import Protocol

__all__ = ["Forkable", "watch"]


class Forkable(Protocol):
    """What is told, in the child, that it has been forked."""

    def after_fork_in_child(self) -> None:
        """Drop what belongs to the parent, without a word to anybody else; the parent's threads are gone."""


_watched: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


def watch(forkable: Forkable) -> None:
    """Tell it of forks, for as long as it exists."""
    _watched.add(forkable)


def _after_in_child() -> None:
    for forkable in list(_watched):
        forkable.after_fork_in_child()


os.register_at_fork(after_in_child=_after_in_child)
