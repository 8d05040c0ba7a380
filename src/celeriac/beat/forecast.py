"""When entries run from now on: pure arithmetic over what the timetable and the schedules say."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from celeriac.schedules import BaseSchedule, TickSchedule
from celeriac.timetables.base import EntryState, moment_to_look

__all__ = ["ComingRun", "coming_runs", "merged_runs"]


class ComingRun(NamedTuple):
    """A run that is to come."""

    #: Unix time; in the past, if it is overdue.
    due: float
    state: EntryState


def coming_runs(state: EntryState, schedule: BaseSchedule | None, now: float) -> Iterator[ComingRun]:
    """Yield the runs of an entry, the next one first; endless, if its schedule is.

    Of a schedule that only says whether it is due now, and of one that is not known here, that is its next moment.
    """
    first = moment_to_look(enabled=state.entry.enabled, next_at=state.next_at, paused_until=state.paused_until)
    if first is None or state.next_at is None:
        return
    if not isinstance(schedule, TickSchedule):
        yield ComingRun(first, state)
        return
    if first > state.next_at:
        # What lies within a pause does not run.
        after = _instant(first) - timedelta(microseconds=1)
    else:
        yield ComingRun(first, state)
        after = _instant(max(first, now))
    while (tick := schedule.next_after(after)) is not None:
        yield ComingRun(tick.timestamp(), state)
        after = tick


def merged_runs(entries: Iterable[tuple[EntryState, BaseSchedule | None]], now: float) -> Iterator[ComingRun]:
    """Yield the runs of several entries in the order in which they come."""
    runs = [coming_runs(state, schedule, now) for state, schedule in entries]
    return heapq.merge(*runs, key=lambda run: (run.due, run.state.entry.name))


def _instant(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
