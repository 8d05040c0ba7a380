"""``celeriac worker`` as a real process."""

import json
import os
import signal

import pytest

from celeriac.brokers.base import Broker
from tests.cli.conftest import Process, Project, wait_until


def test_it_runs_tasks_and_stops_when_told(project: Project):
    worker = project.worker()
    assert project.app("call", f"{project.name}.add", "-a", "[2, 3]", "-w", "20").stdout == "5\n"
    assert worker.end(signal.SIGTERM) == 0
    assert "has stopped" in worker.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_every_way_to_stop_ends_with_status_0_and_no_traceback(project: Project, number):
    worker = project.worker()
    assert worker.end(number) == 0
    assert "Traceback" not in worker.log


def test_ctrl_c_while_it_starts_says_nothing(project: Project):
    name = project.module("import time\nopen('importing', 'w').close()\ntime.sleep(60)\n")
    worker = project.start("-A", name, "worker", "-c", "1")
    wait_until((project.directory / "importing").exists, "importing")
    assert worker.end(signal.SIGINT) == 130
    assert "Traceback" not in worker.log


def test_the_first_line_names_the_broker_whole(project: Project):
    assert project.url in project.worker().log.splitlines()[0]


def test_no_code_of_the_users_runs_in_the_node_process(project: Project):
    project.write(
        f"{project.name}.py",
        f"""
        import os
        from celeriac import Celeriac

        app = Celeriac("{project.name}", broker="{project.url}", backend="{project.url}")

        with open("importers", "a") as file:
            file.write(f"{{os.getpid()}}\\n")
        """,
    )
    worker = project.worker()
    importers = {int(line) for line in (project.directory / "importers").read_text().split()}
    assert len(importers) == 2  # the app process and the child
    assert worker.process.pid not in importers


def options_of(project: Project, *words: str) -> dict:
    """Return what a worker with these options says of itself, and end it."""
    worker = project.start("-A", project.name, "worker", *words).wait_for("is ready")
    document = json.loads(project.app("status", "--json").stdout)
    worker.end()
    [node] = [node for node in document["nodes"] if node["state"] == "running"]
    return node["report"]


def test_options_reach_the_node(project: Project):
    report = options_of(project, "-c", "2", "-P", "prefork", "-Q", "a,b", "-Q", "c", "-X", "b", "-n", "w1@%n")
    assert report["concurrency"] == 2
    assert report["executor"] == "processes"
    assert report["queues"] == ["a", "c"]
    assert report["hostname"] == f"w1@{os.uname().nodename.partition('.')[0]}"


def test_settings_may_follow_the_options(project: Project):
    assert options_of(project, "-P", "threads", "worker_concurrency=3")["concurrency"] == 3


def test_the_broker_of_the_command_line_wins(project: Project):
    url = f"sqlite:///{project.directory}/other.sqlite3"
    worker = project.start("-A", project.name, "-b", url, "worker", "-c", "1").wait_for("is ready")
    assert "other.sqlite3" in worker.log.splitlines()[0]


def test_the_broker_of_the_command_line_wins_over_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.cli.conftest._VARIABLES", ())
    monkeypatch.setenv("CELERIAC_BROKER_URL", f"sqlite:///{project.directory}/environment.sqlite3")
    url = f"sqlite:///{project.directory}/other.sqlite3"
    worker = project.start("-A", project.name, "-b", url, "worker", "-c", "1").wait_for("is ready")
    assert "other.sqlite3" in worker.log.splitlines()[0]


def test_purge_drops_what_waits_first(project: Project, broker: Broker):
    project.app("call", f"{project.name}.add", "-a", "[1]", "--countdown", "1000")
    project.worker("--purge").end()
    assert broker.size("celery").delayed == 0


def test_the_log_goes_to_a_file(project: Project):
    worker = project.start("-A", project.name, "worker", "-c", "1", "-n", "one@here", "-f", "%n.log")
    log = project.directory / "one.log"
    wait_until(lambda: log.exists() and "is ready" in log.read_text(), "ready")
    worker.end()
    assert "has stopped" in log.read_text()
    assert worker.log == ""


def test_log_lines_may_be_json(project: Project):
    worker = project.worker("--json-log")
    worker.end()
    assert all(json.loads(line)["level"] == "INFO" for line in worker.log.splitlines())


def test_the_pidfile_is_there_while_it_runs(project: Project):
    path = project.directory / "worker.pid"
    worker = project.worker("--pidfile", str(path))
    assert int(path.read_text()) == worker.process.pid
    second = project.start("-A", project.name, "worker", "--pidfile", str(path))
    assert second.wait() == 2
    assert f"belongs to process {worker.process.pid}, which runs" in second.log
    worker.end()
    assert not path.exists()


def test_a_pidfile_left_behind_is_replaced(project: Project):
    path = project.directory / "worker.pid"
    worker = project.worker("--pidfile", str(path))
    worker.end(signal.SIGKILL)
    assert path.exists()
    second = project.worker("--pidfile", str(path))
    assert "was left behind" in second.log
    assert int(path.read_text()) == second.process.pid


REFUSED = {
    ("-c", "0"): "A worker needs at least one slot, not 0",
    ("-c", "many"): "neither a whole number nor auto",
    ("-P", "gevent"): "celeriac has no gevent executor: write tasks that wait as `async def`",
    ("-P", "threds"): "-P takes processes, threads or solo",
    ("-Q", "a,,b"): "holds an empty name",
    ("-Q", "a", "-X", "a"): "No queue is left to take from",
    ("-B", "--scheduler", "django_celery_beat.schedulers:DatabaseScheduler"): "whose entries nobody here reads",
    ("--autoscale", "3,1"): "Autoscaling (--autoscale) comes in a later release",
    ("--detach",): "let systemd or a container do that",
    ("--time-limit", "5", "--soft-time-limit", "5"): "--soft-time-limit 5 comes too late",
    ("worker_concurency=2",): "did you mean worker_concurrency?",
    ("-I", "no_such_module"): "No module named 'no_such_module'",
    ("-f", "nowhere/x.log"): "The log file nowhere/x.log cannot be written",
    ("--pidfile", "nowhere/x.pid"): "cannot be written (No such file or directory)",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_work_is_refused_with_the_reason(project: Project, words):
    done = project.run("-A", project.name, "worker", *words)
    assert done.returncode == 2
    assert REFUSED[words] in done.stderr
    assert "Traceback" not in done.stderr


def test_options_of_celery_that_do_nothing_here_are_taken_with_a_note(project: Project):
    words = ("--without-gossip", "--without-mingle", "-E", "-O", "fair")
    worker = project.worker(*words)
    for word in words[:-2]:
        assert f"Note: {word} has no effect" in worker.log


def edit(project: Project, answer: int) -> None:
    project.write(
        f"{project.name}.py",
        f"""
        from celeriac import Celeriac

        app = Celeriac("{project.name}", broker="{project.url}", backend="{project.url}")

        @app.task
        def answer():
            return {answer}
        """,
    )


def answer_of(project: Project) -> str:
    """Ask the worker, in a process that knows today's code."""
    return project.run(
        "-b", project.url, "--result-backend", project.url, "call", f"{project.name}.answer", "-w", "20"
    ).stdout


def reloaded(worker: Process) -> bool:
    return "Reloading" in worker.log


def test_changed_code_is_taken_up(project: Project):
    edit(project, 41)
    worker = project.worker("--reload")
    assert answer_of(project) == "41\n"
    edit(project, 42)
    worker.wait_for("Reloading")
    wait_until(lambda: answer_of(project) == "42\n", "the new answer")
    assert f"Changed: {project.name}.py." in worker.log
    assert worker.end() == 0


def test_without_reload_code_stays_as_it_was(project: Project):
    edit(project, 41)
    worker = project.worker()
    edit(project, 42)
    assert answer_of(project) == "41\n"
    assert not reloaded(worker)


def test_code_that_cannot_be_imported_for_a_while_is_survived(project: Project):
    edit(project, 41)
    worker = project.worker("--reload")
    project.write(f"{project.name}.py", "this is = no Python\n")
    worker.wait_for("SyntaxError")
    edit(project, 42)
    wait_until(lambda: answer_of(project) == "42\n", "the new answer")
