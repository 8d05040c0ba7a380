"""How many runs fall into which minute: what a timetable asks of its workers."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from celeriac.schedules import BaseSchedule, TickSchedule, schedule
from celeriac.timetables.base import FOREVER, EntryState

__all__ = ["Load", "busiest", "load_of"]

_MINUTE = 60
_MOMENT = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Group(NamedTuple):
    """Entries that run at the same moments."""

    schedule: TickSchedule
    #: Unix time from which they run.
    since: float
    names: list[str]


class Load:
    """The runs of entries in the minutes from one moment on. What is due already is not part of it."""

    def __init__(self, start: float, minutes: int) -> None:
        """``start`` is a unix time; the first minute is the one that it lies in."""
        #: Unix time at which the first minute begins.
        self.start = math.floor(start / _MINUTE) * _MINUTE
        self.minutes = minutes
        self._now = start
        self._groups: dict[tuple[str, float], _Group] = {}
        #: Names of entries that nobody can foresee: their schedules only say whether they are due now.
        self.unforeseen: list[str] = []

    def add(self, state: EntryState, schedule: BaseSchedule | None) -> None:
        """Add an entry."""
        if not state.entry.enabled or state.paused_until == FOREVER or state.next_at is None:
            return
        if not isinstance(schedule, TickSchedule):
            self.unforeseen.append(state.entry.name)
            return
        since = max(self._now, state.paused_until or 0.0)
        plain = json.dumps(dict(state.entry.schedule), sort_keys=True, default=repr)
        key = (plain if "class" not in state.entry.schedule else f"{plain} {state.entry.name}", since)
        self._groups.setdefault(key, _Group(schedule, since, [])).names.append(state.entry.name)

    @property
    def entries(self) -> int:
        """How many entries it is made of."""
        return sum(len(group.names) for group in self._groups.values())

    def by_minute(self) -> list[int]:
        """Return how many runs each minute has."""
        counts = [0] * self.minutes
        for group in self._groups.values():
            number = len(group.names)
            for minute, runs in self._runs_of(group):
                counts[minute] += runs * number
        return counts

    def names_in(self, minute: int) -> list[tuple[str, int]]:
        """Return which entries run in a minute, and how often."""
        begin = _instant(self.start + minute * _MINUTE)
        found = []
        for group in self._groups.values():
            after = max(begin, _instant(group.since)) - _MOMENT
            runs = sum(1 for _ in group.schedule.ticks(after, begin + timedelta(seconds=_MINUTE) - _MOMENT))
            if runs:
                found += [(name, runs) for name in group.names]
        return sorted(found)

    def _runs_of(self, group: _Group) -> Iterator[tuple[int, int]]:
        when = group.schedule
        if type(when) is schedule and not when.relative and when.seconds < _MINUTE:
            yield from self._runs_of_interval(group, when)
            return
        end = _instant(self.start + self.minutes * _MINUTE) - _MOMENT
        for tick in when.ticks(_instant(group.since) - _MOMENT, end):
            yield int((tick.timestamp() - self.start) // _MINUTE), 1

    def _runs_of_interval(self, group: _Group, when: schedule) -> Iterator[tuple[int, int]]:
        """Count where there are too many to go through, in whole microseconds."""
        every = when.run_every // _MOMENT
        anchor = ((when.anchor or _EPOCH) - _EPOCH) // _MOMENT

        def ticks_before(moment: float) -> int:
            return -((anchor - (_instant(moment) - _EPOCH) // _MOMENT) // every)

        before = ticks_before(max(group.since, self.start))
        for minute in range(self.minutes):
            end = self.start + (minute + 1) * _MINUTE
            if end > group.since:
                until = ticks_before(end)
                yield minute, until - before
                before = until


def busiest(counts: Sequence[int], size: int) -> list[int]:
    """Return the greatest number in each ``size`` of them."""
    return [max(counts[begin : begin + size]) for begin in range(0, len(counts), size)]


def load_of(entries: Iterable[tuple[EntryState, BaseSchedule | None]], start: float, minutes: int) -> Load:
    """Return the load of these entries."""
    load = Load(start, minutes)
    for state, when in entries:
        load.add(state, when)
    return load


def _instant(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
