"""The message of a run."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from celeriac.protocol.message import REPLACEABLE, Message
from celeriac.schedule_entry import ScheduleEntry

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["message_of_run"]

#: Celery's name (django-celery-beat's header) for the entry, and ours for the moment.
_ENTRY, _DUE = "periodic_task_name", "celeriac-due"
#: For its node: another message with this id may be there, so it is to ask before it runs.
_ONCE = "celeriac-once"


def message_of_run(app: "Celeriac", entry: ScheduleEntry, *, run_id: str, due: float, once: bool = False) -> Message:
    """Return the message of an entry's run at a due moment; the task id is the run's.

    ``once``: it may be published twice, and its node is to see to it that it runs once.
    Raises what ``Task.apply_async`` raises for arguments and options that cannot be.
    """
    options: dict[str, Any] = dict(entry.options)
    options["task_id"] = run_id
    options["headers"] = {**(options.get("headers") or {}), _ENTRY: entry.name}
    if entry.overlap != "allow":
        # Whether it has ended is read from its result.
        options["ignore_result"] = False
    args, kwargs = tuple(entry.args), dict(entry.kwargs)
    task = app.own_tasks.get(entry.task)
    if task is not None:
        options = task.call_options(args, kwargs, options)
    message = app.publisher.message(entry.task, args, kwargs, options, task=task)
    headers = {**message.headers, _DUE: datetime.fromtimestamp(due, UTC).isoformat()}
    if once:
        headers[_ONCE] = True
    if entry.overlap == "replace":
        headers[REPLACEABLE] = True
    return replace(message, headers=headers)
