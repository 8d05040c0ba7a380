"""Intervals: ticks that every node computes alike, ``relative``, Celery's protocol."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.schedules import crontab, maybe_schedule, schedule

patient = settings(deadline=None)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
INTERVALS = st.one_of(
    st.sampled_from([0.5, 1, 30, 60, 90, 3600, 5400, 7200, 86400, 86400 * 7, 100000]),
    st.floats(0.001, 1e7).map(lambda seconds: round(seconds, 3)),
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu"])


def test_ticks_lie_whole_intervals_from_the_anchor() -> None:
    entry = schedule(30, anchor=utc("2025-01-01 00:00:07"))
    assert list(entry.ticks(utc("2025-06-01"), utc("2025-06-01 00:01:10"))) == [
        utc("2025-06-01 00:00:07"),
        utc("2025-06-01 00:00:37"),
        utc("2025-06-01 00:01:07"),
    ]
    assert entry.next_after(utc("2024-06-01")) == utc("2024-06-01 00:00:07")


def test_without_an_anchor_they_lie_whole_intervals_from_1970() -> None:
    assert schedule(timedelta(hours=6)).next_after(utc("2025-06-01 05:00")) == utc("2025-06-01 06:00")


@patient
@given(INTERVALS, INSTANTS, INSTANTS)
def test_a_tick_is_the_same_from_wherever_one_looks(every: float, anchor: datetime, instant: datetime) -> None:
    entry = schedule(every, anchor=anchor)
    tick = entry.next_after(instant)
    assert tick is not None
    assert tick - entry.run_every <= instant < tick
    assert (tick - anchor) % entry.run_every == timedelta(0)
    assert entry.latest_at(instant) == tick - entry.run_every
    assert entry.latest_at(tick) == tick


@patient
@given(INTERVALS, st.booleans(), ZONES, INSTANTS, INSTANTS)
def test_the_next_tick_and_the_latest_one_are_neighbours(
    every: float, relative: bool, zone: str, anchor: datetime, instant: datetime
) -> None:
    entry = schedule(every, relative, anchor=anchor, tz=zone)
    latest, following = entry.latest_at(instant), entry.next_after(instant)
    assert latest is not None
    assert following is not None
    assert latest <= instant < following
    assert entry.next_after(latest) == following
    assert entry.latest_at(following) == following
    assert entry.latest_at(following - timedelta(microseconds=1)) == latest


def test_relative_rounds_to_the_unit_of_the_interval_on_the_clock_of_the_zone() -> None:
    anchor = utc("2025-01-01 10:07:13.5")
    hours = schedule(7200, relative=True, anchor=anchor, tz="Asia/Kathmandu")  # 15:52
    assert hours.next_after(anchor) == utc("2025-01-01 11:15")  # 17:00
    minutes = schedule(120, relative=True, anchor=anchor)
    assert minutes.next_after(anchor) == utc("2025-01-01 10:09")
    days = schedule(timedelta(days=2), relative=True, anchor=anchor, tz="Europe/Berlin")
    assert days.next_after(anchor) == utc("2025-01-02 23:00")


def test_relative_days_are_midnights_also_when_clocks_are_set() -> None:
    entry = schedule(timedelta(days=1), relative=True, tz="America/Havana")
    walls = [tick.astimezone(entry.tz) for tick in entry.ticks(utc("2024-03-08 12:00"), utc("2024-03-12 12:00"))]
    # On the 10th there is no midnight.
    assert [f"{wall:%d %H:%M}" for wall in walls] == ["09 00:00", "10 01:00", "11 00:00", "12 00:00"]


def test_it_is_due_when_an_interval_has_gone_by_since_the_last_run_as_in_celery() -> None:
    now = utc("2025-01-01 10:00:30")
    entry = schedule(30, nowfun=lambda: now)
    assert entry.is_due(utc("2025-01-01 10:00:00")) == (True, 30)
    assert entry.is_due(utc("2025-01-01 10:00:10")) == (False, 10)
    assert entry.remaining_estimate(utc("2025-01-01 09:59:50")) == timedelta(seconds=-10)


@pytest.mark.parametrize("every", [0, -1, timedelta(0)])
def test_an_interval_of_no_length_is_refused(every: object) -> None:
    with pytest.raises(ValueError, match="has to be longer than nothing"):
        schedule(every)


def test_equal_intervals_are_equal_also_to_a_timedelta() -> None:
    assert schedule(60) == schedule(timedelta(minutes=1)) == timedelta(minutes=1)
    assert hash(schedule(60)) == hash(timedelta(minutes=1))
    assert schedule(60) != schedule(61)
    assert schedule(60) != schedule(60, relative=True)
    assert schedule(60) != schedule(60, anchor=utc("2025-01-01 00:00:01"))


@pytest.mark.parametrize(
    ("every", "text"),
    [(0.5, "0.50 seconds"), (1, "1.00 second"), (90, "1.50 minutes"), (3600, "1.00 hour"), (129600, "1.50 days")],
)
def test_it_shows_itself_as_in_celery(every: float, text: str) -> None:
    assert repr(schedule(every)) == f"<freq: {text}>"


def test_numbers_and_timedeltas_become_intervals_and_schedules_are_bound_to_the_app() -> None:
    app = object()
    assert maybe_schedule(30) == schedule(30)
    assert maybe_schedule(timedelta(days=1), relative=True) == schedule(timedelta(days=1), relative=True)
    entry = crontab()
    assert maybe_schedule(entry, app=app) is entry
    assert entry.app is app
    assert maybe_schedule(None) is None


def test_what_is_no_schedule_is_refused_with_examples() -> None:
    with pytest.raises(TypeError, match="'daily' is no schedule: give seconds, a timedelta, or"):
        maybe_schedule("daily")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Asia/Kathmandu"])
def test_relative_days_and_hours_are_those_of_the_calendar(zone: str) -> None:
    year = utc("2018-01-01"), utc("2019-01-01")
    daily = schedule(timedelta(days=1), relative=True, tz=zone).ticks(*year)
    assert list(daily) == list(crontab(minute=0, hour=0, tz=zone).ticks(*year))
    hourly = schedule(timedelta(hours=1), relative=True, tz=zone).ticks(*year)
    assert list(hourly) == list(crontab(minute=0, tz=zone).ticks(*year))
