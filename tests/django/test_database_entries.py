"""A scheduler beside a site whose database is changed, missing, away and back."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac import Celeriac
from celeriac.timetables.base import EntryState
from tests.django.small_site import SiteProcess, SmallSite, wait_until

#: So that the timetable is not told by those who save, and only the scheduler's look brings it in order.
ELSEWHERE = "import os; os.environ['CELERIAC_BROKER_URL'] = 'memory://'"
DJANGO = """
import django, os
os.environ["DJANGO_SETTINGS_MODULE"] = "garden.settings"
django.setup()
from celeriac.django.models import ScheduledTask
"""


class Garden(SmallSite):
    """The site, its timetable, and the scheduler."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        url = f"sqlite:///{directory}/celeriac.sqlite3"
        self.app = Celeriac("reader", broker=url, backend=url, set_as_current=False)
        self.timetable = self.app.timetable()
        self.append("beds/tasks.py", "\n\n@shared_task(schedule=0.5)\ndef breathe():\n    pass\n")

    def change(self, code: str, *, told: bool = False) -> None:
        """Run code in a process of its own, whose timetable is another one unless it is to be told."""
        done = self.python("-c", f"{'' if told else ELSEWHERE}{DJANGO}{code}")
        assert done.returncode == 0, done.stderr

    def entry(self, name: str) -> EntryState | None:
        return self.timetable.get(name)

    def await_entry(self, name: str, **said: object) -> EntryState:
        """Wait until the timetable has an entry that says so."""

        def found() -> EntryState | None:
            state = self.entry(name)
            is_so = state is not None and all(getattr(state.entry, field) == value for field, value in said.items())
            return state if is_so else None

        wait_until(found, f"{name} with {said}")
        state = found()
        assert state is not None
        return state

    def await_gone(self, name: str) -> None:
        wait_until(lambda: self.entry(name) is None, f"{name} to be gone")

    def await_more_runs(self, name: str) -> None:
        before = self.await_entry(name).runs_total
        wait_until(lambda: self.await_entry(name).runs_total > before + 1, f"{name} to run on")

    def close(self) -> None:
        super().close()
        self.timetable.close()
        self.app.close()


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garden]:
    garden = Garden(tmp_path_factory.mktemp("garden"))
    yield garden
    garden.close()


@pytest.fixture(scope="module")
def beat(garden: Garden) -> SiteProcess:
    """A scheduler that was started before there was a table."""
    beat = garden.start("manage.py", "celeriac", "beat").wait_for("to enter some there, run manage.py migrate")
    garden.await_more_runs("beds.tasks.breathe")
    garden.manage("migrate")
    return beat


@pytest.mark.usefixtures("beat")
def test_rows_that_nobody_told_the_timetable_of_run_as_soon_as_there_is_a_table(garden):
    garden.change(
        'ScheduledTask.objects.create(name="water", task="beds.tasks.water", kind="every", expression="1s", args=[2])'
    )
    garden.await_more_runs("water")
    assert garden.entry("water").entry.args == (2,)
    assert garden.entry("water").entry.source == "database of garden"


@pytest.mark.usefixtures("beat")
def test_changes_by_queries_fixtures_and_sql_are_seen(garden):
    garden.change('ScheduledTask.objects.create(name="dig", task="beds.tasks.label", expression="0 3 * * *")')
    garden.await_entry("dig", enabled=True)
    garden.change('ScheduledTask.objects.filter(name="dig").update(enabled=False)')
    garden.await_entry("dig", enabled=False)
    fields = {"name": "sow", "task": "beds.tasks.label", "expression": "0 4 * * *"}
    moments = {"created_at": "2020-01-01T00:00Z", "changed_at": "2020-01-01T00:00Z"}
    garden.write("sow.json", json.dumps([{"model": "celeriac.scheduledtask", "fields": fields | moments}]))
    garden.change("from django.core.management import call_command; call_command('loaddata', 'sow.json')")
    garden.await_entry("sow")
    with contextlib.closing(sqlite3.connect(garden.path("site.sqlite3"))) as connection, connection:
        connection.execute("DELETE FROM celeriac_scheduledtask WHERE name = 'sow'")
    garden.await_gone("sow")


def test_a_row_that_cannot_be_an_entry_is_said_and_the_others_run_on(garden, beat):
    garden.change(
        'ScheduledTask.objects.create(name="wilt", task="beds.tasks.label", expression="99 3 * * *")\n'
        'ScheduledTask.objects.create(name="beds.tasks.breathe", task="beds.tasks.label", expression="0 3 * * *")\n'
        'ScheduledTask.objects.create(name="weed", task="beds.tasks.label", kind="every", expression="1s")'
    )
    garden.await_more_runs("weed")
    beat.wait_for("'wilt' in the database is left out. The periodic task 'wilt' has no schedule. There is no minute 99")
    beat.wait_for("'beds.tasks.breathe' in the database is left out. There is one of this name already")
    garden.await_more_runs("beds.tasks.breathe")


def test_a_database_that_is_away_is_said_once_and_what_is_known_runs_on(garden, beat):
    database, aside = garden.path("site.sqlite3"), garden.path("aside.sqlite3")
    garden.await_entry("water")
    database.rename(aside)
    database.mkdir()
    beat.wait_for("The database 'default' does not answer.")
    garden.await_more_runs("water")
    garden.await_more_runs("beds.tasks.breathe")
    database.rmdir()
    aside.rename(database)
    beat.wait_for("The entries of the database can be compared again.")
    garden.change('ScheduledTask.objects.get(name="water").delete()')
    garden.await_gone("water")
    assert beat.log.count("does not answer") == 1


def test_the_command_line_knows_the_entries_of_the_database_before_a_scheduler_has_looked(garden):
    mow = 'ScheduledTask.objects.create(name="mow", task="beds.tasks.label", expression="0 5 * * 6")'
    garden.change(mow, told=True)
    assert "on Saturdays at 05:00" in garden.manage("celeriac", "schedule", "list").stdout
    assert garden.manage("celeriac", "schedule", "pause", "mow").returncode == 0
    garden.change('ScheduledTask.objects.filter(name="mow").update(description="The lawn.", args=[1])')
    assert garden.await_entry("mow").paused_until is not None
