"""Loggers of tasks, and which task a record comes from.

Everything of celeriac logs below ``celeriac``; what tasks log goes below ``celeriac.task``, which is Celery's
``celery.task``. The execution pipeline says which task runs (``set_current_task_info``), for its thread or coroutine.
"""

import logging
from contextvars import ContextVar, Token
from typing import NamedTuple

from celeriac.exceptions import ImproperlyConfigured

__all__ = [
    "CURRENT_TASK",
    "UNKNOWN",
    "TaskFilter",
    "TaskInfo",
    "base_logger",
    "current_task_info",
    "get_logger",
    "get_task_logger",
    "level_number",
    "redirected_logger",
    "reset_current_task_info",
    "set_current_task_info",
    "task_logger",
    "worker_logger",
]


class TaskInfo(NamedTuple):
    """The task that runs here and now."""

    name: str
    id: str


#: The task that runs in this thread or coroutine; the execution pipeline sets it.
CURRENT_TASK: ContextVar[TaskInfo | None] = ContextVar("celeriac_current_task", default=None)

#: What a line says for a record that no task made.
UNKNOWN = "???"

base_logger = logging.getLogger("celeriac")
task_logger = logging.getLogger("celeriac.task")
worker_logger = logging.getLogger("celeriac.worker")
redirected_logger = logging.getLogger("celeriac.redirected")

_RESERVED = frozenset({"celeriac", "celeriac.task"})


def set_current_task_info(name: str, task_id: str) -> Token[TaskInfo | None]:
    """Say which task runs here; give the token to ``reset_current_task_info`` when it has ended."""
    return CURRENT_TASK.set(TaskInfo(name, task_id))


def reset_current_task_info(token: Token[TaskInfo | None]) -> None:
    """Take back what ``set_current_task_info`` said."""
    CURRENT_TASK.reset(token)


def current_task_info() -> TaskInfo | None:
    """Return the task that runs here; None outside of tasks."""
    return CURRENT_TASK.get()


def get_logger(name: str) -> logging.Logger:
    """Return the logger of this name, below ``celeriac`` unless it is below another one."""
    return _below(base_logger, logging.getLogger(name))


def get_task_logger(name: str) -> logging.Logger:
    """Return a logger for a module of tasks: its lines have the form of ``worker_task_log_format``.

    It stands below ``celeriac.task`` whatever its name. Raises ``RuntimeError`` for celeriac's own two loggers.
    """
    if name in _RESERVED:
        raise RuntimeError(f"The logger name {name!r} is celeriac's own: use get_task_logger(__name__).")
    return _below(task_logger, logging.getLogger(name))


def level_number(level: int | str | None) -> int | None:
    """Return a level given by number or name, in any case; raises ``ImproperlyConfigured``."""
    if level is None or isinstance(level, int):
        return level
    text = level.strip().upper()
    if text.isdigit():
        return int(text)
    number = logging.getLevelNamesMapping().get({"FATAL": "CRITICAL"}.get(text, text))
    if number is None:
        raise ImproperlyConfigured(
            f"There is no log level {level!r}: use DEBUG, INFO, WARNING, ERROR, CRITICAL or a number."
        )
    return number


def _below(parent: logging.Logger, logger: logging.Logger) -> logging.Logger:
    ancestor: logging.Logger | None = logger
    while ancestor is not None:
        if ancestor is parent:
            return logger
        ancestor = ancestor.parent
    if logger is not logging.getLogger():
        logger.parent = parent
    return logger


class TaskFilter(logging.Filter):
    """Lets every record pass, and adds ``task_name`` and ``task_id`` of the task that made it.

    For a handler of your own: ``"filters": {"task": {"()": "celeriac.log.TaskFilter"}}`` in Django's ``LOGGING``.
    ``process_name`` is what ``%(processName)s`` shall say; empty: what logging says.
    """

    def __init__(self, process_name: str = "") -> None:
        super().__init__()
        self._process_name = process_name

    def filter(self, record: logging.LogRecord) -> bool:
        info = CURRENT_TASK.get()
        if info is not None:
            record.task_name, record.task_id = info
        elif not hasattr(record, "task_name"):
            record.task_name = record.task_id = UNKNOWN
        if self._process_name:
            record.processName = self._process_name
        return True
