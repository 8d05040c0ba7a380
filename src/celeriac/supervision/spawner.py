"""The port: what starts child processes."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from celeriac.supervision.child_process import ChildProcess

__all__ = ["Spawner", "check_target"]

_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class Spawner(ABC):
    """Starts children of this process, the node. Safe from any thread."""

    @abstractmethod
    def start(self, target: str, argument: bytes, *, fds: Sequence[int] = (), name: str = "") -> ChildProcess:
        """Start a child that calls ``target`` (``"module:function"``) with ``argument`` and a list of descriptors.

        The descriptors are copies of ``fds`` under other numbers, in their order; the caller keeps and closes its own.
        The child has stdin at ``/dev/null``, the node's stdout and stderr, default OS signal dispositions, a session of
        its own (so Ctrl-C in a terminal reaches the node only) and a lifeline: it dies when this process does. It exits
        with status 0 when the target returns, as Python does on ``SystemExit``, 1 on another exception and 127 when the
        target cannot be imported, its traceback on stderr; ``atexit`` handlers do not run. ``name`` is what ``top``
        shows (15 bytes of it).

        Raises ``ValueError`` for a malformed target or too many descriptors, ``OSError`` when the system refuses.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what starting needs. Running children are not touched. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def check_target(target: str) -> None:
    """Raise ``ValueError`` unless it reads ``module:function``."""
    if not _TARGET.fullmatch(target):
        raise ValueError(f"The target {target!r} is not of the form 'module:function', for example 'shop.work:main'.")
