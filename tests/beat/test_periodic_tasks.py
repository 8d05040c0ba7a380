"""``PeriodicTasks``: what a page or a command of one's own looks at, runs, pauses and resumes."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from gettext import NullTranslations
from pathlib import Path

import pytest

from celeriac import Celeriac, local
from celeriac.app.periodic import code_entries
from celeriac.beat.beat import Beat
from celeriac.beat.periodic_tasks import PeriodicTasks
from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedules import TickSchedule, crontab
from celeriac.timetables.base import RunReason


class EveryLeapSecond(TickSchedule):
    """Comes at the end of some years, and says so."""

    def next_after(self, instant):
        return datetime(instant.year + 1, 1, 1, tzinfo=UTC)

    def describe(self, words=None):
        return "when the sun demands it"


class Wordless(EveryLeapSecond):
    describe = TickSchedule.describe


class German(NullTranslations):
    def gettext(self, message: str) -> str:
        return {"every day": "jeden Tag", "{days} at {times}": "{days} um {times}"}.get(message, message)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celeriac]:
    app = Celeriac("shop", broker=f"sqlite:///{tmp_path}/shop.sqlite3", set_as_current=False)

    @app.task(name="work")
    def work() -> None:
        pass

    app.conf.beat_schedule = {
        "nightly": {"task": "work", "schedule": crontab(hour=3, minute=0)},
        "rarely": {"task": "work", "schedule": EveryLeapSecond()},
        "silently": {"task": "work", "schedule": Wordless()},
    }
    with PeriodicTasks(app) as periodic:
        assert list(periodic) == []
    sync(app)
    yield app
    app.close()


@pytest.fixture
def periodic(app: Celeriac) -> Iterator[PeriodicTasks]:
    with PeriodicTasks(app) as periodic:
        yield periodic


@pytest.fixture
def importing(app: Celeriac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celeriac]:
    """The same app, with a module of tasks that nobody has imported yet."""
    (tmp_path / "leaps.py").write_text(
        "from celeriac import current_app\n"
        "from tests.beat.test_periodic_tasks import EveryLeapSecond\n"
        "current_app.conf.beat_schedule['rarely'] = {'task': 'work', 'schedule': EveryLeapSecond()}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    other = Celeriac("shop", broker=app.broker_url, include=["leaps"])
    previous = local._apps.current
    local.set_current_app(other)
    yield other
    local.set_current_app(previous)
    sys.modules.pop("leaps", None)
    other.close()


def sync(app: Celeriac) -> None:
    """Do what a scheduler does when it starts."""
    timetable = app.timetable()
    Beat(app, timetable, name="beat").sync(code_entries(app))
    timetable.close()


def test_each_says_when_it_runs_next_and_what_its_schedule_means(periodic: PeriodicTasks) -> None:
    nightly, rarely, silently = periodic
    assert [each.name for each in (nightly, rarely, silently)] == ["nightly", "rarely", "silently"]
    assert nightly.describe() == "every day at 03:00 UTC"
    assert nightly.describe(German()) == "jeden Tag um 03:00 UTC"
    assert rarely.describe() == "when the sun demands it"
    assert silently.describe().startswith("<tests.beat.test_periodic_tasks.Wordless object")
    assert " at 0x" not in silently.describe()
    assert nightly.next_run is not None
    assert (nightly.next_run.hour, nightly.next_run.minute, nightly.next_run.tzinfo) == (3, 0, UTC)
    assert nightly.next_run.timestamp() == nightly.next_moment > nightly.now


def test_those_that_run_first_come_first(periodic: PeriodicTasks) -> None:
    periodic.pause("nightly")
    assert [each.name for each in periodic.some(2)] == ["rarely", "silently"]
    assert [each.name for each in periodic.some(1, order="name")] == ["nightly"]


def test_a_run_now_is_published_and_in_the_history(app: Celeriac, periodic: PeriodicTasks) -> None:
    before = periodic.get("nightly")
    task_id = periodic.run_now("nightly")
    (record,) = periodic.history("nightly")
    (message,) = app.broker.peek("celery")
    assert record.id == message.id == task_id
    assert record.reason is RunReason.BY_HAND
    after = periodic.get("nightly")
    assert before is not None
    assert after is not None
    assert after.next_run == before.next_run


def test_a_pause_lasts_until_it_is_resumed(periodic: PeriodicTasks) -> None:
    for _ in range(2):
        assert periodic.pause("rarely")
        paused = periodic.get("rarely")
        assert paused is not None
        assert paused.is_paused
        assert paused.next_run is None
    for _ in range(2):
        assert periodic.resume("rarely")
        resumed = periodic.get("rarely")
        assert resumed is not None
        assert not resumed.is_paused
        assert resumed.next_run is not None


def test_a_pause_may_have_an_end(periodic: PeriodicTasks) -> None:
    end = datetime.now(UTC) + timedelta(days=1000)
    assert periodic.pause("nightly", end)
    paused = periodic.get("nightly")
    assert paused is not None
    assert paused.is_paused
    assert paused.next_run == end
    with pytest.raises(ValueError, match="needs a time zone"):
        periodic.pause("nightly", datetime(2100, 1, 1))


def test_a_name_that_no_entry_has_is_said_and_is_no_error(periodic: PeriodicTasks) -> None:
    assert periodic.get("tea") is None
    assert periodic.run_now("tea") is None
    assert periodic.pause("tea") is False
    assert periodic.resume("tea") is False
    assert periodic.history("tea") == []


def test_modules_of_tasks_are_imported_for_the_classes_of_their_schedules(importing: Celeriac) -> None:
    with PeriodicTasks(importing) as periodic:
        found = periodic.get("rarely")
    assert found is not None
    assert isinstance(found.schedule, EveryLeapSecond)


def test_an_entry_whose_class_is_not_in_this_code_is_shown_and_cannot_be_resumed(app: Celeriac) -> None:
    other = Celeriac("shop", broker=app.broker_url, set_as_current=False)
    with PeriodicTasks(other) as periodic:
        periodic.pause("rarely")
        foreign = periodic.get("rarely")
        assert foreign is not None
        assert foreign.schedule is None
        assert "EveryLeapSecond" in foreign.problem
        assert "EveryLeapSecond" in foreign.describe()
        with pytest.raises(ImproperlyConfigured, match="EveryLeapSecond"):
            periodic.resume("rarely")
    other.close()


def test_some_are_read_by_their_names_or_from_a_place_on(periodic: PeriodicTasks) -> None:
    assert list(periodic.several(["rarely", "nobody"])) == ["rarely"]
    assert [task.name for task in periodic.some(2, offset=1, order="name")] == ["rarely", "silently"]
    assert periodic.count() == 3
