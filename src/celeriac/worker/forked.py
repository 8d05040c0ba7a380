"""Whether this process is a copy of a child that a task of the user's has made by ``os.fork``."""

import os

__all__ = ["is_copy", "watch"]

is_copy = False


def watch() -> None:
    """Begin to notice forks of this process."""
    os.register_at_fork(after_in_child=_note)


def _note() -> None:
    global is_copy  # noqa: PLW0603 - one fact about one process
    is_copy = True
