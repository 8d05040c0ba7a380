"""Entries of an integration's source: what it says holds, and what is wrong with it stands in nobody's way."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from celeriac.app.entry_sources import SOURCES, FaultyEntry, SourcedEntry, name_of_source
from celeriac.exceptions import OperationalError
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import TickSchedule, schedule
from celeriac.testing.conformance.harness import until
from tests.beat.schedulers import Stores
from tests.beat.test_beat import Desk, every


class Notebook:
    """A source: what somebody has written down."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.pages: dict[str, SourcedEntry | FaultyEntry] = {}
        self.version = 0
        self.is_lost = False
        self.times_read = 0

    def applies(self, app) -> bool:
        return app is self.desk.app

    def fingerprint(self) -> int:
        if self.is_lost:
            raise OperationalError("The notebook is lost.")
        return self.version

    def entries(self, app) -> Iterator[SourcedEntry | FaultyEntry]:
        self.times_read += 1
        yield from self.pages.values()

    def close(self) -> None:
        pass

    def entry(self, name: str, seconds: float = 0.2, **more) -> SourcedEntry:
        when = schedule(seconds)
        source = name_of_source("notebook", self.desk.app)
        entry = ScheduleEntry(name=name, task="work", schedule=when.to_dict(), source=source, **more)
        return SourcedEntry(entry, when, self.desk.timetable.now())

    def write(self, name: str, page: SourcedEntry | FaultyEntry | None = None, **more) -> None:
        self.pages[name] = page or self.entry(name, **more)
        self.version += 1

    def strike(self, name: str) -> None:
        del self.pages[name]
        self.version += 1


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path}/queue.sqlite3"
    desk = Desk(Stores(url, url))
    yield desk
    desk.close()


@pytest.fixture
def notebook(desk, monkeypatch) -> Notebook:
    notebook = Notebook(desk)
    monkeypatch.setitem(SOURCES, "notebook", notebook)
    return notebook


def names(desk: Desk) -> list[str]:
    return [state.entry.name for state in desk.timetable.entries()]


def test_what_is_written_runs_and_what_is_struck_does_not(desk, notebook):
    notebook.write("first")
    desk.start()
    desk.await_runs(1, entry="first")
    notebook.write("second")
    notebook.strike("first")
    desk.await_runs(1, entry="second")
    assert names(desk) == ["second"]


def test_what_did_not_change_keeps_its_next_moment(desk, notebook):
    notebook.write("first", seconds=3600)
    desk.start()
    before = until(lambda: desk.timetable.get("first"))
    notebook.write("second")
    desk.await_runs(1, entry="second")
    assert desk.timetable.get("first").next_at == before.next_at


def test_a_run_that_was_due_before_a_scheduler_saw_its_entry_is_made_up_for(desk, notebook):
    past = notebook.entry("first", seconds=3600)
    notebook.write("first", past._replace(since=past.since - 3600))
    desk.start()
    [run] = desk.await_runs(1)
    assert run.entry == "first"


def test_what_can_be_no_entry_is_said_once_stays_as_it_was_and_keeps_nobody_from_running(desk, notebook, caplog):
    notebook.write("first", seconds=3600)
    desk.start()
    before = until(lambda: desk.timetable.get("first"))
    notebook.write("first", FaultyEntry("first", "It is scribbled over: write it again."))
    notebook.write("second")
    desk.await_runs(1, entry="second")
    notebook.write("third")
    desk.await_runs(1, entry="third")
    assert desk.timetable.get("first") == before
    assert caplog.text.count("'first' in the notebook is left out. It is scribbled over: write it again.") == 1


def test_a_schedule_that_fails_and_arguments_that_cannot_be_kept_keep_nobody_from_running(desk, notebook, caplog):
    class Broken(TickSchedule):
        def next_after(self, instant):
            raise ZeroDivisionError("no time at all")

    good = notebook.entry("good")
    notebook.write("broken", SourcedEntry(replace(good.entry, name="broken"), Broken(), good.since))
    notebook.write("strange", args=(object(),))
    notebook.write("good", good)
    desk.start()
    desk.await_runs(1, entry="good")
    assert names(desk) == ["good"]
    assert "'broken' in the notebook is left out. It is not known when it runs first. no time at all" in caplog.text
    assert "'strange' in the notebook is left out. The schedule entry 'strange' cannot be kept." in caplog.text


def test_a_name_that_another_source_has_is_said_and_keeps_nobody_from_running(desk, notebook, caplog):
    notebook.write("report")
    notebook.write("first")
    desk.start(report=every(3600))
    desk.await_runs(1, entry="first")
    assert desk.timetable.get("report").entry.source == "code of desk"
    assert "'report' in the notebook is left out. There is one of this name already" in caplog.text


def test_the_code_takes_a_name_over(desk, notebook, caplog):
    desk.timetable.save(notebook.entry("report", seconds=3600).entry, None)
    desk.start(report=every(0.2))
    desk.await_runs(1)
    assert "The entry 'report' is the code's from now on; the one of the notebook no longer runs." in caplog.text


def test_a_source_that_is_away_leaves_everything_as_it_is_and_is_said_once(desk, notebook, caplog):
    notebook.write("first")
    desk.start(report=every(0.2))
    desk.await_runs(1, entry="first")
    notebook.is_lost = True
    until(lambda: "cannot be compared with the timetable" in caplog.text)
    desk.await_runs(len(desk.waiting()) + 20)
    assert caplog.text.count("The notebook is lost.") == 1
    assert names(desk) == ["first", "report"]
    notebook.is_lost = False
    notebook.write("second")
    desk.await_runs(1, entry="second")
    assert "The entries of the notebook can be compared again." in caplog.text


def test_a_source_that_hangs_holds_up_no_run(desk, notebook, monkeypatch):
    hanging, release = threading.Event(), threading.Event()

    def fingerprint() -> None:
        hanging.set()
        release.wait(30)

    monkeypatch.setattr(notebook, "fingerprint", fingerprint)
    desk.start(report=every(0.2))
    assert hanging.wait(10)
    desk.await_runs(len(desk.waiting()) + 5)
    release.set()


def test_only_the_scheduler_that_leads_asks(desk, notebook):
    notebook.write("first")
    desk.start()
    desk.await_runs(1)
    desk.start()
    read = notebook.times_read
    notebook.write("second")
    desk.await_runs(1, entry="second")
    assert notebook.times_read == read + 1


def test_what_somebody_changed_behind_the_fingerprint_is_put_right(desk, notebook, monkeypatch):
    monkeypatch.setattr("celeriac.beat.reconciliation._THOROUGH", 0.0)
    monkeypatch.setattr("celeriac.beat.reconciliation._RARITY", 0.0)
    notebook.write("first")
    desk.start()
    desk.await_runs(1)
    desk.timetable.remove("first")
    until(lambda: desk.timetable.get("first"))


def test_another_apps_scheduler_leaves_the_source_alone(desk, notebook, stores_of_another):
    notebook.write("first")
    stores_of_another.start(other=every(0.2))
    stores_of_another.await_runs(3)
    assert notebook.times_read == 0


@pytest.fixture
def stores_of_another(tmp_path: Path) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path}/other.sqlite3"
    other = Desk(Stores(url, url), "other")
    yield other
    other.close()
