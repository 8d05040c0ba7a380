"""Runs that others take the place of (``overlap="replace"``)."""

import logging
from typing import TYPE_CHECKING

from celeriac import states
from celeriac.backends.base import LAST_WORD
from celeriac.exceptions import ImproperlyConfigured, TaskRevokedError
from celeriac.record import carry_record
from celeriac.request import Context
from celeriac.schedule_entry import ScheduleEntry

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["require_readable_results", "revoke_replaced"]

logger = logging.getLogger("celeriac.beat")


def require_readable_results(app: "Celeriac", entry: ScheduleEntry) -> None:
    """Raise ``ImproperlyConfigured`` where nobody can see whether the run before has ended."""
    if not app.backend.holds_runs:
        raise ImproperlyConfigured(
            f"overlap={entry.overlap!r} needs results that everybody can read, to see whether the run before has "
            "ended: set result_backend to sqlite:// or redis://, or write overlap='allow'."
        )


def revoke_replaced(app: "Celeriac", entry: ScheduleEntry, replaced: str, by: str) -> bool:
    """Make an entry's run REVOKED for good, unless it has ended; return whether it had not.

    Nodes that have it, or get it, see that in the result store. Done right before the new run is claimed: whoever dies
    in between leaves the moment due, and the run before is no longer in the way of it. If it were done after the claim,
    whoever dies in between would leave a run that hangs to nobody: the next one replaces the one before it. Safe to
    repeat.
    """
    error = TaskRevokedError(f"replaced by run {by}")
    request = Context(id=replaced, task=entry.task, args=entry.args, kwargs=dict(entry.kwargs))
    carry_record(app, request, error)
    result = app.result_format.write(request, states.REVOKED, error, execution=LAST_WORD)
    if app.backend.store([result]):
        return False
    logger.info("Run %s of %r is replaced by %s.", replaced, entry.name, by)
    return True
