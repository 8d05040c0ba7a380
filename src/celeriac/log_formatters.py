"""How log records become lines: text, coloured text, JSON."""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from celeriac.task_logging import CURRENT_TASK, UNKNOWN

__all__ = ["ColorFormatter", "JSONFormatter", "TaskFormatter"]


class ColorFormatter(logging.Formatter):
    """Formats lines, coloured by level when asked to."""

    COLORS: Mapping[int, str] = {
        logging.DEBUG: "\x1b[34m",
        logging.WARNING: "\x1b[33m",
        logging.ERROR: "\x1b[31m",
        logging.CRITICAL: "\x1b[35m",
    }
    RESET = "\x1b[0m"

    def __init__(self, fmt: str | None = None, use_color: bool = True, datefmt: str | None = None) -> None:
        super().__init__(fmt, datefmt)
        self.use_color = use_color

    def format(self, record: logging.LogRecord) -> str:
        try:
            line = super().format(record)
        except Exception as error:  # noqa: BLE001 - a line that cannot be made must not be lost, nor stop anything
            line = f"<This line cannot be shown: {error!r}; message {type(record.msg).__name__}, {record.pathname}>"
        color = self.COLORS.get(record.levelno) if self.use_color else None
        return f"{color}{line}{self.RESET}" if color else line


class TaskFormatter(ColorFormatter):
    """Formats lines of tasks: the form may hold ``%(task_name)s`` and ``%(task_id)s``."""

    def format(self, record: logging.LogRecord) -> str:
        info = CURRENT_TASK.get()
        if info is not None:
            record.task_name, record.task_id = info
        record.__dict__.setdefault("task_name", UNKNOWN)
        record.__dict__.setdefault("task_id", UNKNOWN)
        return super().format(record)


class JSONFormatter(logging.Formatter):
    """Formats each record as one JSON object on one line.

    Keys: ``time`` (ISO 8601, UTC, to the millisecond), ``level``, ``logger``, ``message``, ``node``, ``process``,
    ``pid``; ``task_name`` and ``task_id`` for records of tasks; ``exception`` (the traceback as text) where there is
    one; and whatever was given as ``extra``.
    """

    _STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "task_name", "task_id"}

    def __init__(self, node: str = "") -> None:
        super().__init__()
        self.node = node

    def format(self, record: logging.LogRecord) -> str:
        info = CURRENT_TASK.get()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _message_of(record),
            "task_name": info.name if info else _known(record, "task_name"),
            "task_id": info.id if info else _known(record, "task_id"),
            "node": self.node or None,
            "process": record.processName,
            "pid": record.process,
            "exception": self._exception_of(record),
        }
        extra = {key: value for key, value in vars(record).items() if key not in self._STANDARD}
        present = {key: value for key, value in line.items() if value is not None}
        return json.dumps({**extra, **present}, default=_shown, ensure_ascii=False)

    def _exception_of(self, record: logging.LogRecord) -> str | None:
        parts = []
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(self.formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return "\n".join(parts) or None


def _known(record: logging.LogRecord, name: str) -> Any:
    value = getattr(record, name, None)
    return None if value == UNKNOWN else value


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - as above
        return f"<This line cannot be shown: {error!r}; {record.msg!r}>"


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - the user's __repr__
        return f"<{type(value).__name__} that cannot be shown>"
