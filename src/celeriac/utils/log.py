"""Celery's ``celery.utils.log`` under our name."""

from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARNING

from celeriac.log import (
    ColorFormatter,
    LoggingProxy,
    base_logger,
    get_logger,
    get_task_logger,
    task_logger,
    worker_logger,
)
from celeriac.log import level_number as mlevel

__all__ = [
    "LOG_LEVELS",
    "ColorFormatter",
    "LoggingProxy",
    "base_logger",
    "get_logger",
    "get_task_logger",
    "logger",
    "mlevel",
    "task_logger",
    "worker_logger",
]

#: Level name -> number.
LOG_LEVELS = {
    "DEBUG": DEBUG,
    "INFO": INFO,
    "WARNING": WARNING,
    "WARN": WARNING,
    "ERROR": ERROR,
    "CRITICAL": CRITICAL,
    "FATAL": FATAL,
}
logger = base_logger
