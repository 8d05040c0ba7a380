"""A run that somebody wants now, beside the schedule."""

from typing import TYPE_CHECKING

from celeriac.beat.calls import message_of_run
from celeriac.beat.replacing import require_readable_results, revoke_replaced
from celeriac.identifiers import uuid
from celeriac.timetables.base import PlannedRun, RunReason, Timetable

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["run_by_hand"]


def run_by_hand(app: "Celeriac", timetable: Timetable, name: str) -> str | None:
    """Publish a run of an entry now; return its task id, None if there is no entry of this name.

    It is published as its schedule would publish it, also while the entry is paused or disabled, and with ``replace``
    in the place of the run before; what is due stays so. Raises what ``Task.apply_async`` raises.
    """
    state = timetable.get(name)
    if state is None:
        return None
    task_id, now = uuid(), timetable.now()
    message = message_of_run(app, state.entry, run_id=task_id, due=now, once=not timetable.publishes)
    app.publisher.declare([message])
    if state.entry.overlap == "replace" and state.last_run_id is not None:
        require_readable_results(app, state.entry)
        revoke_replaced(app, state.entry, state.last_run_id, task_id)
    if not timetable.run_by_hand(name, PlannedRun(id=task_id, due=now, message=message, reason=RunReason.BY_HAND)):
        return None
    if timetable.publishes:
        app.publisher.announce_published([message])
    else:
        app.publisher.send_now([message], {})
        timetable.mark_published([task_id])
    return task_id
