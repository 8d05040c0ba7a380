"""What a crontab entry means: which wall times it names, and at which instants it therefore ticks.

The rule for the nights on which clocks are set, written down once, in docs/schedules.md:

* An entry for every hour of the day follows the clock as it runs: it ticks at each instant at which the clock shows a
  time that it names. What is skipped is skipped, what comes twice comes twice, so nothing is doubled and nothing has
  a hole.
* Any other entry ticks once for each time that it names. In a fold that is the first of the two. A time in a gap is
  made up for at the first instant after the gap, once for all times of the gap.
"""

from bisect import bisect_left, bisect_right
from calendar import isleap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta, tzinfo

from celeriac.schedules.zones import TICK, first_instant, instants_of, other_pass, transition_between, wall_of

__all__ = ["CalendarRule"]

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_DAYS_IN_MONTH = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRule:
    """Minutes, hours, days and months; all of them have to fit. Each is in order and not empty; Sunday is 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days_of_week: tuple[int, ...]
    days_of_month: tuple[int, ...]
    months: tuple[int, ...]

    @property
    def every_hour(self) -> bool:
        """Whether the entry follows the clock as it runs, which is decided by its hours alone."""
        return len(self.hours) == 24

    @property
    def has_days(self) -> bool:
        """Whether there is a day at all: not so on the 30th of February."""
        return any(self.days_of_month[0] <= _DAYS_IN_MONTH[month] for month in self.months)

    def tick_after(self, instant: datetime, zone: tzinfo) -> datetime | None:
        """Return the first tick after the instant, in UTC; None: not before the calendar ends."""
        try:
            if self.every_hour:
                return self._running_tick_after(instant, zone)
            return self._daily_tick_after(instant, zone)
        except OverflowError:
            return None

    def tick_at_or_before(self, instant: datetime, zone: tzinfo) -> datetime | None:
        """Return the last tick that is not after the instant, in UTC; None: none since the calendar began."""
        try:
            if self.every_hour:
                return self._running_tick_at_or_before(instant, zone)
            return self._daily_tick_at_or_before(instant, zone)
        except OverflowError:
            return None

    def _daily_tick_after(self, instant: datetime, zone: tzinfo) -> datetime | None:
        wall = self._wall_after(wall_of(instant, zone))
        while wall is not None:
            # Not so for what the clock shows for the second time.
            if (tick := first_instant(wall, zone)) > instant:
                return tick
            wall = self._wall_after(wall)
        return None

    def _daily_tick_at_or_before(self, instant: datetime, zone: tzinfo) -> datetime | None:
        latest = wall_of(instant, zone)
        if latest.fold and (first := other_pass(instant, zone)):
            # The first pass has gone further than the clock shows.
            latest += instant - first
        wall = self._wall_at_or_before(latest)
        while wall is not None:
            if (tick := first_instant(wall, zone)) <= instant:
                return tick
            wall = self._wall_at_or_before(wall - _MINUTE)
        return None

    def _running_tick_after(self, instant: datetime, zone: tzinfo) -> datetime | None:
        wall = wall_of(instant, zone)
        found = self._wall_after(wall)
        other = None if wall.fold else other_pass(instant, zone)
        if other is not None:
            # First pass: when it has no more ticks, the second begins with what the clock is set back to.
            end = transition_between(instant, other, zone)
            if found is not None and (tick := first_instant(found, zone)) < end:
                return tick
            instant = end - TICK
            found = self._wall_after(wall_of(end, zone) - TICK)
        while found is not None:
            for tick in instants_of(found, zone):
                if tick > instant:
                    return tick
            found = self._wall_after(found)
        return None

    def _running_tick_at_or_before(self, instant: datetime, zone: tzinfo) -> datetime | None:
        wall = wall_of(instant, zone)
        found = self._wall_at_or_before(wall)
        other = other_pass(instant, zone) if wall.fold else None
        if other is not None:
            # Second pass: before its first tick comes the last one of the first pass.
            start = transition_between(other, instant, zone)
            if found is not None and found >= wall_of(start, zone):
                return instants_of(found, zone)[-1]
            instant = start - TICK
            found = self._wall_at_or_before(wall_of(instant, zone))
        while found is not None:
            for tick in reversed(instants_of(found, zone)):
                if tick <= instant:
                    return tick
            found = self._wall_at_or_before(found - _MINUTE)
        return None

    def _wall_after(self, wall: datetime) -> datetime | None:
        """Return the first wall time of this rule after the minute of that one."""
        day = wall.date()
        if self._has_date(day):
            index = bisect_left(self.hours, wall.hour)
            if index < len(self.hours) and self.hours[index] == wall.hour:
                following = bisect_right(self.minutes, wall.minute)
                if following < len(self.minutes):
                    return _wall(day, wall.hour, self.minutes[following])
                index += 1
            if index < len(self.hours):
                return _wall(day, self.hours[index], self.minutes[0])
        found = self._date_at_or_after(day + _DAY)
        return None if found is None else _wall(found, self.hours[0], self.minutes[0])

    def _wall_at_or_before(self, wall: datetime) -> datetime | None:
        """Return the last wall time of this rule up to the minute of that one."""
        day = wall.date()
        if self._has_date(day):
            index = bisect_right(self.hours, wall.hour) - 1
            if index >= 0 and self.hours[index] == wall.hour:
                latest = bisect_right(self.minutes, wall.minute) - 1
                if latest >= 0:
                    return _wall(day, wall.hour, self.minutes[latest])
                index -= 1
            if index >= 0:
                return _wall(day, self.hours[index], self.minutes[-1])
        found = self._date_at_or_before(day - _DAY)
        return None if found is None else _wall(found, self.hours[-1], self.minutes[-1])

    def _has_date(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days_of_month and day.isoweekday() % 7 in self.days_of_week

    def _date_at_or_after(self, day: date) -> date | None:
        start_month, start_day = day.month, day.day
        for year in range(day.year, MAXYEAR + 1):
            for month in self.months[bisect_left(self.months, start_month) :]:
                days = self.days_of_month
                if month == start_month:
                    days = days[bisect_left(days, start_day) :]
                if found := self._day_of(year, month, days):
                    return date(year, month, found)
            start_month, start_day = 1, 1
        return None

    def _date_at_or_before(self, day: date) -> date | None:
        end_month, end_day = day.month, day.day
        for year in range(day.year, MINYEAR - 1, -1):
            for month in reversed(self.months[: bisect_right(self.months, end_month)]):
                days = self.days_of_month
                if month == end_month:
                    days = days[: bisect_right(days, end_day)]
                if found := self._day_of(year, month, reversed(days)):
                    return date(year, month, found)
            end_month, end_day = 12, 31
        return None

    def _day_of(self, year: int, month: int, days: Iterable[int]) -> int | None:
        """Return the first of these days that the month has, on a day of the week that fits."""
        length = 28 if month == 2 and not isleap(year) else _DAYS_IN_MONTH[month]
        day_before = date(year, month, 1).isoweekday() - 1
        for day in days:
            if day <= length and (day_before + day) % 7 in self.days_of_week:
                return day
        return None


def _wall(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall time has no zone
