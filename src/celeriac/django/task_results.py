"""From what celeriac keeps of a call to Django's ``TaskResult``."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from celeriac import states
from celeriac.django.task_package import InvalidTask, InvalidTaskBackend, Task, TaskError, TaskResult, TaskResultStatus
from celeriac.record import Record

__all__ = ["as_called", "aware", "local", "make_result", "status_of"]

#: Celeriac's states in Django's words; every other one is a state of the task's own, which is running.
STATUSES = {
    states.PENDING: TaskResultStatus.READY,
    states.RECEIVED: TaskResultStatus.READY,
    states.RETRY: TaskResultStatus.READY,
    states.REJECTED: TaskResultStatus.READY,
    states.STARTED: TaskResultStatus.RUNNING,
    states.SUCCESS: TaskResultStatus.SUCCESSFUL,
    states.IGNORED: TaskResultStatus.SUCCESSFUL,
    states.FAILURE: TaskResultStatus.FAILED,
    states.REVOKED: TaskResultStatus.FAILED,
}


def status_of(state: str) -> Any:
    """Return the ``TaskResultStatus`` of a celeriac state."""
    return STATUSES.get(state, TaskResultStatus.RUNNING)


def make_result(
    task: Task, record: Record, *, id: str, state: str, value: Any = None, finished_at: datetime | None = None
) -> TaskResult:
    """Return the ``TaskResult`` of a call in a state; ``value`` is what the task returned."""
    attempts = record.attempts
    plain = record.to_plain()
    status = status_of(state)
    result = TaskResult(
        task=task,
        id=id,
        status=status,
        enqueued_at=_moment(record.enqueued_at),
        started_at=_moment(attempts[0].began_at) if attempts else None,
        last_attempted_at=_moment(attempts[-1].began_at) if attempts else None,
        finished_at=None if finished_at is None else local(finished_at),
        args=plain["args"],
        kwargs=plain["kwargs"],
        backend=task.backend,
        errors=[TaskError(exception_class_path=each.exception, traceback=each.traceback) for each in record.errors],
        worker_ids=[attempt.worker for attempt in attempts],
    )
    if status == TaskResultStatus.SUCCESSFUL:
        # Its class gives the value no other way in.
        object.__setattr__(result, "_return_value", value)
    return result


def as_called(task: Task, record: Record) -> Task:
    """Return a task with what its call has said by ``using``; as it was declared where that is not allowed any more."""
    facts = record.facts
    run_after = facts.get("run_after")
    try:
        return task.using(
            priority=facts.get("priority"),
            queue_name=facts.get("queue_name"),
            run_after=None if run_after is None else local(datetime.fromisoformat(run_after)),
            backend=facts.get("backend"),
        )
    except (InvalidTask, InvalidTaskBackend):
        return task


def aware(moment: datetime) -> datetime:
    """Return a moment with a time zone; without one it is meant in the site's."""
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment, timezone.get_default_timezone())


def local(moment: datetime) -> datetime:
    """Return a moment as the site has moments: without a time zone where USE_TZ is off."""
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


def _moment(unix_time: float | None) -> datetime | None:
    return None if unix_time is None else local(datetime.fromtimestamp(unix_time, UTC))
