"""Whatever a user can get wrong is answered by one sentence with the cure, and an exit status."""

from pathlib import Path

import pytest

from celeriac.brokers.base import Broker
from tests.cli.conftest import Project


@pytest.mark.parametrize("command", [("status",), ("queues",), ("call", "x"), ("worker",), ("dead", "list")])
def test_without_an_app_the_ways_to_name_one_are_told(project: Project, command):
    (project.directory / f"{project.name}.py").unlink()
    result = project.celeriac(*command)
    assert result.exit_code == 2
    assert "No app is named: say -A MODULE" in result.output
    assert "CELERIAC_APP" in result.output


def test_without_an_app_the_one_in_this_folder_is_suggested(project: Project):
    assert f"celeriac -A {project.name} status" in project.celeriac("status").output


def test_a_module_that_is_not_there(project: Project):
    result = project.celeriac("-A", "nowhere", "status")
    assert result.exit_code == 2
    assert "There is no module 'nowhere': check -A" in result.output


def test_a_module_without_an_app(project: Project):
    result = project.celeriac("-A", project.module("x = 1"), "status")
    assert result.exit_code == 2
    assert "There is no app in module" in result.output


@pytest.mark.parametrize("file", ["tasks.py", "tasks"])
def test_the_name_of_a_file_is_answered_with_that_of_the_module(project: Project, file):
    result = project.celeriac("-A", f"proj/{file}", "status")
    assert result.exit_code == 2
    assert "-A takes a module, not a file: write -A proj.tasks." in result.output


IN_USERS_CODE = {
    "ModuleNotFoundError: No module named 'reqests'": "import celeriac\nimport reqests\n",
    "SyntaxError: '(' was never closed": "x = 1\nx = max(1\n",
    "ZeroDivisionError: division by zero": "x = 1\nx = 1 / 0\n",
    "SystemExit: 4": "import sys\nsys.exit(4)\n",
}


@pytest.mark.parametrize("error", IN_USERS_CODE)
def test_an_error_in_the_users_code_is_shown_with_their_lines_alone(project: Project, error):
    helper = project.module(IN_USERS_CODE[error], name="helper")
    name = project.module(f"import {helper}\n")
    result = project.celeriac("-A", name, "status")
    assert result.exit_code == 2
    assert f"The app '{name}' cannot be imported. {error}" in result.output
    assert f"  {name}.py, line 1\n    import {helper}\n  {helper}.py, line 2\n" in result.output
    assert "importlib" not in result.output
    assert "celeriac/" not in result.output


def test_a_worker_shows_an_error_in_the_users_code_alike(project: Project):
    helper = project.module("import os\nimport reqests\n", name="helper")
    name = project.module(f"from celeriac import Celeriac\napp = Celeriac('x')\nimport {helper}\n")
    done = project.run("-A", name, "worker", "-c", "1")
    assert done.returncode == 2
    assert "The app cannot be imported. ModuleNotFoundError: No module named 'reqests'" in done.stderr
    assert f"  {name}.py, line 3\n    import {helper}\n  {helper}.py, line 2\n    import reqests\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_is_a_slip_is_answered_with_the_setting_and_the_line(project: Project):
    name = project.module("from celeriac import Celeriac\napp = Celeriac('x')\napp.conf.update(task_acks_lat=True)\n")
    result = project.celeriac("-A", name, "status")
    assert result.exit_code == 2
    assert "There is no setting task_acks_lat: did you mean task_acks_late?" in result.output
    assert f"{name}.py, line 3" in result.output


def test_a_setting_of_the_wrong_kind(project: Project):
    name = project.module("from celeriac import Celeriac\napp = Celeriac('x', task_time_limit='soon')\n")
    result = project.celeriac("-A", name, "status")
    assert result.exit_code == 2
    assert "task_time_limit must be a number of seconds" in result.output


URLS = {
    "no-url": "has no scheme",
    "sqlit:///x.db": "Did you mean sqlite://?",
    "postgresql://localhost": "celeriac has no broker for postgresql:// URLs. One comes in a later release.",
    "sqlite://x.db": "write sqlite:///x.db",
    "memory://": "lives inside one process",
}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("command", ["status", "worker"])
def test_a_broker_url_that_leads_nowhere(project: Project, url, command):
    if command == "worker":
        done = project.run("-A", project.name, "-b", url, "worker", "-c", "1")
        exit_code, output = done.returncode, done.stderr
    else:
        result = project.celeriac("-A", project.name, "-b", url, command)
        exit_code, output = result.exit_code, result.output
    assert exit_code == 2, output
    assert URLS[url] in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("url", "what", "cure"),
    [
        ("redis://me:s3cret@127.0.0.1:1/0", "No Redis server answers at redis://127.0.0.1:1", "redis-server"),
        ("amqp://me:s3cret@127.0.0.1:1//", "No RabbitMQ listens on 127.0.0.1:1", "rabbitmq-server"),
    ],
)
def test_a_server_that_is_not_there_is_told_how_to_be_started(project: Project, url, what, cure):
    for words in (("status",), ("call", f"{project.name}.add", "-a", "[1]"), ("queues",), ("give-back",)):
        result = project.celeriac("-A", project.name, "-b", url, *words)
        assert result.exit_code == 69, result.output
        assert what in result.output
        assert f"'systemctl start {cure}'" in result.output
        assert "s3cret" not in result.output


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder that nobody may write to")
@pytest.mark.parametrize("command", [("status",), ("call", "{name}.add", "-a", "[1]"), ("worker", "-c", "1")])
def test_a_broker_that_cannot_be_written(project: Project, command):
    words = [word.format(name=project.name) for word in command]
    done = project.run("-A", project.name, "-b", "sqlite:////proc/queue.sqlite3", *words)
    assert done.returncode == 69
    assert "Error: " in done.stderr
    assert "/proc/queue.sqlite3" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_missing_for_the_broker(project: Project):
    result = project.celeriac("-A", project.name, "-b", f"sqlite:///{project.directory}/none/x.db", "status")
    assert result.exit_code == 69
    assert "none does not exist. Create it." in result.output


def test_a_file_that_is_no_database(project: Project):
    project.write("text.db", "this is no database, and long enough to be seen as none\n" * 50)
    result = project.celeriac("-A", project.name, "-b", f"sqlite:///{project.directory}/text.db", "status")
    assert result.exit_code == 69
    assert "is not an SQLite database" in result.output


def test_a_warning_of_ours_is_a_sentence(project: Project):
    name = project.module(
        """
        from celeriac import Celeriac
        app = Celeriac("x")
        app.config_from_object({"task_acks_lat": True})
        """
    )
    done = project.run("-A", name, "queues")
    assert done.returncode == 0
    assert "Warning: There is no setting task_acks_lat: did you mean task_acks_late?\n" in done.stderr


def test_a_broker_named_alone_needs_no_app(project: Project, broker: Broker):
    broker.open()
    (project.directory / f"{project.name}.py").unlink()
    result = project.celeriac("-b", project.url, "dead", "list")
    assert (result.exit_code, result.output) == (0, "There are no dead letters.\n")
