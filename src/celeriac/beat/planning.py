"""What is to be done about an entry that is due: values in, a claim out.

No clock, no store and no app: who asks says what time it is, and makes the messages.
"""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from celeriac.schedules import BaseSchedule, TickSchedule
from celeriac.timetables.base import EntryState

__all__ = ["GRACE", "Moments", "Plan", "first_due", "plan"]

#: Seconds within which a run is late and not missed: longer than another scheduler takes to step in for a dead one.
GRACE = 30.0
#: Seconds between two looks whether the run before has ended.
_PATIENCE = 1.0
#: Seconds after which a schedule is asked again that has nothing to say: Celery's longest pause.
_LONGEST_PAUSE = 300.0
#: Due moments that are counted one by one, at most, when somebody comes back after a long time.
_COUNTED = 10_000


class Moments(NamedTuple):
    """The due moments of an entry up to now, as unix times."""

    #: Those that are to run, oldest first.
    to_run: tuple[float, ...]
    #: How many nobody was there for.
    missed: int
    #: Whether the last one is in time.
    is_on_time: bool
    #: The first one that is still to come; None: there is none.
    following: float | None


class Plan(NamedTuple):
    """What a claim is to say."""

    to_run: tuple[float, ...]
    missed: int
    skipped: int
    next_at: float | None
    #: None: at ``next_at``.
    look_at: float | None = None
    #: The run before, which is to be stopped first.
    replaces: str | None = None


def first_due(schedule: BaseSchedule, now: float) -> float | None:
    """Return when an entry is due first that is new at this moment; None: never."""
    if isinstance(schedule, TickSchedule):
        return _unix(schedule.next_after(_instant(now)))
    return _ask_again(schedule.is_due(_instant(now)).next, now)


def plan(
    state: EntryState,
    schedule: BaseSchedule,
    now: float,
    *,
    has_ended: Callable[[EntryState], bool],
    deadline: float | None = None,
) -> Plan:
    """Decide about an entry that is due.

    ``has_ended`` says whether the entry's last run has; it is asked only where its ``overlap`` depends on that. After
    ``deadline`` seconds (``beat_cron_starting_deadline``) a moment is missed for good.
    """
    assert state.next_at is not None
    if not isinstance(schedule, TickSchedule):
        return _plan_asking(state, schedule, now, has_ended)
    moments = _moments(state, schedule, now, deadline)
    if not moments.to_run or not _is_in_the_way(state, has_ended):
        if state.entry.overlap == "queue" and len(moments.to_run) > 1:
            # One after the other: what comes next is due already, waits for this one, and is counted then.
            later = len(moments.to_run) - 1 - moments.is_on_time
            return Plan(moments.to_run[:1], max(0, moments.missed - later), 0, moments.to_run[1])
        return _last_one(Plan(moments.to_run, moments.missed, 0, moments.following), state)
    if state.entry.overlap == "queue":
        return Plan((), 0, 0, state.next_at, look_at=now + _PATIENCE)
    if state.entry.overlap == "replace":
        replaced = state.last_run_id
        return _last_one(Plan(moments.to_run, moments.missed, 0, moments.following, replaces=replaced), state)
    return Plan((), moments.missed, len(moments.to_run), moments.following)


def _last_one(plan: Plan, state: EntryState) -> Plan:
    """Leave only the last run where each would replace the one before."""
    if state.entry.overlap != "replace" or len(plan.to_run) < 2:
        return plan
    return plan._replace(to_run=plan.to_run[-1:], skipped=len(plan.to_run) - 1)


def _plan_asking(
    state: EntryState, schedule: BaseSchedule, now: float, has_ended: Callable[[EntryState], bool]
) -> Plan:
    """Decide where the schedule is the user's and is asked; it has no due moments but those at which it says yes."""
    assert state.next_at is not None
    since = state.last_due if state.last_due is not None else now
    is_due, pause = schedule.is_due(_instant(since))
    next_at = _ask_again(pause, now)
    if not is_due:
        return Plan((), 0, 0, next_at)
    if not _is_in_the_way(state, has_ended):
        return Plan((state.next_at,), 0, 0, next_at)
    if state.entry.overlap == "queue":
        return Plan((), 0, 0, state.next_at, look_at=now + _PATIENCE)
    if state.entry.overlap == "replace":
        return Plan((state.next_at,), 0, 0, next_at, replaces=state.last_run_id)
    return Plan((), 0, 1, next_at)


def _moments(state: EntryState, schedule: TickSchedule, now: float, deadline: float | None) -> Moments:
    """Sort the due moments up to now by the entry's policy on missed ones."""
    entry, first = state.entry, state.next_at
    assert first is not None
    following = _unix(schedule.next_after(_instant(now)))
    latest = _unix(schedule.latest_at(_instant(now)))
    if state.paused_until is not None and first < state.paused_until:
        # What lies within the pause is not missed.
        first = state.paused_until
        latest = latest if latest is not None and latest >= first else None
    else:
        # The first one stands in the timetable, so it holds even if the schedule has other moments by now.
        latest = first if latest is None else max(first, latest)
    wanted = entry.missed_bound if entry.missed == "all" else 1
    to_run = tuple(reversed(_backwards(schedule, latest, first, wanted)))
    longest = GRACE if entry.missed == "skip" else deadline
    if longest is not None:
        to_run = tuple(moment for moment in to_run if now - moment <= longest)
    total = _count(schedule, first, latest)
    is_on_time = latest is not None and now - latest <= GRACE
    return Moments(to_run, max(0, total - is_on_time), is_on_time, following)


def _backwards(schedule: TickSchedule, latest: float | None, first: float, wanted: int) -> list[float]:
    found: list[float] = []
    while latest is not None and latest >= first and len(found) < wanted:
        found.append(latest)
        latest = _unix(schedule.latest_at(_instant(latest) - timedelta(microseconds=1)))
    return found


def _count(schedule: TickSchedule, first: float, latest: float | None) -> int:
    """Return how many due moments there are from one to another, ``_COUNTED`` for all that are more."""
    if latest is None:
        return 0
    ticks = schedule.ticks(_instant(first) - timedelta(microseconds=1), _instant(latest))
    return max(1, sum(1 for _ in itertools.islice(ticks, _COUNTED)))


def _is_in_the_way(state: EntryState, has_ended: Callable[[EntryState], bool]) -> bool:
    """Say whether the run before keeps the next one from running now."""
    if state.entry.overlap == "allow" or state.last_run_id is None:
        return False
    return not has_ended(state)


def _ask_again(pause: float | None, now: float) -> float:
    return now + (_LONGEST_PAUSE if pause is None else min(max(pause, 0.001), _LONGEST_PAUSE))


def _instant(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def _unix(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
