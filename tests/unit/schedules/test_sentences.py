"""Schedules in words for people."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from celeriac.schedules import BaseSchedule, clocked, crontab, schedule
from celeriac.schedules.sentences import ENGLISH, solar_sentence


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 * * * *", "every hour"),
        ("5 * * * *", "every hour at minute 5"),
        ("5,20,35,50 * * * *", "every hour at minutes 5, 20, 35 and 50"),
        ("*/7 * * * *", "every hour at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56"),
        ("0 */2 * * *", "every 2 hours from 00:00"),
        ("30 1-23/2 * * *", "every 2 hours from 01:30"),
        ("0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00"),
        ("0 3 * * *", "every day at 03:00"),
        ("0,30 9,17 * * *", "every day at 09:00, 09:30, 17:00 and 17:30"),
        ("0 3 * * mon-fri", "every weekday at 03:00"),
        ("0 3 * * sat,sun", "on Saturdays and Sundays at 03:00"),
        ("0 3 * * sun", "on Sundays at 03:00"),
        ("0 3 * * fri-mon", "every day from Friday to Monday at 03:00"),
        ("0 3 * * mon,wed,fri", "on Mondays, Wednesdays and Fridays at 03:00"),
        ("0 3 1 * *", "on day 1 of every month at 03:00"),
        ("0 3 1-7,15,20,21 * *", "on days 1 to 7, 15, 20 and 21 of every month at 03:00"),
        ("0 12 13 * fri", "on day 13 of every month if it is a Friday at 12:00"),
        ("0 9 1-7 * mon,tue", "on days 1 to 7 of every month if it is a Monday or Tuesday at 09:00"),
        ("0 0 29 2 *", "on day 29 of February at 00:00"),
        ("0 0 * dec-feb *", "every day in the months from December to February at 00:00"),
        ("0 0 1 11-1 *", "on day 1 of the months from November to January at 00:00"),
        ("0 0 1 3,12 *", "on day 1 of March and December at 00:00"),
        ("0 0 * 1,7 mon", "on Mondays in January and July at 00:00"),
        ("*/15 9-17 * * mon-fri", "every 15 minutes from 09:00 to 17:45, every weekday"),
        ("*/15 2 * * *", "every 15 minutes from 02:00 to 02:45"),
        ("* 9,12,15 * * *", "every minute, in the hours 09, 12 and 15"),
        ("10,20 0-12 * * *", "every hour at minutes 10 and 20 from 00:10 to 12:20"),
        ("0 9-17 * * *", "every hour from 09:00 to 17:00"),
    ],
)
def test_a_crontab_in_words(expression: str, sentence: str) -> None:
    assert crontab.from_string(expression).describe() == sentence


def test_the_zone_that_someone_has_chosen_is_told() -> None:
    assert crontab(0, 3, "1-5", tz="Europe/Moscow").describe() == "every weekday at 03:00 Europe/Moscow"
    app = SimpleNamespace(timezone=ZoneInfo("Europe/Berlin"))
    assert crontab(0, 3, app=app).describe() == "every day at 03:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("every", "relative", "sentence"),
    [
        (1, False, "every second"),
        (30, False, "every 30 seconds"),
        (0.5, False, "every 0.5 seconds"),
        (60, False, "every minute"),
        (90, False, "every 90 seconds"),
        (5400, False, "every 90 minutes"),
        (3600, False, "every hour"),
        (86400, False, "every day"),
        (timedelta(days=7), False, "every 7 days"),
        (7200, True, "every 2 hours on the hour"),
        (5400, True, "every hour on the hour"),
        (86400, True, "every day at midnight"),
        (120, True, "every 2 minutes on the minute"),
        (30, True, "every 30 seconds"),
    ],
)
def test_an_interval_in_words(every: float | timedelta, relative: bool, sentence: str) -> None:
    assert schedule(every, relative).describe() == sentence


def test_midnight_is_one_of_a_zone() -> None:
    assert schedule(86400, relative=True, tz="Europe/Moscow").describe() == "every day at midnight Europe/Moscow"


def test_a_single_run_in_words() -> None:
    entry = clocked(datetime(2025, 12, 24, 17, tzinfo=UTC), tz="Europe/Berlin")
    assert entry.describe() == "once, on 2025-12-24 at 18:00 Europe/Berlin"
    assert clocked(datetime(2025, 12, 24, 17, 0, 5)).describe() == "once, on 2025-12-24 at 17:00:05 UTC"


def test_an_event_of_the_sun_in_words() -> None:
    assert solar_sentence("dusk_civil", 59.9, -30, ENGLISH) == (
        "every day at civil dusk, seen from latitude 59.9, longitude -30"
    )


def test_a_class_of_ones_own_shows_itself() -> None:
    class Tides(BaseSchedule):
        def __repr__(self) -> str:
            return "<tides>"

    assert Tides().describe() == "<tides>"


PHRASES = {
    "{days} at {times}": "{days} в {times}",
    "{first} and {last}": "{first} и {last}",
    "{first} or {last}": "{first} или {last}",
    "every {number} minutes": "каждые {number} минут",
    "on {weekdays}": "по {weekdays}",
    "Mondays": "понедельникам",
    "Wednesdays": "средам",
    "every day from {first} to {last}": "каждый день с {first} по {last}",  # noqa: RUF001 - Russian
    "on day {days} of {months}": "{days} {months}",
    "{days} if it is a {weekdays}": "{days}, если это {weekdays}",
    ("from a day of the week", "Wednesday"): "среды",
    ("to a day of the week", "Friday"): "пятницу",
    ("if it is a day of the week", "Friday"): "пятница",
    ("of a month", "January"): "января",
    ("in a month", "January"): "январе",
    "{every} in {months}": "{every} в {months}",
}


class Russian:
    def gettext(self, message: str) -> str:
        return PHRASES.get(message, message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return PHRASES[plural if number > 1 else singular]

    def pgettext(self, context: str, message: str) -> str:
        return PHRASES.get((context, message), message)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("0 3 * * mon,wed", "по понедельникам и средам в 03:00"),
        ("0 3 * * wed-fri", "каждый день с среды по пятницу в 03:00"),  # noqa: RUF001 - Russian
        ("0 3 13 1 fri", "13 января, если это пятница в 03:00"),
        ("0 3 * 1 mon", "по понедельникам в январе в 03:00"),
        ("*/5 * * * *", "каждые 5 минут"),
    ],
)
def test_a_language_that_bends_names_can_say_it(expression: str, sentence: str) -> None:
    assert crontab.from_string(expression).describe(Russian()) == sentence


def test_djangos_translations_can_be_given() -> None:
    script = (
        "import django; from django.conf import settings; settings.configure(LANGUAGE_CODE='de'); django.setup()\n"
        "from django.utils import translation\n"
        "from celeriac.schedules import crontab, schedule\n"
        "print(crontab(0, 3, 'mon', month_of_year=5).describe(translation), schedule(20).describe(translation))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "on Mondays in May at 03:00 every 20 seconds\n"
