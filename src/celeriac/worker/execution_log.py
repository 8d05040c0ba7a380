"""A child's log lines about executions: one when a task begins, one when it has ended, with its name and id.

Celery's levels: INFO, but ERROR with the traceback for an error that the task does not declare in ``throws``.
"""

import contextlib
import functools
import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

from celeriac import states
from celeriac.execution import Execution, Report
from celeriac.protocol.representation import represent

__all__ = ["log_begin", "log_end"]

_Subject = TypeVar("_Subject")

logger = logging.getLogger("celeriac.worker.execution")

_RESULT_LENGTH = 200


def _harmless(log: Callable[[_Subject], None]) -> Callable[[_Subject], None]:
    """Keep what code of the user's raises meanwhile from the execution, whose end must be told in any case."""

    @functools.wraps(log)
    def guarded(subject: _Subject) -> None:
        try:
            log(subject)
        except BaseException:  # noqa: BLE001 - also from the __repr__ of what a task returns or raises
            with contextlib.suppress(BaseException):
                traceback.print_exc()

    return guarded


@_harmless
def log_begin(execution: Execution) -> None:
    """Log that a task begins."""
    if logger.isEnabledFor(logging.INFO):
        name, task_id = execution.task.name, execution.request.id
        logger.info("Task %s[%s] begins", name, task_id, extra={"task_name": name, "task_id": task_id})


@_harmless
def log_end(report: Report) -> None:
    """Log how an execution has ended."""
    if report.state == states.SUCCESS:
        if logger.isEnabledFor(logging.INFO):
            shown = represent(report.retval, max_length=_RESULT_LENGTH)
            _log(logging.INFO, report, f"succeeded in {report.runtime:.3f} s: %s", shown)
    elif report.state == states.FAILURE and not report.expected:
        _log(logging.ERROR, report, "failed: %r%s", report.exception, _traceback(report))
    elif report.state == states.FAILURE:
        _log(logging.INFO, report, "failed as expected: %r", report.exception)
    elif report.state == states.RETRY:
        _log(logging.INFO, report, "is tried again: %s", report.exception)
    elif report.state == states.PENDING:
        _log(logging.INFO, report, "is not due yet and waits in the broker")
    elif report.state == states.REVOKED:
        _log(logging.WARNING, report, "does not run: %s", report.exception)
    else:
        _log(logging.INFO, report, "ended as %s. %s", report.state, report.reason)


def _traceback(report: Report) -> str:
    return f"\n{report.traceback}" if report.traceback else ""


def _log(level: int, report: Report, what: str, *values: object) -> None:
    if logger.isEnabledFor(level):
        logger.log(
            level,
            "Task %s[%s] " + what,  # noqa: G003 - the parts are constants of this module
            report.task_name,
            report.task_id,
            *values,
            extra={"task_name": report.task_name, "task_id": report.task_id},
        )
