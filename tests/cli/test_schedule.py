"""``celeriac schedule``: entries, their runs, and what comes of a pause, on SQLite and on Redis."""

import itertools
import json
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from celeriac import Celeriac
from celeriac.app.periodic import code_entries
from celeriac.beat.beat import Beat
from celeriac.schedule_entry import ScheduleEntry
from tests.cli.conftest import Project, environment
from tests.redis.key_space import own_keys
from tests.servers.vhost import virtual_host
from tests.terminal_session import TerminalSession

SOURCE = """
from celeriac import Celeriac
from celeriac.schedules import BaseSchedule, crontab, schedstate

app = Celeriac("shop", broker={url!r}, backend={url!r})


class Mood(BaseSchedule):
    def is_due(self, last_run_at):
        return schedstate(False, 300)


@app.task(schedule=crontab(minute=0, hour=3, tz="Europe/Moscow"))
def report():
    return 42


@app.task
def clean_up(days):
    return days


app.conf.beat_schedule = {{
    "clean up": {{"task": clean_up.name, "schedule": 3600.0, "args": (30,)}},
    "by mood": {{"task": report.name, "schedule": Mood()}},
}}
"""


class Shop:
    """A project with three entries."""

    def __init__(self, project: Project, url: str) -> None:
        self.project = project
        self.module = project.module(SOURCE.format(url=url), "shop")
        self.report = f"{self.module}.report"

    def say(self, *words: str) -> Any:
        return self.project.celeriac("-A", self.module, "schedule", *words)

    def json(self, *words: str) -> Any:
        result = self.say(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def entry(self, name: str) -> dict[str, Any]:
        [found] = [entry for entry in self.json("list") if entry["name"] == name]
        return found

    def sync(self) -> None:
        """Do what a scheduler does when it starts."""
        namespace: dict[str, Any] = {"__name__": self.module}
        exec((self.project.directory / f"{self.module}.py").read_text(), namespace)
        app: Celeriac = namespace["app"]
        timetable = app.timetable()
        try:
            Beat(app, timetable, name="beat@here:1").sync(code_entries(app))
        finally:
            timetable.close()
            app.close()


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, project: Project) -> Iterator[str]:
    if request.param == "sqlite":
        yield project.url
        return
    with own_keys() as url:
        yield url


@pytest.fixture
def unsynced(project: Project, url: str) -> Shop:
    return Shop(project, url)


@pytest.fixture
def shop(unsynced: Shop) -> Shop:
    unsynced.sync()
    return unsynced


def moments(runs: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(run["due"]) for run in runs]


def test_entries_are_listed_with_what_their_schedule_means_and_when_they_run(shop: Shop):
    report = shop.entry(shop.report)
    assert report["description"] == "every day at 03:00 Europe/Moscow"
    assert datetime.fromisoformat(report["next_run"]).hour == 0
    assert 0 < report["seconds_left"] <= 86400
    assert (report["source"], report["runs"], report["missed"], report["paused"]) == ("code of shop", 0, 0, False)
    table = shop.say("list").stdout.splitlines()
    assert table[0].split()[:3] == ["NAME", "TASK", "SCHEDULE"]
    [line] = [line for line in table if line.startswith("clean up")]
    assert "every hour" in line
    assert " in " in line


def test_on_a_terminal_each_entry_is_a_paragraph(project: Project):
    shop = Shop(project, project.url)
    shop.sync()
    command = [sys.executable, "-m", "celeriac", "-A", shop.module, "schedule", "list"]
    terminal = TerminalSession(command, directory=project.directory, environment=environment())
    try:
        terminal.wait_for("has not run yet; from code", times=3)
        assert "clean up" in terminal.text
        assert "every day at 03:00 Europe/Moscow" in terminal.text
    finally:
        terminal.close()


def test_without_entries_in_the_timetable_it_says_how_they_get_there(unsynced: Shop):
    said = unsynced.say("list")
    assert said.exit_code == 0
    assert "The timetable has no entries yet. A scheduler adds the 3 of the code when it starts:" in said.stdout
    assert f"celeriac -A {unsynced.module} beat" in said.stdout
    assert "A scheduler adds the 3 of the code" in unsynced.say("run", "clean up").stderr


def test_entries_of_the_code_can_be_seen_before_there_is_a_scheduler(unsynced: Shop):
    assert {entry["name"] for entry in unsynced.json("list", "--code")} == {"clean up", "by mood", unsynced.report}
    assert len(unsynced.json("next", "clean up", "--code", "-n", "3")) == 3
    assert unsynced.json("simulate", "--code", "--for", "1d")["runs"] == 25
    assert unsynced.json("list") == []


def test_the_next_runs_of_one_entry(shop: Shop):
    runs = shop.json("next", "clean up", "-n", "4")
    assert [run["name"] for run in runs] == ["clean up"] * 4
    assert [later - earlier for earlier, later in itertools.pairwise(moments(runs))] == [timedelta(hours=1)] * 3


def test_the_next_runs_of_all_entries_come_in_their_order(shop: Shop):
    runs = shop.json("next", "-n", "51")  # those of two days
    assert moments(runs) == sorted(moments(runs))
    names = [run["name"] for run in runs]
    # A schedule that only says whether it is due now has one next moment.
    assert (names.count("by mood"), names.count(shop.report)) == (1, 2)


def test_a_run_by_hand_is_published_and_in_the_history_and_moves_nothing(shop: Shop):
    before = shop.entry("clean up")["next_run"]
    task_id = shop.say("run", "clean up").stdout.strip()
    [record] = shop.json("history", "clean up")
    assert (record["id"], record["reason"], record["state"]) == (task_id, "by hand", "PENDING")
    assert shop.entry("clean up")["next_run"] == before
    worker = shop.project.start("-A", shop.module, "worker", "-c", "1").wait_for("is ready")
    assert shop.project.celeriac("-A", shop.module, "result", task_id, "--wait", "30").stdout == "30\n"
    worker.end()
    assert "SUCCESS" in shop.say("history", "clean up").stdout


def test_a_paused_entry_runs_by_hand_only_until_it_is_resumed(shop: Shop):
    assert "'clean up' is paused, until" in shop.say("pause", "clean up").stdout
    assert shop.entry("clean up")["paused"] is True
    assert shop.say("next", "clean up").stdout == "'clean up' does not run: paused.\n"
    assert shop.say("run", "clean up").exit_code == 0
    assert "'clean up' goes on. Its next run: in " in shop.say("resume", "clean up").stdout
    assert shop.entry("clean up")["paused"] is False
    assert shop.say("resume", "clean up").stdout == "'clean up' is not paused.\n"


def test_a_pause_may_end_by_itself(shop: Shop):
    [before, *_] = moments(shop.json("next", "clean up"))
    shop.say("pause", "clean up", "--until", "2h")
    [after, *_] = moments(shop.json("next", "clean up"))
    assert after - before == timedelta(hours=2)
    shop.say("pause", "clean up", "--until", "2100-01-01T12:00")
    [far, *_] = moments(shop.json("next", "clean up"))
    assert f"{far:%Y-%m-%d %H}" == "2100-01-01 12"


@pytest.mark.parametrize(
    ("until", "sentence"),
    [
        ("2020-01-01", "is over already; name a moment in the future"),
        ("soon", "'soon' is neither a moment"),
        ("-3h", "is neither a moment"),
    ],
)
def test_a_pause_until_nowhen_is_refused(shop: Shop, until: str, sentence: str):
    said = shop.say("pause", "clean up", f"--until={until}")
    assert said.exit_code == 2
    assert sentence in said.stderr
    assert shop.entry("clean up")["paused"] is False


@pytest.mark.parametrize("command", ["next", "run", "pause", "resume", "history"])
def test_for_a_name_that_no_entry_has_the_likely_one_is_named(shop: Shop, command: str):
    said = shop.say(command, "cleanup")
    assert said.exit_code == 2
    assert "There is no entry 'cleanup'. Did you mean 'clean up'?" in said.stderr
    assert f"There are 3 others: celeriac -A {shop.module} schedule list" in shop.say(command, "xyz").stderr


def test_a_simulation_counts_runs_and_names_what_comes_together(shop: Shop):
    told = shop.json("simulate", "--for", "7d")
    assert told["runs"] == 7 * 24 + 7
    assert told["unforeseen"] == ["by mood"]
    [peak] = [peak for peak in told["peaks"] if peak["runs"] == 2]
    assert {entry["name"] for entry in peak["entries"]} == {"clean up", shop.report}
    assert peak["days"] == 7
    said = shop.say("simulate").stdout
    assert "175 runs of 2 entries in 7 d" in said
    assert "Without those that decide when it is time: by mood." in said
    assert "2 |" in said


def test_what_is_paused_is_not_simulated(shop: Shop):
    shop.say("pause", shop.report)
    assert shop.json("simulate", "--for", "1d")["runs"] == 24
    shop.say("pause", "clean up", "--until", "12h")
    assert shop.json("simulate", "--for", "1d")["runs"] in {11, 12, 13}


def test_arguments_that_the_task_does_not_take_are_a_sentence(project: Project):
    source = SOURCE.format(url=project.url).replace('"args": (30,)', '"args": (1, 2, 3)')
    shop = Shop(project, project.url)
    project.write(f"{shop.module}.py", source)
    shop.sync()
    said = shop.say("run", "clean up")
    assert said.exit_code == 2
    assert said.stderr.startswith("Error: 'clean up' cannot be run. ")


# The scheduler, as other commands see it.


def findings(shop: Shop) -> list[tuple[str, str]]:
    document = json.loads(shop.project.celeriac("-A", shop.module, "doctor", "--json").stdout)
    return [(each["grade"], each["sentence"]) for each in document["findings"] if each["about"] == "schedule"]


def status(shop: Shop) -> str:
    return shop.project.celeriac("-A", shop.module, "status").stdout


def test_entries_that_nobody_publishes_are_found_with_the_cure(unsynced: Shop):
    cure = f"Start one: celeriac -A {unsynced.module} beat, or a worker with -B."
    [(grade, sentence)] = findings(unsynced)
    assert sentence == f"The code has 3 periodic tasks, and no scheduler has run yet to publish them. {cure}"
    assert grade == "note"
    assert "periodic" not in status(unsynced)
    unsynced.sync()
    [(grade, sentence)] = findings(unsynced)
    assert sentence == f"There are 3 periodic tasks, and no scheduler runs that publishes them. {cure}"
    assert grade == "note"
    assert "3 periodic tasks, and no scheduler runs that publishes them." in status(unsynced)


def test_beside_a_node_that_runs_it_is_wrong_that_no_scheduler_does(shop: Shop):
    shop.project.start("-A", shop.module, "worker", "-c", "1").wait_for("is ready")
    [(grade, _)] = findings(shop)
    assert grade == "wrong"


def test_a_scheduler_that_keeps_up_is_named(shop: Shop):
    beat = shop.project.start("-A", shop.module, "beat").wait_for("This scheduler leads.")
    [(grade, sentence)] = findings(shop)
    assert grade == "ok"
    assert sentence.startswith(f"3 periodic tasks, published by beat@{socket.gethostname()}:{beat.process.pid}; the ")
    # The countdown goes on between the two.
    assert sentence.partition("; the ")[0] in status(shop)
    document = json.loads(shop.project.celeriac("-A", shop.module, "status", "--json").stdout)
    assert document["scheduler"]["entries"] == 3
    assert document["scheduler"]["leader"].endswith(f":{beat.process.pid}")


@pytest.mark.parametrize("somebody_leads", [True, False])
def test_runs_that_nobody_has_published_in_time_are_wrong(shop: Shop, url: str, somebody_leads: bool):
    app = Celeriac("other", broker=url, backend=url, set_as_current=False)
    timetable = app.timetable()
    entry = ScheduleEntry(name="late", task="celery.backend_cleanup", schedule={"type": "interval", "every": 60})
    timetable.save(entry, timetable.now() - 3600)
    if somebody_leads:
        assert timetable.lead("beat@elsewhere:1", 60)
    [(grade, sentence)] = findings(shop)
    assert grade == "wrong"
    assert ("beat@elsewhere:1 is behind" if somebody_leads else "no scheduler runs that publishes them") in sentence
    assert "1 h" in sentence
    assert "1 h" in status(shop)
    timetable.close()
    app.close()


def test_entries_that_cannot_run_as_they_say_are_found(project: Project):
    name = project.module(
        f"""
        from celeriac import Celeriac
        app = Celeriac("shop", broker={project.url!r}, backend=None)

        @app.task(schedule={{"schedule": 60.0, "overlap": "skip"}}, name="poll")
        def poll(): ...

        app.conf.beat_schedule = {{"typo": {{"task": "pol", "schedule": 60.0}}}}
        """
    )
    document = json.loads(project.celeriac("-A", name, "doctor", "--json").stdout)
    said = {each["sentence"]: each["grade"] for each in document["findings"] if each["about"] == "schedule"}
    assert said["The schedule entry 'typo' calls 'pol', which is no task of this app. Did you mean 'poll'?"] == "note"
    [overlap] = [sentence for sentence in said if "'poll' has overlap='skip', and results are off" in sentence]
    assert said[overlap] == "wrong"


def test_looking_makes_no_file_for_a_timetable(project: Project):
    with virtual_host(project.directory) as url:
        shop = Shop(project, url)
        project.write(f"{shop.module}.py", SOURCE.format(url=url).replace(f"backend={url!r}", "backend='rpc://'"))
        assert "The code has 3 periodic tasks" in findings(shop)[0][1]
        status(shop)
    assert not list(project.directory.glob("*.sqlite3*"))


def test_development_publishes_what_is_due_and_goes_on_with_a_mistake_in_an_entry(project: Project):
    source = """
    from celeriac import Celeriac
    app = Celeriac("shop", broker={url!r}, backend={url!r})

    @app.task(schedule={schedule})
    def tick():
        print("tick" + "tock")
    """
    name = project.module(source.format(url=project.url, schedule=0.5))
    dev = project.start("-A", name, "dev", "-c", "1").wait_for("ticktock")
    assert dev.end(signal.SIGINT) == 0
    project.write(f"{name}.py", source.format(url=project.url, schedule="'sometimes'"))
    dev = project.start("-A", name, "dev", "-c", "1").wait_for("is ready")
    dev.wait_for("No periodic task runs. The schedule entry")
    assert dev.end(signal.SIGINT) == 0
