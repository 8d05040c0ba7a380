"""One scheduler and what may be wrong around it."""

import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from msgspec.structs import replace

from celeriac import Celeriac, shared_task, signals
from celeriac.app import shared
from celeriac.app.periodic import code_entries
from celeriac.backends.base import StoredResult
from celeriac.beat.beat import Beat
from celeriac.beat.replacing import require_readable_results
from celeriac.exceptions import ImproperlyConfigured
from celeriac.run_id import run_id
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import BaseSchedule, TickSchedule, crontab, schedstate, schedule
from celeriac.testing.conformance.harness import until
from celeriac.timetables.base import Timetable
from celeriac.timetables.memory import MemoryTimetable
from tests.beat.clockwork import Stores
from tests.beat.schedulers import Published, Schedulers
from tests.redis.key_space import own_keys

MAYBE_LATER = crontab(minute=0, hour=0, day_of_month=29, month_of_year=2)


class Desk:
    """An app on stores of the test's own, and its schedulers in threads."""

    def __init__(self, stores: Stores, name: str = "desk") -> None:
        self.app = Celeriac(name, broker=stores.broker, backend=stores.backend, set_as_current=False)
        self.timetable = self.app.timetable()
        self._running: list[tuple[Beat, threading.Thread, Timetable]] = []

        @self.app.task(name="work")
        def work(*_, **__):
            pass

    def start(self, **entries) -> None:
        """Start a scheduler for these entries."""
        self.app.conf.beat_schedule = entries
        timetable = self.app.timetable()
        beat = Beat(self.app, timetable, name=f"beat-{len(self._running)}")
        thread = threading.Thread(target=beat.run, args=(code_entries(self.app),), daemon=True)
        thread.start()
        self._running.append((beat, thread, timetable))

    def waiting(self, queue: str = "celery") -> list[Published]:
        """Return the runs that wait, oldest first."""
        found = [message.headers for message in self.app.broker.peek(queue, 1000)]
        return [Published(each["id"], each["periodic_task_name"], each["celeriac-due"]) for each in found]

    def await_runs(self, number: int, queue: str = "celery", entry: str = "") -> list[Published]:
        """Wait for so many runs, of one entry if it is named."""

        def found() -> list[Published] | None:
            runs = [run for run in self.waiting(queue) if not entry or run.entry == entry]
            return runs if len(runs) >= number else None

        return until(found)

    def close(self) -> None:
        for beat, thread, timetable in self._running:
            beat.stop()
            thread.join(10)
            assert not thread.is_alive()
            timetable.close()
        self.timetable.close()
        self.app.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "redis":
        with own_keys() as url:
            yield Stores(url, url)
    else:
        url = f"sqlite:///{tmp_path}/queue.sqlite3" if request.param == "sqlite" else f"memory://{tmp_path.name}"
        yield Stores(url, url)


@pytest.fixture
def desk(stores: Stores) -> Iterator[Desk]:
    desk = Desk(stores)
    yield desk
    desk.close()


@pytest.fixture
def redis_desk() -> Iterator[tuple[Desk, str]]:
    with own_keys() as url:
        desk = Desk(Stores(url, url))
        yield desk, url
        desk.close()


def every(seconds: float, **more) -> dict:
    return {"task": "work", "schedule": seconds, **more}


def test_a_run_is_a_task_whose_id_is_made_of_entry_and_moment(desk):
    desk.start(report=every(0.5))
    first, second = desk.await_runs(2)[:2]
    moments = [datetime.fromisoformat(run.due) for run in (first, second)]
    assert moments[1] - moments[0] == timedelta(seconds=0.5)
    assert first.id == run_id(desk.timetable.namespace(), "report", moments[0].timestamp())
    assert desk.timetable.history("report")[-1].id == first.id


def test_of_two_schedulers_in_step_each_moment_is_published_once(desk):
    desk.start(report=every(0.2))
    desk.start(report=every(0.2))
    runs = desk.await_runs(12)
    assert len({run.id for run in runs}) == len(runs)


def test_arguments_and_options_of_the_entry_and_of_the_task_hold(desk):
    desk.app.tasks["work"].priority = 3
    desk.start(report=every(0.3, args=(1, 2), kwargs={"how": "well"}, options={"queue": "nightly"}))
    desk.await_runs(1, queue="nightly")
    [message, *_] = desk.app.broker.peek("nightly")
    assert (message.queue, message.priority) == ("nightly", 3)
    assert message.headers["argsrepr"] == "(1, 2)"


def test_what_is_added_or_paused_meanwhile_holds_within_two_seconds(desk):
    desk.start(report={"task": "work", "schedule": MAYBE_LATER})
    until(lambda: desk.timetable.get("report"))
    [extra] = code_entries_of(desk.app, extra=every(0.2))
    began = desk.timetable.now()
    desk.timetable.save(extra.entry, began + 0.2)
    [run, *_] = desk.await_runs(1, entry="extra")
    assert datetime.fromisoformat(run.due).timestamp() - began < 2
    assert desk.timetable.pause("extra")
    count = len(desk.waiting())
    until(lambda: desk.timetable.now() - began > 4)
    assert len(desk.waiting()) - count <= 1


def code_entries_of(app: Celeriac, **entries):
    app.conf.beat_schedule = entries
    return [each for each in code_entries(app) if each.entry.name in entries]


class Broken(BaseSchedule):
    """A schedule with a mistake in it."""

    def is_due(self, last_run_at):
        if self.asked:
            raise ZeroDivisionError("somewhere in the user's code")
        self.asked = True
        return schedstate(False, 0.1)

    asked = False


class GoesBack(TickSchedule):
    """A schedule whose next tick, when it has ticked once, is the same one again."""

    first = None

    def next_after(self, instant):
        self.first = self.first or instant + timedelta(seconds=0.1)
        return self.first

    def latest_at(self, instant):
        return self.first


def test_a_schedule_that_comes_to_no_later_tick_stands_in_nobodys_way(desk, caplog):
    desk.start(stuck={"task": "work", "schedule": GoesBack()}, fine=every(0.3))
    assert {run.entry for run in desk.await_runs(3)} == {"fine"}
    assert "'stuck' cannot be run" in caplog.text
    assert "Its next moment must be later." in caplog.text


def test_an_entry_that_cannot_be_planned_stands_in_nobodys_way(desk, caplog):
    desk.start(broken={"task": "work", "schedule": Broken()}, fine=every(0.3))
    runs = desk.await_runs(3)
    assert {run.entry for run in runs} == {"fine"}
    said = [record.getMessage() for record in caplog.records if "'broken' cannot be run" in record.getMessage()]
    assert len(said) == 1
    assert "ZeroDivisionError: somewhere in the user's code" in said[0]


def test_an_entry_whose_message_is_refused_stands_in_nobodys_way(redis_desk, caplog):
    desk, url = redis_desk
    client = redis.Redis.from_url(url.partition("?")[0])
    prefix = url.partition("global_keyprefix=")[2]
    client.set(f"{prefix}spoilt", "no list")
    desk.start(refused=every(0.3, options={"queue": "spoilt"}), fine=every(0.3))
    runs = desk.await_runs(3)
    assert {run.entry for run in runs} == {"fine"}
    assert len({run.id for run in runs}) == len(runs)
    assert any("'refused' cannot be run" in record.getMessage() for record in caplog.records)


def test_apps_that_share_a_store_leave_each_others_entries_alone(tmp_path):
    url = f"sqlite:///{tmp_path}/queue.sqlite3"
    desks = [Desk(Stores(url, url), name) for name in ("shop", "library")]
    try:
        for desk, name in zip(desks, ("orders", "books"), strict=True):
            desk.start(**{name: {"task": "work", "schedule": MAYBE_LATER}})
            until(lambda desk=desk, name=name: desk.timetable.get(name))
        assert {state.entry.name for state in desks[0].timetable.entries()} == {"orders", "books"}
    finally:
        for desk in desks:
            desk.close()


def test_of_two_apps_with_an_entry_of_one_name_the_first_keeps_it_and_the_other_runs_the_rest(tmp_path, caplog):
    url = f"sqlite:///{tmp_path}/queue.sqlite3"
    desks = [Desk(Stores(url, url), name) for name in ("shop", "library")]
    try:
        desks[0].start(clean_up=every(0.3, args=("shop",)))
        desks[0].await_runs(1, entry="clean_up")
        desks[1].start(clean_up=every(0.3, args=("library",)), books=every(0.3))
        desks[1].await_runs(2, entry="books")
        assert desks[1].timetable.get("clean_up").entry.args == ("shop",)
        said = [record.getMessage() for record in caplog.records if "'clean_up' does not run" in record.getMessage()]
        assert len(said) == 1
        assert "of the source 'code of shop'. Give one of them another name" in said[0]
    finally:
        for desk in desks:
            desk.close()


class WatchedTimetable(MemoryTimetable):
    """Knows how many runs each step has claimed."""

    def claim(self, claims):
        self.steps = [*getattr(self, "steps", ()), sum(len(claim.runs) for claim in claims)]
        return super().claim(claims)


def test_after_an_outage_the_runs_come_in_steps_that_end_soon(tmp_path):
    app = Celeriac("steps", broker=f"memory://{tmp_path.name}", set_as_current=False)
    timetable = WatchedTimetable(app.broker)
    [given] = code_entries_of(app, missed=every(1.0, missed="all", missed_bound=1000))
    for number in range(8):
        timetable.save(replace(given.entry, name=f"missed {number}"), timetable.now() - 300)
    beat = Beat(app, timetable, name="beat")
    until(lambda: beat.turn() > 0)
    assert sum(timetable.steps) >= 8 * 300
    assert max(timetable.steps) < 500 + 310
    app.close()


def test_a_run_waits_for_the_end_of_the_one_before_as_its_result_tells(desk):
    desk.start(report=every(0.4, overlap="queue"))
    [first] = desk.await_runs(1)
    moment = datetime.fromisoformat(first.due)
    until(lambda: datetime.now(UTC) - moment > timedelta(seconds=1.5))
    assert desk.waiting() == [first]
    message = desk.app.broker.peek("celery")[0]
    assert message.headers["ignore_result"] is False
    desk.app.backend.store([StoredResult(task_id=first.id, state="SUCCESS", document=b"{}", execution=1)])
    assert desk.await_runs(2)[0] == first


def test_without_results_a_run_that_would_have_to_wait_is_told_about(tmp_path, caplog):
    desk = Desk(Stores(f"sqlite:///{tmp_path}/queue.sqlite3", "disabled://"))
    try:
        desk.start(report=every(0.3, overlap="skip"))
        desk.await_runs(1)
        until(lambda: "overlap='skip' needs results" in caplog.text)
    finally:
        desk.close()


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_where_only_the_caller_sees_results_no_run_can_wait_for_another(overlap):
    entry = ScheduleEntry(name="report", task="report", schedule=schedule(5).to_dict(), overlap=overlap)
    app = Celeriac("shop", broker="amqp://", backend="rpc://")
    with pytest.raises(ImproperlyConfigured, match="needs results that everybody can read"):
        require_readable_results(app, entry)
    app.close()


def test_the_signal_after_publishing_is_sent(desk):
    seen: list[str] = []

    @signals.after_task_publish.connect
    def note(sender, headers, **_):
        seen.append(headers["id"])

    try:
        desk.start(report=every(0.3))
        [run, *_] = desk.await_runs(1)
        until(lambda: run.id in seen)
    finally:
        signals.after_task_publish.disconnect(note)


WRONG = {
    "no dict": ({"report": 5}, "The schedule entry 'report' is 5; write"),
    "a slip": ({"report": {"task": "work", "shedule": 5}}, "says 'shedule'; did you mean 'schedule'?"),
    "no schedule": ({"report": {"task": "work"}}, "'report' does not say when"),
    "a schedule that is none": ({"report": every("daily")}, "'daily' is no schedule"),
    "no task": ({"report": {"schedule": 5}}, "task is ''; name a task"),
    "an unknown policy": ({"report": every(5, missed="never")}, "missed is 'never'; choose one of once, skip, all"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_entry_is_a_sentence(name):
    entries, sentence = WRONG[name]
    app = Celeriac("wrong", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = entries
    with pytest.raises(ImproperlyConfigured) as caught:
        code_entries(app)
    assert sentence in str(caught.value)


def test_entries_come_from_settings_signals_and_tasks():
    app = Celeriac("sources", broker="memory://", set_as_current=False)
    app.conf.timezone = "Europe/Moscow"
    app.conf.beat_schedule = {"a": every(5)}

    @app.task(name="nightly", schedule=crontab(hour=3, minute=0))
    def nightly():
        pass

    @app.task(name="often", schedule={"schedule": 7, "overlap": "skip", "args": (1,)})
    def often(_):
        pass

    app.add_periodic_task(11, often.s(2), name="b")
    entries = {each.entry.name: each.entry for each in code_entries(app)}
    assert set(entries) == {"a", "b", "nightly", "often"}
    assert entries["nightly"].schedule["tz"] == "Europe/Moscow"
    assert (entries["often"].overlap, entries["often"].args) == ("skip", (1,))
    assert entries["b"].args == (2,)


def test_a_task_that_other_apps_get_too_runs_by_the_schedule_of_its_own_app_alone(monkeypatch):
    monkeypatch.setattr(shared, "_finalizers", [])
    app = Celeriac("first", broker="memory://", set_as_current=False)

    @app.task(name="ours alone", schedule=5)
    def ours():
        pass

    @shared_task(name="of every app", schedule=5)
    def everybodys():
        pass

    other = Celeriac("second", broker="memory://", set_as_current=False)
    assert "ours alone" in other.tasks
    assert [each.entry.name for each in code_entries(other)] == ["of every app"]
    assert "ours alone" in [each.entry.name for each in code_entries(app)]


def test_health_is_an_exit_status(tmp_path):
    url = f"sqlite:///{tmp_path}/queue.sqlite3"
    schedulers = Schedulers(tmp_path, Stores(url, url))
    try:
        assert schedulers.health() == (1, "No scheduler runs. Start `celeriac beat`, or a worker with -B.")
        schedulers.start()
        leader = schedulers.await_leader()
        status, said = schedulers.health()
        assert (status, f":{leader} publishes what is due" in said) == (0, True)
        os.kill(leader, signal.SIGTERM)
        until(lambda: schedulers.health()[0] == 1)
    finally:
        schedulers.close()
