"""Checks of periodic tasks: whether somebody publishes them, and whether they can be."""

import difflib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from celeriac.app.periodic import code_entries
from celeriac.checks.finding import Finding, Grade
from celeriac.cli.nodes import look_at_nodes
from celeriac.cli.output import count_of, duration
from celeriac.cli.scheduler_view import SchedulerView, look_at_scheduler
from celeriac.cli.session import Session
from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedule_entry import ScheduleEntry

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["check_schedule"]


def check_schedule(session: Session) -> Iterator[Finding]:
    """Look at the code's entries and at the timetable; the broker is open."""
    app = session.app()
    try:
        entries = [each.entry for each in code_entries(app) if each.entry.enabled]
    except ImproperlyConfigured:
        return  # the check of the settings says so
    yield from _entries(app, entries)
    view = look_at_scheduler(session)
    cure = f"Start one: {session.command('beat')}, or a worker with -B."
    if view is None and entries:
        tasks = count_of(len(entries), "periodic task")
        yield Finding(_grade(session), f"The code has {tasks}, and no scheduler has run yet to publish them. {cure}")
    elif view is not None:
        yield _scheduler(view, cure, session)


def _scheduler(view: SchedulerView, cure: str, session: Session) -> Finding:
    if view.leader is None:
        grade = Grade.WRONG if view.is_behind else _grade(session)
        return Finding(grade, f"There {'is' if view.entries == 1 else 'are'} {view.describe()} {cure}")
    if view.is_behind:
        return Finding(
            Grade.WRONG,
            f"The scheduler {view.leader} is behind: what is due longest has waited for {duration(view.overdue)}. Its "
            "log says why.",
        )
    return Finding(Grade.OK, view.describe())


def _grade(session: Session) -> Grade:
    """Say how bad it is that no scheduler runs: before anything has been started it is only worth knowing."""
    nodes = look_at_nodes(session.broker(), now=time.time())
    return Grade.WRONG if any(node.is_running for node in nodes) else Grade.NOTE


def _entries(app: "Celeriac", entries: Sequence[ScheduleEntry]) -> Iterator[Finding]:
    for entry in entries:
        if entry.task not in app.tasks:
            close = difflib.get_close_matches(entry.task, list(app.tasks), n=1)
            cure = f"Did you mean {close[0]!r}?" if close else "Another app has to have it, on the queues it goes to."
            yield Finding(
                Grade.NOTE,
                f"The schedule entry {entry.name!r} calls {entry.task!r}, which is no task of this app. {cure}",
            )
        if entry.overlap != "allow" and not app.backend.holds_runs:
            yield Finding(
                Grade.WRONG,
                f"The schedule entry {entry.name!r} has overlap={entry.overlap!r}, and results are "
                f"{'kept for their callers only' if app.backend.stores_results else 'off'}, so nobody knows "
                "whether the run before has ended: set result_backend, or write overlap='allow'.",
            )
