"""Logging of the worker's processes and of the command line.

``setup_logging`` leaves all as it is when somebody listens to the signal ``setup_logging``; and it leaves the root
logger as it is when told so, as the Django integration does when the project has ``LOGGING``. Calling it again replaces
what it did the time before, and nothing else.

The loggers themselves, and the task a record comes from, are in ``task_logging``; all of it can be imported from here.
"""

import logging
import sys
import warnings
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from typing import IO, Any

from celeriac import signals
from celeriac.exceptions import CDeprecationWarning, CPendingDeprecationWarning, ImproperlyConfigured
from celeriac.log_formatters import ColorFormatter, JSONFormatter, TaskFormatter
from celeriac.log_streams import LoggingProxy
from celeriac.settings_table import DEFAULT_LOG_FORMAT, DEFAULT_TASK_LOG_FORMAT
from celeriac.task_logging import (
    CURRENT_TASK,
    TaskFilter,
    TaskInfo,
    base_logger,
    current_task_info,
    get_logger,
    get_task_logger,
    level_number,
    redirected_logger,
    reset_current_task_info,
    set_current_task_info,
    task_logger,
    worker_logger,
)

__all__ = [
    "CURRENT_TASK",
    "ColorFormatter",
    "JSONFormatter",
    "LogSettings",
    "LoggingProxy",
    "TaskFilter",
    "TaskFormatter",
    "TaskInfo",
    "base_logger",
    "current_task_info",
    "get_logger",
    "get_task_logger",
    "level_number",
    "redirect_stdouts",
    "reset_current_task_info",
    "set_current_task_info",
    "setup_logging",
    "task_logger",
    "undo_logging",
    "worker_logger",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How a process logs; the values are those of the ``worker_…`` settings and of the command line."""

    level: int | str | None = "WARNING"
    #: A path, an open file, or None for stderr.
    file: str | IO[str] | None = None
    format: str = DEFAULT_LOG_FORMAT
    datefmt: str | None = None
    task_format: str = DEFAULT_TASK_LOG_FORMAT
    task_datefmt: str | None = None
    #: None: on a terminal.
    color: bool | None = None
    json: bool = False
    #: Replace the root logger's handlers. False: handlers are added to ``celeriac`` alone, and only if nobody handles
    #: its records otherwise.
    hijack_root: bool = True
    redirect_stdouts: bool = False
    redirect_level: int | str = "WARNING"
    #: The node's name, for JSON lines.
    node: str = ""
    #: What ``%(processName)s`` says; empty: what logging says.
    process_name: str = ""

    @classmethod
    def from_settings(cls, settings: Any, **more: Any) -> "LogSettings":
        """Return what the ``worker_…`` settings say, with ``more`` over it."""
        values: dict[str, Any] = {
            "format": settings.worker_log_format,
            "datefmt": settings.worker_log_datefmt,
            "task_format": settings.worker_task_log_format,
            "task_datefmt": settings.worker_task_log_datefmt,
            "color": settings.worker_log_color,
            "json": settings.worker_log_json,
            "hijack_root": settings.worker_hijack_root_logger,
            "redirect_stdouts": settings.worker_redirect_stdouts,
            "redirect_level": settings.worker_redirect_stdouts_level,
        }
        return cls(**{**values, **more})


@dataclass(slots=True)
class _Before:
    """How a logger was before ``setup_logging``."""

    logger: logging.Logger
    handlers: list[logging.Handler]
    level: int
    propagate: bool

    @classmethod
    def of(cls, logger: logging.Logger) -> "_Before":
        return cls(logger, list(logger.handlers), logger.level, logger.propagate)

    def restore(self) -> None:
        for handler in self.logger.handlers:
            if handler not in self.handlers:
                handler.close()
        self.logger.handlers[:] = self.handlers
        self.logger.setLevel(self.level)
        self.logger.propagate = self.propagate


#: What ``undo_logging`` has to put back. Logging is one for the process, and so is this.
_before: list[_Before] = []
_streams_before: list[tuple[Any, Any]] = []


def setup_logging(how: LogSettings) -> bool:
    """Set up this process's logging; return False when a receiver of the signal ``setup_logging`` has done so instead.

    Raises ``ImproperlyConfigured`` for a level or file that cannot be used, and what a receiver raised.
    """
    level = level_number(how.level) or logging.WARNING
    undo_logging()
    told = {"loglevel": level, "logfile": how.file, "format": how.format, "colorize": _uses_color(how)}
    if _receivers_set_it_up(told):
        return False
    logger = logging.getLogger() if how.hijack_root else base_logger
    if how.hijack_root:
        _hijack_root(how, level)
    else:
        _set_up_own_loggers(how, level)
    signals.after_setup_logger.send(sender=None, logger=logger, **told)
    signals.after_setup_task_logger.send(sender=None, logger=task_logger, **{**told, "format": how.task_format})
    if how.redirect_stdouts:
        redirect_stdouts(how.redirect_level)
    for category in (CDeprecationWarning, CPendingDeprecationWarning):
        warnings.filterwarnings("always", category=category)
    return True


def redirect_stdouts(level: int | str = "WARNING") -> None:
    """Send what is printed to the logger ``celeriac.redirected``. Safe to call twice."""
    if not _streams_before:
        _streams_before.append((sys.stdout, sys.stderr))
    sys.stdout = sys.stderr = LoggingProxy(redirected_logger, level)


def undo_logging() -> None:
    """Put loggers and streams back as they were before ``setup_logging``. Safe to call twice."""
    while _streams_before:
        sys.stdout, sys.stderr = _streams_before.pop()
    while _before:
        _before.pop().restore()


def _receivers_set_it_up(told: dict[str, Any]) -> bool:
    responses = signals.setup_logging.send(sender=None, **told)
    for _, response in responses:
        if isinstance(response, Exception):
            raise response
    return bool(responses)


def _hijack_root(how: LogSettings, level: int) -> None:
    """Let every record of the process go through our handlers."""
    root = logging.getLogger()
    own = (root, base_logger, task_logger, redirected_logger)
    _before.extend(_Before.of(logger) for logger in own)
    for logger in own:
        logger.handlers[:] = []
    _add_handler(root, how, level, ColorFormatter(how.format, _uses_color(how), how.datefmt))
    _add_task_handler(how, level)
    logging.captureWarnings(True)


def _set_up_own_loggers(how: LogSettings, level: int) -> None:
    """Leave the root logger alone: handle celeriac's records only if nobody does, else only let them through."""
    _before.extend(_Before.of(logger) for logger in (base_logger, task_logger))
    if base_logger.hasHandlers():
        if base_logger.level == logging.NOTSET:
            base_logger.setLevel(level)
        return
    _add_handler(base_logger, how, level, ColorFormatter(how.format, _uses_color(how), how.datefmt))
    base_logger.propagate = False
    if not task_logger.handlers:
        _add_task_handler(how, level)


def _add_task_handler(how: LogSettings, level: int) -> None:
    _add_handler(task_logger, how, level, TaskFormatter(how.task_format, _uses_color(how), how.task_datefmt))
    task_logger.propagate = False


def _add_handler(logger: logging.Logger, how: LogSettings, level: int, formatter: logging.Formatter) -> None:
    handler = _new_handler(how)
    handler.setFormatter(JSONFormatter(how.node) if how.json else formatter)
    handler.addFilter(TaskFilter(how.process_name))
    logger.addHandler(handler)
    logger.setLevel(level)


def _new_handler(how: LogSettings) -> logging.Handler:
    if how.file is None:
        return logging.StreamHandler(sys.__stderr__)
    if not isinstance(how.file, str):
        return logging.StreamHandler(how.file)
    try:
        return WatchedFileHandler(how.file, encoding="utf-8")
    except OSError as error:
        raise ImproperlyConfigured(
            f"The log file {how.file} cannot be opened ({error.strerror}): choose a file that this user may write."
        ) from error


def _uses_color(how: LogSettings) -> bool:
    if how.color is not None or how.file is not None:
        return bool(how.color)
    return sys.__stderr__ is not None and sys.__stderr__.isatty()
