"""Schedules as one line of text, and back."""

from datetime import UTC, datetime, timedelta

import pytest

from celeriac.schedules import clocked, crontab, schedule
from celeriac.schedules.expressions import expression_of, schedule_from_expression

ZONE = "Europe/Berlin"


@pytest.mark.parametrize(
    ("kind", "text", "written", "meant"),
    [
        ("crontab", " 0 3  * * mon-fri ", "0 3 * * mon-fri", crontab(0, 3, "mon-fri", tz=ZONE)),
        ("every", "30", "30 seconds", schedule(30, tz=ZONE)),
        ("every", "30s", "30 seconds", schedule(30, tz=ZONE)),
        ("every", "10 Minutes", "10 minutes", schedule(600, tz=ZONE)),
        ("every", "1h 30m", "90 minutes", schedule(5400, tz=ZONE)),
        ("every", "1 hour, 30 minutes", "90 minutes", schedule(5400, tz=ZONE)),
        ("every", "1 day", "1 day", schedule(timedelta(days=1), tz=ZONE)),
        ("every", "2 weeks", "14 days", schedule(timedelta(days=14), tz=ZONE)),
        ("every", "0.25", "0.25 seconds", schedule(0.25, tz=ZONE)),
        ("clocked", "2026-12-24 18:00", "2026-12-24 18:00", clocked(datetime(2026, 12, 24, 17), tz=None)),
        ("clocked", "2026-12-24T18:00:30Z", "2026-12-24 19:00:30", clocked(datetime(2026, 12, 24, 18, 0, 30))),
    ],
)
def test_an_expression_is_read_and_written(kind, text, written, meant):
    found = schedule_from_expression(kind, text, ZONE)
    now = datetime(2026, 11, 27, tzinfo=UTC)
    assert found.next_after(now) == meant.next_after(now)
    assert expression_of(found) == (kind, written)
    assert schedule_from_expression(kind, written, ZONE) == found


def test_an_expression_by_the_sun_is_read_and_written():
    pytest.importorskip("ephem")
    found = schedule_from_expression("solar", "sunset 55.75, 37.62")
    assert expression_of(found) == ("solar", "sunset 55.75 37.62")


def test_of_a_time_that_a_clock_shows_twice_the_second_is_written_with_its_offset():
    again = schedule_from_expression("clocked", "2026-10-25 02:30+01:00", ZONE)
    assert expression_of(again).text == "2026-10-25 02:30:00+01:00"
    assert schedule_from_expression("clocked", "2026-10-25 02:30", ZONE).next_after(
        datetime(2026, 1, 1)
    ) == again.next_after(datetime(2026, 1, 1)) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("crontab", "0 3 * *", "has 4 fields; it needs five"),
        ("crontab", "@daily", "has 1 field; it needs five"),
        ("every", "", "write it as '30 seconds', '10 minutes' or '1 day'"),
        ("every", "0 minutes", "is no time at all: choose a longer one"),
        ("every", "10 minuts", "unknown unit 'minuts'; did you mean 'minutes'"),
        ("every", "10 fortnights", "there are seconds, minutes, hours, days and weeks"),
        ("every", "1 30 minutes", "has a number without its unit"),
        ("every", "9" * 40, "longer than a calendar can hold"),
        ("every", "1" * 60 + "!", "cannot be read"),  # without trying each way to split it
        ("solar", "sunset", "write the event, latitude and longitude"),
        ("clocked", "tomorrow", "write date and time as in '2026-12-24 18:00'"),
        ("weekly", "monday", "There is no kind 'weekly' of schedules; there are crontab, every, solar, clocked."),
    ],
)
def test_what_cannot_be_read_is_said_with_the_cure(kind, text, sentence):
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(").replace(".", r"\.")):
        schedule_from_expression(kind, text, ZONE)


def test_a_schedule_that_no_line_says_is_refused():
    with pytest.raises(ValueError, match="cannot be written as an expression"):
        expression_of(schedule(30, relative=True))
