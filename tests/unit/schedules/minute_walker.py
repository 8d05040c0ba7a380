"""An oracle: it walks through real time minute by minute, looks at the clock on the wall, and decides each time anew.

It shares no code and no idea with what it judges: no jumps, no wall times turned into instants, no binary search.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)

#: Month, day of the month, day of the week, hour.
Hour = tuple[int, int, int, int]

#: A minute: the instant, the wall time, whether it has been shown before, and what was skipped just before it.
Minute = tuple[datetime, datetime, bool, list[datetime]]


@dataclass(frozen=True)
class Fields:
    """What an entry names, as sets."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_week: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]

    def name(self, wall: datetime) -> bool:
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.day in self.days_of_month
            and wall.month in self.months
            and (wall.weekday() + 1) % 7 in self.days_of_week
        )


class Minutes:
    """A stretch of real time in a zone, minute by minute, or by steps of several minutes."""

    def __init__(self, zone: str, start: datetime, end: datetime, step: timedelta = MINUTE) -> None:
        self.start = start
        self.end = end
        there = ZoneInfo(zone)
        #: By day and hour, each minute that shows or skips such an hour.
        self._by_hour: dict[Hour, list[Minute]] = {}
        instant = start - timedelta(days=2)
        previous = furthest = (instant - step).astimezone(there).replace(tzinfo=None, fold=0)
        of_hour: list[Minute] = []
        while instant <= end:
            wall = instant.astimezone(there).replace(tzinfo=None, fold=0)
            expected = previous + step
            skipped = []
            while expected < wall:
                skipped.append(expected)
                expected += step
            if instant > start:
                minute = (instant, wall, wall <= furthest, skipped)
                for hour in set(map(_hour, skipped)) - {_hour(wall)} if skipped else ():
                    self._by_hour.setdefault(hour, []).append(minute)
                if wall.hour != previous.hour or not of_hour or expected != wall:
                    of_hour = self._by_hour.setdefault(_hour(wall), [])
                of_hour.append(minute)
            furthest = max(furthest, wall)
            previous = wall
            instant += step

    def ticks(self, fields: Fields) -> list[datetime]:
        """Return when an entry of these fields runs after ``start`` and up to ``end``."""
        return list(self._ticks(fields))

    def _ticks(self, fields: Fields) -> Iterator[datetime]:
        every_hour = fields.hours == frozenset(range(24))
        minutes = {
            minute[0]: minute
            for (month, day, day_of_week, hour), of_hour in self._by_hour.items()
            if hour in fields.hours
            if month in fields.months and day in fields.days_of_month and day_of_week in fields.days_of_week
            for minute in of_hour
        }
        for instant in sorted(minutes):
            _, wall, again, skipped = minutes[instant]
            if every_hour:
                runs = fields.name(wall)
            else:
                runs = (fields.name(wall) and not again) or any(map(fields.name, skipped))
            if runs:
                yield instant


def _hour(wall: datetime) -> Hour:
    return wall.month, wall.day, (wall.weekday() + 1) % 7, wall.hour


def transitions(zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Return the hours within which the clock is set."""
    there = ZoneInfo(zone)
    found = []
    instant = start
    while instant < end:
        following = instant + timedelta(hours=1)
        if instant.astimezone(there).utcoffset() != following.astimezone(there).utcoffset():
            found.append(instant)
        instant = following
    return found


def midnight(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)
