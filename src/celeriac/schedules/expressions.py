"""Schedules as people write them into one line: a kind, and an expression of that kind.

| Kind | Expressions |
| --- | --- |
| ``crontab`` | ``0 3 * * mon-fri``: minute, hour, day of the month, month, day of the week |
| ``every`` | ``30``, ``30s``, ``10 minutes``, ``1 hour 30 minutes``, ``1 day`` |
| ``solar`` | ``sunset 55.75 37.62``: an event, latitude and longitude |
| ``clocked`` | ``2026-12-24 18:00``, on the clock of the schedule's zone, or ``2026-12-24 18:00+01:00`` |
"""

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Literal, NamedTuple, get_args

from celeriac.schedules.clocked_schedule import clocked
from celeriac.schedules.crontab_schedule import crontab
from celeriac.schedules.interval_schedule import schedule
from celeriac.schedules.solar_schedule import solar
from celeriac.schedules.tick_schedule import TickSchedule
from celeriac.schedules.zones import first_instant, wall_of

__all__ = ["KINDS", "Expression", "Kind", "expression_of", "schedule_from_expression"]

Kind = Literal["crontab", "every", "solar", "clocked"]

KINDS: tuple[Kind, ...] = get_args(Kind)

#: Seconds, by the unit's name and its short forms. The first name of each size is the one that is written.
_UNITS: Mapping[str, int] = {
    **dict.fromkeys(("week", "w"), 604800),
    **dict.fromkeys(("day", "d"), 86400),
    **dict.fromkeys(("hour", "h", "hr"), 3600),
    **dict.fromkeys(("minute", "m", "min"), 60),
    **dict.fromkeys(("second", "s", "sec"), 1),
}
#: Units that an interval is written in: weeks only confuse.
_WRITTEN = ("day", "hour", "minute")

#: Seconds: what a schedule can tell from nothing.
_SHORTEST = 0.000001

_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)", re.IGNORECASE)


class Expression(NamedTuple):
    """A schedule in one line."""

    kind: Kind
    text: str


def schedule_from_expression(kind: str, text: str, tz: str | tzinfo | None = None) -> TickSchedule:
    """Return the schedule that is meant; ``tz`` is its zone.

    Raises ``ValueError``, with one sentence, for what cannot be read, and ``ImproperlyConfigured`` for an expression by
    the sun where the library for it is missing.
    """
    read = _READERS.get(kind)
    if read is None:
        raise ValueError(f"There is no kind {kind!r} of schedules; there are {', '.join(KINDS)}.")
    return read(" ".join(text.split()), tz)


def expression_of(when: TickSchedule) -> Expression:
    """Return the expression that means this schedule, in its zone; ``ValueError`` says that there is none."""
    if isinstance(when, crontab):
        return Expression("crontab", when.expression)
    if isinstance(when, solar):
        return Expression("solar", f"{when.event} {when.lat} {when.lon}")
    if isinstance(when, clocked):
        return Expression("clocked", _wall_text(when))
    if isinstance(when, schedule) and not when.relative and when.anchor is None:
        return Expression("every", _interval_text(when.run_every))
    raise ValueError(f"The schedule {when!r} cannot be written as an expression.")


def _crontab(text: str, tz: str | tzinfo | None) -> TickSchedule:
    return crontab.from_string(text, tz=tz)


def _every(text: str, tz: str | tzinfo | None) -> TickSchedule:
    if not text or _PART.sub("", text).strip(" ,"):
        raise ValueError(f"The interval {text!r} cannot be read: write it as '30 seconds', '10 minutes' or '1 day'.")
    parts = [(float(part["number"]), part["unit"].lower()) for part in _PART.finditer(text)]
    if len(parts) > 1 and not all(unit for _, unit in parts):
        raise ValueError(f"The interval {text!r} has a number without its unit: write it as '1 hour 30 minutes'.")
    seconds = sum(number * _seconds_of(unit, text) for number, unit in parts)
    if seconds < _SHORTEST:
        raise ValueError(f"The interval {text!r} is no time at all: choose a longer one.")
    try:
        return schedule(timedelta(seconds=seconds), tz=tz)
    except OverflowError as error:
        raise ValueError(f"The interval {text!r} is longer than a calendar can hold: choose a shorter one.") from error


def _seconds_of(unit: str, text: str) -> int:
    if not unit:
        return 1
    seconds = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if seconds is None:
        near = difflib.get_close_matches(unit, [f"{name}s" for name in _UNITS if len(name) > 3], n=1)
        cure = f"did you mean {near[0]!r}?" if near else "there are seconds, minutes, hours, days and weeks."
        raise ValueError(f"The interval {text!r} has an unknown unit {unit!r}; {cure}")
    return seconds


def _solar(text: str, tz: str | tzinfo | None) -> TickSchedule:
    words = text.replace(",", " ").split()
    try:
        event, latitude, longitude = words[0], float(words[1]), float(words[2])
    except (IndexError, ValueError):
        words = []
    if len(words) != 3:
        raise ValueError(
            f"The event of the sun {text!r} cannot be read: write the event, latitude and longitude, as in "
            "'sunset 55.75 37.62'."
        )
    return solar(event, latitude, longitude, tz=tz)


def _clocked(text: str, tz: str | tzinfo | None) -> TickSchedule:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"The moment {text!r} cannot be read: write date and time as in '2026-12-24 18:00', with an offset if you "
            "want one: '2026-12-24 18:00+01:00'."
        ) from None
    return clocked(moment, tz=tz)


_READERS: Mapping[str, Callable[[str, str | tzinfo | None], TickSchedule]] = {
    "crontab": _crontab,
    "every": _every,
    "solar": _solar,
    "clocked": _clocked,
}


def _interval_text(interval: timedelta) -> str:
    for unit in _WRITTEN:
        number, rest = divmod(interval, timedelta(seconds=_UNITS[unit]))
        if number and not rest:
            return f"{number} {unit}" + ("" if number == 1 else "s")
    seconds = f"{interval.total_seconds():.6f}".rstrip("0").rstrip(".")
    return f"{seconds} second" + ("" if seconds == "1" else "s")


def _wall_text(when: clocked) -> str:
    """Return what the clock shows at that moment, with its offset if it shows the same once more before."""
    wall = wall_of(when.clocked_time, when.tz)
    if first_instant(wall, when.tz) != when.clocked_time:
        return when.clocked_time.astimezone(when.tz).isoformat(" ")
    text = wall.isoformat(" ")
    return text if wall.second or wall.microsecond else text.removesuffix(":00")
