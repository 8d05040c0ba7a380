"""Schedules in words for people: "every weekday at 03:00 Europe/Moscow".

Each sentence is put together from whole phrases, which ``words`` may translate: any object with ``gettext``,
``ngettext`` and ``pgettext``, such as Django's ``django.utils.translation``, or one of the standard library's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from gettext import NullTranslations

from celeriac.schedules.calendar_names import (
    Words,
    months_from,
    months_in,
    months_of,
    months_to,
    weekdays_from,
    weekdays_if,
    weekdays_on,
    weekdays_to,
)
from celeriac.schedules.calendar_rule import CalendarRule

__all__ = [
    "ENGLISH",
    "Words",
    "bounded_sentence",
    "calendar_sentence",
    "interval_sentence",
    "one_off_sentence",
    "solar_sentence",
]


#: Leaves everything as it is.
ENGLISH: Words = NullTranslations()

_WORKING_DAYS = (1, 2, 3, 4, 5)
#: More times of day than this are told as an interval or by their minutes and hours.
_MOST_TIMES = 6


def interval_sentence(period: timedelta, words: Words, *, relative: bool, zone: tzinfo | None) -> str:
    """Return the words for an interval, as "every 90 seconds"."""
    minutes = period / timedelta(minutes=1)
    days = period // timedelta(days=1)
    if period == timedelta(days=days):
        every = words.ngettext("every day", "every {number} days", days).format(number=days)
        at = words.gettext("{every} at midnight")
    elif minutes % 60 == 0:
        hours = int(minutes // 60)
        every = words.ngettext("every hour", "every {number} hours", hours).format(number=hours)
        at = words.gettext("{every} on the hour")
    elif minutes.is_integer():
        every = words.ngettext("every minute", "every {number} minutes", int(minutes)).format(number=int(minutes))
        at = words.gettext("{every} on the minute")
    else:
        seconds = period.total_seconds()
        number = f"{seconds:.6f}".rstrip("0").rstrip(".")
        every = words.ngettext("every second", "every {number} seconds", 1 if seconds == 1 else 2).format(number=number)
        at = "{every}"
    return _with_zone(at.format(every=every) if relative else every, zone)


def one_off_sentence(instant: datetime, zone: tzinfo, words: Words) -> str:
    """Return the words for a single run."""
    wall = instant.astimezone(zone)
    time = f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
    return words.gettext("once, on {date} at {time} {zone}").format(date=f"{wall:%Y-%m-%d}", time=time, zone=zone)


def bounded_sentence(sentence: str, bounds: tuple[datetime | None, datetime | None], zone: tzinfo, words: Words) -> str:
    """Return the words for a schedule that has a start, an end, or both."""
    start, end = (None if bound is None else f"{bound.astimezone(zone):%Y-%m-%d %H:%M} {zone}" for bound in bounds)
    if start is not None and end is not None:
        return words.gettext("{schedule}, from {start} to {end}").format(schedule=sentence, start=start, end=end)
    if start is not None:
        return words.gettext("{schedule}, from {start} on").format(schedule=sentence, start=start)
    if end is not None:
        return words.gettext("{schedule}, until {end}").format(schedule=sentence, end=end)
    return sentence


def solar_sentence(event: str, latitude: float, longitude: float, words: Words) -> str:
    """Return the words for an event of the sun."""
    names = {
        "dawn_astronomical": words.gettext("astronomical dawn"),
        "dawn_nautical": words.gettext("nautical dawn"),
        "dawn_civil": words.gettext("civil dawn"),
        "sunrise": words.gettext("sunrise"),
        "solar_noon": words.gettext("solar noon"),
        "sunset": words.gettext("sunset"),
        "dusk_civil": words.gettext("civil dusk"),
        "dusk_nautical": words.gettext("nautical dusk"),
        "dusk_astronomical": words.gettext("astronomical dusk"),
    }
    return words.gettext("every day at {event}, seen from latitude {latitude}, longitude {longitude}").format(
        event=names[event], latitude=latitude, longitude=longitude
    )


def calendar_sentence(rule: CalendarRule, zone: tzinfo | None, words: Words) -> str:
    """Return the words for a crontab entry."""
    times = _times(rule, words)
    if times is not None:
        sentence = words.gettext("{days} at {times}").format(days=_days(rule, words), times=times)
    elif _is_every_day(rule):
        sentence = _often(rule, words)
    else:
        sentence = words.gettext("{often}, {days}").format(often=_often(rule, words), days=_days(rule, words))
    return _with_zone(sentence, zone)


def _times(rule: CalendarRule, words: Words) -> str | None:
    """Return the times of day if they are few, None for those that are better told as an interval."""
    if len(rule.minutes) * len(rule.hours) > _MOST_TIMES or (len(rule.hours) == 1 and len(rule.minutes) > 3):
        return None
    return _listed([_clock(hour, minute) for hour in rule.hours for minute in rule.minutes], words)


def _often(rule: CalendarRule, words: Words) -> str:
    """Return how often it runs on its days, and within which hours."""
    minute_step = _stride(rule.minutes, 60) if rule.minutes[0] == 0 else None
    if minute_step:
        often = words.ngettext("every minute", "every {number} minutes", minute_step).format(number=minute_step)
        return _within(often, rule, words)
    hour_step = _stride(rule.hours, 24) or 1
    if len(rule.minutes) == 1 and hour_step > 1:
        often = words.ngettext("every hour", "every {number} hours", hour_step).format(number=hour_step)
        start = _clock(rule.hours[0], rule.minutes[0])
        return words.gettext("{often} from {start}").format(often=often, start=start)
    if rule.minutes == (0,):
        return _within(words.gettext("every hour"), rule, words)
    minutes = _listed([str(minute) for minute in rule.minutes], words)
    often = words.ngettext(
        "every hour at minute {minutes}", "every hour at minutes {minutes}", len(rule.minutes)
    ).format(minutes=minutes)
    return _within(often, rule, words)


def _within(often: str, rule: CalendarRule, words: Words) -> str:
    """Add the hours, if they are not all."""
    if rule.every_hour:
        return often
    if rule.hours[-1] - rule.hours[0] == len(rule.hours) - 1:
        return words.gettext("{often} from {start} to {end}").format(
            often=often, start=_clock(rule.hours[0], rule.minutes[0]), end=_clock(rule.hours[-1], rule.minutes[-1])
        )
    hours = _listed([f"{hour:02}" for hour in rule.hours], words)
    return words.gettext("{often}, in the hours {hours}").format(often=often, hours=hours)


def _days(rule: CalendarRule, words: Words) -> str:
    """Return the days, and the months if they are not all."""
    some_months = len(rule.months) < 12
    if len(rule.days_of_month) == 31:
        every = _weekdays(rule, words)
        if not some_months:
            return every
        return words.gettext("{every} in {months}").format(every=every, months=_months_in(rule, words))
    numbers = _ranges(rule.days_of_month, words)
    many = len(rule.days_of_month)
    if some_months:
        days = words.ngettext("on day {days} of {months}", "on days {days} of {months}", many).format(
            days=numbers, months=_months_of(rule, words)
        )
    else:
        days = words.ngettext("on day {days} of every month", "on days {days} of every month", many).format(
            days=numbers
        )
    if len(rule.days_of_week) == 7:
        return days
    names = weekdays_if(words)
    weekdays = _listed([names[day] for day in _from_monday(rule.days_of_week)], words, either=True)
    return words.gettext("{days} if it is a {weekdays}").format(days=days, weekdays=weekdays)


def _weekdays(rule: CalendarRule, words: Words) -> str:
    days = rule.days_of_week
    if len(days) == 7:
        return words.gettext("every day")
    if days == _WORKING_DAYS:
        return words.gettext("every weekday")
    if (ends := _ends_of_run(days, 7)) is not None:
        first, last = ends
        return words.gettext("every day from {first} to {last}").format(
            first=weekdays_from(words)[first], last=weekdays_to(words)[last]
        )
    names = weekdays_on(words)
    return words.gettext("on {weekdays}").format(weekdays=_listed([names[day] for day in _from_monday(days)], words))


def _months_in(rule: CalendarRule, words: Words) -> str:
    if (ends := _ends_of_run(rule.months, 12)) is not None:
        return _month_range(words.pgettext("in months", "the months from {first} to {last}"), ends, words)
    names = months_in(words)
    return _listed([names[month - 1] for month in rule.months], words)


def _months_of(rule: CalendarRule, words: Words) -> str:
    if (ends := _ends_of_run(rule.months, 12)) is not None:
        return _month_range(words.pgettext("of months", "the months from {first} to {last}"), ends, words)
    names = months_of(words)
    return _listed([names[month - 1] for month in rule.months], words)


def _month_range(phrase: str, ends: tuple[int, int], words: Words) -> str:
    return phrase.format(first=months_from(words)[ends[0] - 1], last=months_to(words)[ends[1] - 1])


def _is_every_day(rule: CalendarRule) -> bool:
    return len(rule.days_of_week) == 7 and len(rule.days_of_month) == 31 and len(rule.months) == 12


def _stride(numbers: Sequence[int], count: int) -> int | None:
    """Return the step by which the numbers go round without a break, None if they do not."""
    step = count // len(numbers)
    if len(numbers) < 2 or count % len(numbers):
        return None
    return step if tuple(numbers) == tuple(range(numbers[0], count, step)) and numbers[0] < step else None


def _ends_of_run(numbers: tuple[int, ...], count: int) -> tuple[int, int] | None:
    """Return the first and the last number if there are three or more in one run, which may go past the end."""
    present = set(numbers)
    # In a circle of this many, 12 is followed by 1 and 6 by 0.
    starts = [number for number in numbers if not present & {number - 1, number - 1 + count}]
    ends = [number for number in numbers if not present & {number + 1, number + 1 - count}]
    return (starts[0], ends[0]) if len(starts) == 1 and len(numbers) > 2 else None


def _ranges(numbers: tuple[int, ...], words: Words) -> str:
    """Return numbers with runs of three and more taken together: "1 to 7 and 15"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts: list[str] = []
    for run in runs:
        if len(run) > 2:
            parts.append(words.gettext("{first} to {last}").format(first=run[0], last=run[-1]))
        else:
            parts += [str(number) for number in run]
    return _listed(parts, words)


def _listed(parts: Sequence[str], words: Words, *, either: bool = False) -> str:
    *rest, last = parts
    if not rest:
        return last
    pair = words.gettext("{first} or {last}") if either else words.gettext("{first} and {last}")
    return pair.format(first=", ".join(rest), last=last)


def _from_monday(days: Sequence[int]) -> list[int]:
    return sorted(days, key=lambda day: (day - 1) % 7)


def _clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"


def _with_zone(sentence: str, zone: tzinfo | None) -> str:
    return sentence if zone is None else f"{sentence} {zone}"
