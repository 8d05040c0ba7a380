"""A crontab ticks exactly when an oracle says that walks through the year minute by minute."""

import random
from datetime import datetime, timedelta
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.schedules import crontab
from tests.unit.schedules.minute_walker import Fields, Minutes, midnight, transitions

patient = settings(deadline=None)

#: A zone and a year for each kind of strangeness.
YEARS = {
    "UTC": 2024,  # a leap year, and nothing else
    "Europe/Moscow": 2014,  # the clock was set back, not for a summer
    "Europe/Berlin": 2025,
    "Europe/Dublin": 2025,  # winter is the exception there
    "America/New_York": 2026,
    "America/Havana": 2024,  # from 24:00 to 1:00, and from 1:00 to 0:00
    "America/St_Johns": 2010,  # at one minute past midnight, and back into the day before
    "America/Sao_Paulo": 2018,  # no midnight
    "Asia/Kathmandu": 2025,  # 5:45
    "Africa/Casablanca": 2025,  # for Ramadan
    "Australia/Lord_Howe": 2025,  # by half an hour
    "Pacific/Chatham": 2025,  # 12:45, at a quarter to three
    "Pacific/Apia": 2011,  # no 30 December
}

#: Minutes are multiples of five.
EXPRESSIONS = [
    "30 2 * * *",
    "0 0 * * *",
    "5 */2 * * *",
    "0,30 0-4 * * mon-fri",
    "55 23 28-31 * *",
    "15 1 1,15 * *",
    "0 12 13 * fri",
    "0 3 29 2 *",
    "30 0,1,23 * 3,10,11,12 *",
    "20 * * * *",
    "*/15 * */7 * *",
    "5 * 25-31 3,9,10,11 sun",
]

EVERYTHING = {
    "minutes": range(60),
    "hours": range(24),
    "days_of_week": range(7),
    "days_of_month": range(1, 32),
    "months": range(1, 13),
}


@lru_cache(maxsize=1)
def year_of(zone: str) -> Minutes:
    # Clocks are set at multiples of five minutes but for one, and the entries below name no other minutes.
    step = timedelta(minutes=1 if zone == "America/St_Johns" else 5)
    return Minutes(zone, midnight(YEARS[zone]), midnight(YEARS[zone] + 1), step)


@lru_cache(maxsize=64)
def nights_of(zone: str) -> list[Minutes]:
    """Return the hours around each change of the clock in the year."""
    year = YEARS[zone]
    hours = timedelta(hours=8)
    return [
        Minutes(zone, change - hours, change + hours)
        for change in transitions(zone, midnight(year), midnight(year + 1)) or [midnight(year, 6)]
    ]


def fields_of(entry: crontab) -> Fields:
    return Fields(
        minutes=entry.minute,
        hours=entry.hour,
        days_of_week=entry.day_of_week,
        days_of_month=entry.day_of_month,
        months=entry.month_of_year,
    )


def entry_of(fields: Fields, zone: str) -> crontab:
    return crontab(fields.minutes, fields.hours, fields.days_of_week, fields.days_of_month, fields.months, tz=zone)


def ticked_backwards(entry: crontab, minutes: Minutes) -> list[datetime]:
    found = []
    tick = entry.latest_at(minutes.end)
    while tick is not None and tick > minutes.start:
        found.append(tick)
        tick = entry.latest_at(tick - timedelta(microseconds=1))
    return found[::-1]


@pytest.mark.parametrize("zone", YEARS)
def test_a_year_of_ticks_is_what_the_walker_finds_forwards_and_backwards(zone: str) -> None:
    minutes = year_of(zone)
    for expression in EXPRESSIONS:
        entry = crontab.from_string(expression, tz=zone)
        expected = minutes.ticks(fields_of(entry))
        assert list(entry.ticks(minutes.start, minutes.end)) == expected, expression
        assert ticked_backwards(entry, minutes) == expected, expression


def numbers(of: range) -> st.SearchStrategy[frozenset[int]]:
    """Mostly few numbers, often all, sometimes each n-th."""
    return st.one_of(
        st.just(frozenset(of)),
        st.frozensets(st.sampled_from(of), min_size=1, max_size=4),
        st.builds(lambda step: frozenset(of[::step]), st.integers(2, 8)),
    )


ENTRIES = st.builds(
    Fields,
    minutes=numbers(EVERYTHING["minutes"]),
    hours=numbers(EVERYTHING["hours"]),
    days_of_week=numbers(EVERYTHING["days_of_week"]),
    days_of_month=st.one_of(st.just(frozenset(range(1, 32))), numbers(range(1, 29))),
    months=st.just(frozenset(range(1, 13))),
)


@patient
@given(ENTRIES, st.sampled_from(sorted(YEARS)))
def test_any_entry_ticks_rightly_around_each_change_of_the_clock(fields: Fields, zone: str) -> None:
    entry = entry_of(fields, zone)
    for minutes in nights_of(zone):
        expected = minutes.ticks(fields)
        assert list(entry.ticks(minutes.start, minutes.end)) == expected
        assert ticked_backwards(entry, minutes) == expected


@patient
@given(ENTRIES, st.sampled_from(sorted(YEARS)), st.randoms(use_true_random=False))
def test_from_any_instant_the_next_tick_and_the_latest_one_are_neighbours(
    fields: Fields, zone: str, chance: random.Random
) -> None:
    entry = entry_of(fields, zone)
    for minutes in nights_of(zone):
        seconds = int((minutes.end - minutes.start).total_seconds())
        instant = minutes.start + timedelta(seconds=chance.randrange(seconds), microseconds=chance.choice((0, 1, 999)))
        expected = minutes.ticks(fields)
        later = [tick for tick in expected if tick > instant]
        if later:
            assert entry.next_after(instant) == later[0]
        earlier = [tick for tick in expected if tick <= instant]
        if earlier:
            assert entry.latest_at(instant) == earlier[-1]
