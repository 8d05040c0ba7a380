"""The command itself: its help, its table of commands, how it behaves in a pipe."""

import subprocess
import sys

import click
import pytest

from celeriac.cli import main
from celeriac.cli.command_line import COMMANDS
from celeriac.version import __version__
from tests.cli.conftest import Project, environment

PRINT_MODULES = "import sys; from celeriac.cli import main; main({!r}, standalone_mode=False); print(*sys.modules)"


def loaded_after(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PRINT_MODULES.format(list(arguments))],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_no_command_and_no_engine():
    loaded = loaded_after("--help")
    assert "celeriac.cli.command_line" in loaded
    assert not {"rich", "sqlite3", "celeriac.app.base", "celeriac.worker.main", "celeriac.cli.status"} & loaded


def test_the_worker_loads_neither_the_api_nor_tables():
    loaded = loaded_after("worker", "--help")
    assert "celeriac.worker.main" in loaded
    assert not {"rich", "celeriac.app.base", "celeriac.cli.doctor"} & loaded


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says_of_itself(name):
    command = main.get_command(click.Context(main), name)
    assert command.name == name
    assert command.help.splitlines()[0] == COMMANDS[name].help


def test_every_command_is_in_the_help(project: Project):
    result = project.celeriac("--help")
    assert result.exit_code == 0
    width = max(len(name) for name in COMMANDS) + 2
    for name, entry in COMMANDS.items():
        assert f"  {name:<{width}}{entry.help}" in result.output
    assert "69 the broker cannot be used" in " ".join(result.output.split())


def test_it_says_its_version(project: Project):
    assert project.celeriac("--version").output == f"celeriac {__version__}\n"


def test_a_slip_in_a_commands_name_is_answered_with_the_command(project: Project):
    result = project.celeriac("statsu")
    assert result.exit_code == 2
    assert "There is no command 'statsu'. Did you mean 'status'?" in result.output


@pytest.mark.parametrize("name", ["inspect", "multi"])
def test_a_command_of_celerys_that_is_missing_is_answered_with_what_there_is(project: Project, name):
    result = project.app(name)
    assert result.exit_code == 2
    assert f"celeriac has no command {name!r}. " in result.output


def test_on_windows_the_worker_points_to_wsl(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.system", lambda: "Windows")
    result = project.app("worker")
    assert result.exit_code == 2
    assert "On Windows, run it in WSL." in result.output


def test_a_slip_in_an_options_name_is_answered_with_the_option(project: Project):
    result = project.app("worker", "--concurency", "2")
    assert result.exit_code == 2
    assert "--concurrency" in result.output


def test_python_minus_m_is_the_same_command(project: Project):
    done = project.run("--version")
    assert (done.returncode, done.stdout) == (0, f"celeriac {__version__}\n")


def test_a_reader_who_goes_away_is_no_error(project: Project):
    """As in ``celeriac queues | head -0``: the pipe is closed before anything is written."""
    project.app("call", f"{project.name}.add", "-a", "[1]")
    with subprocess.Popen(
        [sys.executable, "-m", "celeriac", "-A", project.name, "queues"],
        cwd=project.directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_folder_that_is_not_there_is_named(project: Project):
    result = project.celeriac("--workdir", "nowhere", "status")
    assert result.exit_code == 2
    assert "--workdir nowhere: No such file or directory" in result.output


def test_a_folder_is_entered_first(project: Project):
    project.write("inside/app_inside.py", "from celeriac import Celeriac\napp = Celeriac('app_inside')\n")
    done = project.run("--workdir", "inside", "-A", "app_inside", "report")
    assert done.returncode == 0, done.stderr
    assert f"sqlite:///{project.directory}/inside/celeriac.sqlite3" in done.stdout
