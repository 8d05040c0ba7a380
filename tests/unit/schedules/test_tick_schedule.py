"""What all schedules have in common: plain form, pickles, copies, and classes of one's own."""

import copy
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.schedules import (
    BaseSchedule,
    TickSchedule,
    clocked,
    crontab,
    schedstate,
    schedule,
    schedule_from_dict,
)

patient = settings(deadline=None)

SCHEDULES = [
    (crontab.from_string("*/15 3 * * mon-fri"), {"type": "crontab", "expression": "*/15 3 * * mon-fri"}),
    (crontab({30, 5}, 3, tz="Europe/Moscow"), {"type": "crontab", "expression": "5,30 3 * * *", "tz": "Europe/Moscow"}),
    (crontab(tz=timezone(timedelta(hours=-3.5))), {"type": "crontab", "expression": "* * * * *", "tz": "UTC-03:30"}),
    (crontab(tz=UTC), {"type": "crontab", "expression": "* * * * *", "tz": "UTC"}),
    (schedule(30), {"type": "interval", "every": 30}),
    (schedule(0.25), {"type": "interval", "every": 0.25}),
    (
        schedule(timedelta(days=1), relative=True, tz="Europe/Moscow", anchor=datetime(2025, 1, 1, tzinfo=UTC)),
        {
            "type": "interval",
            "every": 86400,
            "relative": True,
            "anchor": "2025-01-01T00:00:00+00:00",
            "tz": "Europe/Moscow",
        },
    ),
    (
        clocked(datetime(2025, 12, 24, 18, tzinfo=UTC), tz="Europe/Berlin"),
        {"type": "clocked", "time": "2025-12-24T18:00:00+00:00", "tz": "Europe/Berlin"},
    ),
]

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def now() -> datetime:
    return NOW


@pytest.mark.parametrize(("entry", "plain"), SCHEDULES, ids=str)
def test_the_plain_form_is_json_and_gives_an_equal_schedule(entry: TickSchedule, plain: dict[str, object]) -> None:
    assert entry.to_dict() == plain
    again = schedule_from_dict(json.loads(json.dumps(plain)))
    assert again == entry
    assert hash(again) == hash(entry)
    assert again.next_after(NOW) == entry.next_after(NOW)


@pytest.mark.parametrize(("entry", "plain"), SCHEDULES, ids=str)
def test_a_pickle_or_a_copy_is_an_equal_schedule(entry: TickSchedule, plain: dict[str, object]) -> None:
    for again in (pickle.loads(pickle.dumps(entry)), copy.copy(entry), copy.deepcopy(entry)):
        assert again == entry
        assert again.to_dict() == plain
        assert again.next_after(NOW) == entry.next_after(NOW)


@patient
@given(st.floats(1e-6, 1e9))
def test_an_interval_survives_its_plain_form_to_the_microsecond(every: float) -> None:
    entry = schedule(every)
    assert schedule_from_dict(entry.to_dict()).run_every == entry.run_every


def test_a_pickle_keeps_nowfun_and_leaves_the_app_behind() -> None:
    again = pickle.loads(pickle.dumps(crontab(nowfun=now, app=lambda: "no app that could be pickled")))
    assert again.now() == NOW
    assert again.app is None


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        (
            {"type": "lunar"},
            "There is no schedule of type 'lunar'; there are bounded, clocked, crontab, interval, solar.",
        ),
        ({}, "There is no schedule of type None; there are bounded, clocked, crontab, interval, solar."),
        (
            {"type": "crontab"},
            "A schedule of type 'crontab' needs 'expression'; this one has none: {'type': 'crontab'}.",
        ),
    ],
)
def test_what_is_no_plain_form_is_told(plain: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        schedule_from_dict(plain)
    assert str(raised.value) == sentence


class Nameless(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)


def test_a_zone_without_a_name_has_no_plain_form() -> None:
    with pytest.raises(ValueError, match="has no name to find it by again"):
        crontab(tz=Nameless()).to_dict()


class Pytz(Nameless):
    zone = "Europe/Moscow"


def test_a_zone_of_pytz_becomes_pythons_own() -> None:
    assert crontab(tz=Pytz()) == crontab(tz="Europe/Moscow")


class EachPowerOfTwo(TickSchedule):
    """At 1, 2, 4, 8 and so on seconds after 1970."""

    def next_after(self, instant: datetime) -> datetime:
        return datetime.fromtimestamp(2 ** (int(instant.timestamp()).bit_length()), UTC)


def test_a_class_of_ones_own_needs_to_say_only_when_it_ticks_next() -> None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    entry = EachPowerOfTwo(nowfun=lambda: start + timedelta(seconds=5))
    assert [tick.timestamp() for tick in entry.ticks(start, start + timedelta(seconds=8))] == [1, 2, 4, 8]
    assert entry.is_due(start + timedelta(seconds=2)) == (True, 3)
    assert entry.is_due(start + timedelta(seconds=4)) == (False, 3)


class Never(crontab):
    def is_due(self, last_run_at: datetime) -> schedstate:
        return schedstate(False, 60)


@pytest.mark.parametrize("entry", [EachPowerOfTwo(), Never(), BaseSchedule()], ids=str)
def test_a_class_of_ones_own_has_no_plain_form(entry: BaseSchedule) -> None:
    with pytest.raises(ValueError, match=f"of class {type(entry).__name__} has no plain form; pickle it instead"):
        entry.to_dict()


def test_a_class_of_ones_own_is_not_equal_to_its_parent() -> None:
    assert Never() != crontab()
    assert crontab() != Never()
    assert Never() == Never()


class Overslept(crontab):
    """Ten seconds late."""

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        return super().remaining_estimate(last_run_at) + timedelta(seconds=10)


def test_what_a_class_of_ones_own_estimates_decides_whether_it_is_due_as_in_celery() -> None:
    last_run_at = NOW - timedelta(hours=1)
    assert Overslept(minute=0, nowfun=lambda: NOW + timedelta(seconds=9)).is_due(last_run_at) == (False, 1)
    assert Overslept(minute=0, nowfun=lambda: NOW + timedelta(seconds=10)).is_due(last_run_at) == (True, 3600)


class EveryOtherCall(BaseSchedule):
    """In Celery's form."""

    calls = 0

    def is_due(self, last_run_at: datetime) -> schedstate:
        self.calls += 1
        return schedstate(self.calls % 2 == 0, 5.0)


def test_a_schedule_in_celerys_form_says_only_whether_it_is_due() -> None:
    entry = EveryOtherCall()
    assert [entry.is_due(NOW).is_due for _ in range(4)] == [False, True, False, True]
    with pytest.raises(NotImplementedError, match="EveryOtherCall does not say when it runs next"):
        entry.remaining_estimate(NOW)


def test_without_nowfun_and_app_the_time_is_the_machines() -> None:
    assert abs(BaseSchedule().now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_moment_without_a_zone_is_utc_or_on_the_clock_of_the_schedule() -> None:
    entry = crontab(tz="Europe/Moscow")
    naive = datetime(2025, 6, 1, 12)
    assert entry.maybe_make_aware(naive) == datetime(2025, 6, 1, 12, tzinfo=UTC)
    assert entry.maybe_make_aware(naive, naive_as_utc=False) == datetime(2025, 6, 1, 9, tzinfo=UTC)
    assert entry.maybe_make_aware(NOW) is NOW


def test_a_single_run_is_before_or_behind() -> None:
    entry = clocked(NOW, nowfun=lambda: NOW - timedelta(seconds=20))
    assert entry.next_after(NOW - timedelta(seconds=1)) == NOW
    assert entry.next_after(NOW) is None
    assert entry.latest_at(NOW) == NOW
    assert entry.latest_at(NOW - timedelta(seconds=1)) is None
    assert list(entry.ticks(NOW - timedelta(days=1), NOW + timedelta(days=1))) == [NOW]
    assert entry.is_due(None) == (False, 20)
    assert clocked(NOW, nowfun=now).is_due(None) == (True, None)
    assert repr(entry) == "<clocked: 2025-06-01 12:00:00+00:00>"


def test_a_single_run_on_the_clock_of_a_zone_follows_the_rule_for_nights() -> None:
    in_the_gap = clocked(datetime(2025, 3, 30, 2, 30), tz="Europe/Berlin")
    assert in_the_gap.clocked_time == datetime(2025, 3, 30, 1, tzinfo=UTC)
    twice = clocked(datetime(2025, 10, 26, 2, 30), tz="Europe/Berlin")
    assert twice.clocked_time == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert clocked(datetime(2025, 6, 1, 12)).clocked_time == NOW


def test_without_ephem_a_schedule_by_the_sun_says_how_to_install_it() -> None:
    script = (
        "import sys; sys.modules['ephem'] = None\n"
        "from celeriac.schedules import solar\n"
        "try:\n    solar('sunset', 0, 0)\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == (
        "ImproperlyConfigured Schedules by the sun need the library ephem: pip install 'celeriac[solar]'."
    )
