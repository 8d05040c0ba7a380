"""Schedules by the sun."""

import importlib.util
import json
import os
import pickle
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from celeriac.schedules import schedule_from_dict, solar

EVENTS = (
    "dawn_astronomical",
    "dawn_nautical",
    "dawn_civil",
    "sunrise",
    "solar_noon",
    "sunset",
    "dusk_civil",
    "dusk_nautical",
    "dusk_astronomical",
)

if importlib.util.find_spec("ephem") is None:
    if os.environ.get("CI") == "true":
        pytest.fail("NO EPHEM: `make test` installs it")
    pytest.skip("NO EPHEM: `make test` installs it", allow_module_level=True)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_events_of_a_day_come_in_their_order() -> None:
    start = utc("2025-03-20 00:00")
    events = [solar(event, 51.48, 0).next_after(start) for event in EVENTS]
    assert events == sorted(events)
    assert events[-1] < start + timedelta(days=1)


@pytest.mark.parametrize(
    ("event", "latitude", "longitude", "day", "almanac"),
    [
        # Rounded to the minute, as almanacs are.
        ("sunrise", 51.5, -0.13, "2025-06-21", "2025-06-21 03:43"),
        ("sunset", 51.5, -0.13, "2025-06-21", "2025-06-21 20:21"),
        ("sunrise", 40.71, -74.01, "2025-12-21", "2025-12-21 12:16"),
        ("sunset", -33.87, 151.21, "2025-12-21", "2025-12-21 09:05"),
        ("solar_noon", 0, 0, "2025-11-03", "2025-11-03 11:44"),
    ],
)
def test_the_sun_is_where_the_almanac_has_it(
    event: str, latitude: float, longitude: float, day: str, almanac: str
) -> None:
    tick = solar(event, latitude, longitude).next_after(utc(day))
    assert tick is not None
    assert abs(tick - utc(almanac)) < timedelta(seconds=91)


@pytest.mark.parametrize("event", EVENTS)
def test_a_tick_is_the_same_from_wherever_one_looks(event: str) -> None:
    entry = solar(event, 48.2, 151.7)
    start = utc("2025-03-01")
    ticks = list(entry.ticks(start, start + timedelta(days=60)))
    assert len(ticks) in {59, 60, 61}
    for earlier, later in pairwise(ticks):
        for part in (0, 0.001, 0.3, 0.7, 0.999):
            instant = earlier + (later - earlier) * part
            assert entry.next_after(instant) == later
            assert entry.latest_at(instant) == earlier


def test_days_without_the_event_are_left_out() -> None:
    tromso = solar("sunset", 69.65, 18.96)
    midsummer = utc("2025-06-21")
    before, after = tromso.latest_at(midsummer), tromso.next_after(midsummer)
    assert before is not None
    assert after is not None
    assert before < utc("2025-05-20") < utc("2025-07-25") < after


def test_where_there_never_is_such_an_event_there_is_no_tick() -> None:
    entry = solar("sunset", 90, 0, nowfun=lambda: utc("2025-06-21"))
    assert entry.next_after(utc("2025-06-21")) is None
    assert entry.latest_at(utc("2025-06-21")) is None
    assert entry.is_due(utc("2025-06-20")) == (False, None)
    assert entry.remaining_estimate(utc("2025-06-20")) == timedelta.max


def test_it_is_due_when_the_event_has_been_since_the_last_run() -> None:
    entry = solar("solar_noon", 0, 0, nowfun=lambda: utc("2025-11-03 12:00"))
    due, seconds = entry.is_due(utc("2025-11-02 12:00"))
    assert due
    assert seconds == pytest.approx(86400 - 16 * 60, abs=60)
    assert not entry.is_due(utc("2025-11-03 11:50")).is_due


def test_its_plain_form_and_its_pickle_are_equal_schedules() -> None:
    entry = solar("sunset", 59.9, 30.3, tz="Europe/Moscow")
    plain = {"type": "solar", "event": "sunset", "lat": 59.9, "lon": 30.3, "tz": "Europe/Moscow"}
    assert entry.to_dict() == plain
    assert schedule_from_dict(json.loads(json.dumps(plain))) == entry
    assert pickle.loads(pickle.dumps(entry)) == entry
    assert hash(schedule_from_dict(plain)) == hash(entry)
    assert entry != solar("sunrise", 59.9, 30.3, tz="Europe/Moscow")


def test_it_shows_itself_as_in_celery() -> None:
    assert repr(solar("sunset", 59.9, 30.3)) == "<solar: sunset at latitude 59.9, longitude: 30.3>"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("moonrise", 0, 0), "The sun has no event 'moonrise'; it has dawn_astronomical, .*, dusk_astronomical."),
        (("sunset", 91, 0), "There is no latitude 91; they go from -90 to 90."),
        (("sunset", 0, -181), "There is no longitude -181; they go from -180 to 180."),
    ],
)
def test_an_event_or_a_place_that_does_not_exist_is_refused(arguments: tuple[str, float, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        solar(*arguments)
