"""A file that writes to a logger: what stands for stdout and stderr in a worker."""

import logging
import sys
from collections.abc import Iterable
from threading import local
from typing import Any

from celeriac.task_logging import level_number

__all__ = ["LoggingProxy"]


class LoggingProxy:
    """A text file that writes to a logger, one record a line.

    What logging itself prints while a record is written (its handler may end here again) goes to the real stderr. Text
    without a line's end is kept until the end comes, by thread; ``flush`` writes it.
    """

    mode = "w"
    name: str | None = None
    encoding = "utf-8"
    errors = "replace"
    newlines = None

    def __init__(self, logger: logging.Logger, level: int | str | None = None) -> None:
        self.logger = logger
        self.level = level_number(level) or logging.WARNING
        self.closed = False
        self._thread = local()

    def write(self, data: Any) -> int:
        text = data.decode(errors="replace") if isinstance(data, (bytes, bytearray)) else str(data)
        if self.closed:
            return 0
        if getattr(self._thread, "busy", False):
            return _write_plainly(text)
        *lines, self._thread.rest = (getattr(self._thread, "rest", "") + text).split("\n")
        for line in lines:
            self._log(line)
        return len(text)

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        rest = getattr(self._thread, "rest", "")
        if rest and not getattr(self._thread, "busy", False):
            self._thread.rest = ""
            self._log(rest)

    def close(self) -> None:
        """Write nothing more. Safe to call twice."""
        self.flush()
        self.closed = True

    def isatty(self) -> bool:
        return False

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def fileno(self) -> int:
        """Return the real stderr's descriptor, for programs that a task starts."""
        if sys.__stderr__ is None:
            raise OSError("This process has no standard error.")
        return sys.__stderr__.fileno()

    def _log(self, line: str) -> None:
        line = line.rstrip("\r")
        if not line:
            return
        self._thread.busy = True
        try:
            self.logger.log(self.level, "%s", line)
        finally:
            self._thread.busy = False


def _write_plainly(text: str) -> int:
    if sys.__stderr__ is not None:
        sys.__stderr__.write(text)
    return len(text)
