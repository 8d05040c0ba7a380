"""Crontabs: the nights on which clocks are set, rare days, Celery's protocol."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from celeriac.schedules import crontab

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def on_the_clock(entry: crontab, start: str, end: str) -> list[str]:
    """Return what the clock on the wall shows at the ticks between two times in UTC."""
    return [f"{tick.astimezone(entry.tz):%d %H:%M %Z}" for tick in entry.ticks(utc(start), utc(end))]


SPRING = ("2025-03-29 12:00", "2025-03-31 10:00")  # at two it is three
AUTUMN = ("2025-10-25 12:00", "2025-10-27 10:00")  # at three it is two


def test_a_time_that_the_night_does_not_have_runs_right_after_the_gap() -> None:
    entry = crontab(hour=2, minute=30, tz="Europe/Berlin")
    assert on_the_clock(entry, *SPRING) == ["30 03:00 CEST", "31 02:30 CEST"]


def test_several_times_in_one_gap_are_one_run() -> None:
    entry = crontab(hour="2,3", minute="0,20,40", tz="Europe/Berlin")
    assert on_the_clock(entry, *SPRING)[:4] == ["30 03:00 CEST", "30 03:20 CEST", "30 03:40 CEST", "31 02:00 CEST"]


def test_a_time_that_the_night_has_twice_runs_the_first_time() -> None:
    entry = crontab(hour=2, minute=30, tz="Europe/Berlin")
    assert on_the_clock(entry, *AUTUMN) == ["26 02:30 CEST", "27 02:30 CET"]


def test_from_within_the_second_pass_the_first_one_is_over() -> None:
    entry = crontab(hour=2, minute=30, tz="Europe/Berlin")
    second_pass = utc("2025-10-26 01:10")  # 02:10 CET
    assert entry.next_after(second_pass) == utc("2025-10-27 01:30")
    assert entry.latest_at(second_pass) == utc("2025-10-26 00:30")


def test_an_entry_for_every_hour_has_no_hole_and_no_double() -> None:
    entry = crontab(minute="*/15", tz="Europe/Berlin")
    for night in (SPRING, AUTUMN):
        ticks = list(entry.ticks(utc(night[0]), utc(night[1])))
        assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(minutes=15)}


def test_an_entry_for_every_hour_makes_up_for_nothing() -> None:
    entry = crontab(minute=30, tz="Europe/Berlin")
    assert on_the_clock(entry, "2025-03-30 00:00", "2025-03-30 02:00") == ["30 01:30 CET", "30 03:30 CEST"]


def test_a_day_that_a_country_has_left_out_is_made_up_for_at_its_end() -> None:
    entry = crontab(hour=12, minute=0, tz="Pacific/Apia")
    assert on_the_clock(entry, "2011-12-29 12:00", "2011-12-31 00:00") == [
        "29 12:00 -10",
        "31 00:00 +14",
        "31 12:00 +14",
    ]


def test_a_leap_day_is_found_years_away_in_both_directions() -> None:
    entry = crontab.from_string("0 0 29 2 *")
    assert entry.next_after(utc("2025-01-01")) == utc("2028-02-29")
    assert entry.latest_at(utc("2025-01-01")) == utc("2024-02-29")
    # 2100 is no leap year.
    assert entry.next_after(utc("2096-03-01")) == utc("2104-02-29")


def test_a_leap_day_on_a_monday_is_found_40_years_away() -> None:
    assert crontab.from_string("0 0 29 2 mon").next_after(utc("2072-03-01")) == utc("2112-02-29")


def test_day_of_month_and_day_of_week_both_have_to_fit() -> None:
    entry = crontab.from_string("0 12 13 * fri")
    assert list(entry.ticks(utc("2026-01-01"), utc("2027-01-01"))) == [
        utc(f"2026-{month}-13 12:00") for month in ("02", "03", "11")
    ]


def test_before_and_after_all_time_there_is_no_tick() -> None:
    entry = crontab(hour=3, minute=0, tz="Europe/Berlin")
    assert entry.next_after(datetime.max.replace(tzinfo=UTC)) is None
    assert entry.latest_at(datetime.min.replace(tzinfo=UTC)) is None
    assert crontab(tz="Europe/Berlin").next_after(datetime.max.replace(tzinfo=UTC)) is None
    assert crontab(tz="Europe/Berlin").latest_at(datetime.min.replace(tzinfo=UTC)) is None


def test_an_instant_is_a_tick_of_its_own_minute_only() -> None:
    entry = crontab(minute=5)
    assert entry.next_after(utc("2025-01-01 10:04:59.999999")) == utc("2025-01-01 10:05")
    assert entry.next_after(utc("2025-01-01 10:05")) == utc("2025-01-01 11:05")
    assert entry.latest_at(utc("2025-01-01 10:05")) == utc("2025-01-01 10:05")
    assert entry.latest_at(utc("2025-01-01 10:04:59.999999")) == utc("2025-01-01 09:05")


def test_an_instant_without_a_zone_is_utc_and_one_in_another_zone_is_converted() -> None:
    entry = crontab(hour=3, minute=0, tz="Europe/Moscow")
    for instant in (datetime(2025, 6, 1), datetime(2025, 6, 1, 2, tzinfo=BERLIN)):
        assert entry.next_after(instant) == utc("2025-06-02")
        assert entry.latest_at(instant) == utc("2025-06-01")


def test_the_zone_is_the_entrys_own_or_the_apps_or_utc() -> None:
    app = SimpleNamespace(timezone=BERLIN)
    assert crontab(app=app).tz == BERLIN
    assert crontab(app=app, tz="Europe/Moscow").tz == ZoneInfo("Europe/Moscow")
    assert crontab().tz == UTC


def test_a_zone_can_be_set_later_as_in_celery() -> None:
    entry = crontab(hour=3, minute=0)
    entry.tz = "Europe/Moscow"
    assert entry == crontab(hour=3, minute=0, tz="Europe/Moscow")


def test_a_zone_that_does_not_exist_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match=r"There is no time zone 'Europe/Berlyn'; write it as 'Europe/Berlin'\."):
        crontab(tz="Europe/Berlyn")


def test_a_fixed_offset_is_a_zone() -> None:
    entry = crontab(hour=3, minute=0, tz=timezone(timedelta(hours=-3, minutes=-30)))
    assert entry.next_after(utc("2025-06-01")) == utc("2025-06-01 06:30")


def at(now: str, **settings: object) -> dict[str, object]:
    """Return the arguments that make it that time, for an entry of an app with these settings."""
    conf = SimpleNamespace(**{"beat_cron_starting_deadline": None} | settings)
    return {"app": SimpleNamespace(timezone=UTC, conf=conf, now=lambda: utc(now))}


def test_it_is_due_when_there_was_a_tick_since_the_last_run() -> None:
    entry = crontab(minute=0, **at("2025-01-01 10:00:30"))
    assert entry.is_due(utc("2025-01-01 09:00")) == (True, 3570)
    assert entry.is_due(utc("2025-01-01 10:00")) == (False, 3570)
    assert entry.remaining_estimate(utc("2025-01-01 09:00")) == timedelta(seconds=-30)


def test_a_tick_older_than_the_deadline_is_not_due_any_more() -> None:
    late = crontab(hour=9, minute=0, **at("2025-01-01 10:00", beat_cron_starting_deadline=3599))
    assert late.is_due(utc("2024-12-31 09:00")) == (False, 23 * 3600)
    in_time = crontab(hour=9, minute=0, **at("2025-01-01 10:00", beat_cron_starting_deadline=3600))
    assert in_time.is_due(utc("2024-12-31 09:00")) == (True, 23 * 3600)


def test_entries_that_run_at_the_same_times_are_equal() -> None:
    assert crontab(minute="*/30") == crontab(minute={0, 30})
    assert hash(crontab(minute="*/30")) == hash(crontab(minute={0, 30}))
    assert crontab(minute="*/30") != crontab(minute="*/20")
    assert crontab(tz="Europe/Moscow") != crontab()
    assert crontab() != "* * * * *"


def test_it_shows_itself_as_in_celery() -> None:
    assert repr(crontab(minute="*/15", day_of_week=[1, 2])) == "<crontab: */15 * * * 1,2 (m/h/dM/MY/d)>"
    assert repr(crontab(0, 3, tz="Europe/Moscow")) == "<crontab: 0 3 * * * (m/h/dM/MY/d) Europe/Moscow>"
