"""``manage.py celeriac dev``: a real site, a real worker, a real terminal, and real edits of files."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.django.postoffice import free_port
from tests.django.small_site import SmallSite, environment, wait_until
from tests.terminal_session import CTRL_C, TerminalSession

pytestmark = pytest.mark.timeout(300)


class Dev:
    """The command on a site of its own."""

    def __init__(self, directory: Path, *words: str) -> None:
        self.site = SmallSite(directory)
        self.port = free_port()
        self.terminal = TerminalSession(
            [sys.executable, *(words or ("manage.py", "celeriac")), "dev", "--port", str(self.port), "-c", "2"],
            directory=directory,
            environment=environment(),
        )

    def wait_until_open(self) -> None:
        self.terminal.wait_for("Ctrl-C")
        self.terminal.wait_for("is ready")

    def page(self) -> str:
        """Return what the site answers; empty while it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.HTTPError):
            return ""

    def pid_of(self, words: str) -> int:
        """Return the process that was started first with these words."""
        return min(pid for pid, command in self.site.pids().items() if words in command)

    def close(self) -> None:
        self.terminal.close()
        self.site.close()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """One that runs all the time, for tests that leave it working."""
    made = Dev(tmp_path_factory.mktemp("dev"))
    made.wait_until_open()
    yield made
    made.close()


@pytest.fixture
def own_dev(tmp_path: Path) -> Iterator[Callable[..., Dev]]:
    started: list[Dev] = []

    def start(*words: str) -> Dev:
        started.append(Dev(tmp_path, *words))
        started[-1].wait_until_open()
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_site_and_worker_are_there_and_a_block_says_where(dev: Dev) -> None:
    assert dev.page() == "roses"
    assert dev.site.call("water", "5") == "5"
    lines = [line.rstrip() for line in dev.terminal.text.splitlines()]
    assert f"  Site     http://127.0.0.1:{dev.port}/" in lines
    assert "  Broker   sqlite:///" in dev.terminal.text
    assert "  Results  in the same place" in lines
    assert "  Stop     Ctrl-C" in lines


def test_each_line_begins_with_a_coloured_name(dev: Dev) -> None:
    assert "\x1b[36msite   |" in dev.terminal.raw
    assert "\x1b[32mworker |" in dev.terminal.raw
    assert "WARNING: This is a development server" not in dev.terminal.text


def test_changed_code_is_taken_up_while_a_task_that_runs_goes_on(dev: Dev) -> None:
    dev.site.begin("roses")
    dev.site.append("beds/tasks.py", "\n@shared_task\ndef prune():\n    return 'pruned'\n")
    wait_until(lambda: dev.site.call("prune") == '"pruned"', "the new task to be run")
    assert not dev.site.has_ended("roses")
    dev.site.may_end("roses")
    wait_until(lambda: dev.site.has_ended("roses"), "the task with the old code to end")
    dev.terminal.wait_for("Reloaded: what begins from now on runs the new code.")


def test_a_changed_template_is_taken_up(dev: Dev) -> None:
    assert dev.site.call("label") == '"roses"'
    dev.site.write("beds/templates/beds/label.txt", "tulips")
    wait_until(lambda: dev.site.call("label") == '"tulips"', "the new template to be used")


def test_code_with_a_mistake_is_told_once_and_the_former_code_runs_on(dev: Dev) -> None:
    dev.site.edit("beds/tasks.py", "return litres", "return litres * 2")
    dev.site.append("beds/tasks.py", MISTAKE)
    dev.terminal.wait_for("The app cannot be imported as it is now; its former code runs on. NameError: ")
    dev.terminal.wait_for("beds/tasks.py, line")
    assert dev.site.python("-c", CALL_BY_NAME).stdout == "7\n"
    wait_until(lambda: dev.site.path("tried").read_text() >= "xx", "another attempt to import it")
    dev.site.edit("beds/tasks.py", MISTAKE, "")
    wait_until(lambda: dev.site.call("water", "7") == "14", "the mended code to be used")
    assert dev.terminal.text.count("The app cannot be imported as it is now") == 1
    assert "A child could not import the app" not in dev.terminal.text
    assert dev.page() == "roses"


MISTAKE = """
with open("tried", "a") as file:
    file.write("x")
nobody_knows_this
"""

#: A call by a process that need not import the broken module.
CALL_BY_NAME = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "garden.settings"
import django
django.setup()
from celeriac import current_app
print(current_app.send_task("beds.tasks.water", [7]).get(timeout=30))
"""


def test_changed_settings_are_taken_up_by_a_new_worker(dev: Dev) -> None:
    dev.site.append(
        "garden/settings.py", 'CELERY_BROKER_URL = CELERY_RESULT_BACKEND = f"sqlite:///{BASE_DIR}/second.sqlite3"\n'
    )
    dev.terminal.wait_for("second.sqlite3, results")
    dev.terminal.wait_for(". Starting anew: warm shutdown")
    dev.terminal.wait_for("is ready", times=2)
    assert "second.sqlite3" in dev.site.manage("celeriac", "status").stdout
    assert dev.site.call("water", "1") in {"1", "2"}


def test_settings_with_a_mistake_end_the_site_until_they_are_mended(dev: Dev) -> None:
    dev.site.append("garden/settings.py", "this is = no Python\n")
    dev.terminal.wait_for("The site exited with status 1; it starts again when a file changes.")
    dev.site.edit("garden/settings.py", "this is = no Python\n", "")
    wait_until(lambda: dev.page() == "roses", "the site to be back")
    wait_until(lambda: dev.site.call("water", "1") in {"1", "2"}, "the worker to work")


def test_a_worker_that_dies_is_told_of_and_is_back_after_a_change(own_dev: Callable[..., Dev]) -> None:
    dev = own_dev()
    os.kill(dev.pid_of("celeriac worker"), signal.SIGKILL)
    dev.terminal.wait_for("The worker was killed by SIGKILL; it starts again")
    if "when a file changes" in dev.terminal.text:  # it had not run for long
        dev.site.append("beds/tasks.py", "\n")
    dev.terminal.wait_for("is ready", times=2)
    assert dev.site.call("water", "2") == "2"


def test_ctrl_c_lets_a_task_finish_and_leaves_no_process(own_dev: Callable[..., Dev]) -> None:
    dev = own_dev()
    dev.site.begin("roses")
    dev.terminal.type(CTRL_C)
    dev.terminal.wait_for("Stopping. What runs may finish; Ctrl-C again stops it at once.")
    dev.terminal.wait_for("warm shutdown")
    assert not dev.site.has_ended("roses")
    dev.site.may_end("roses")
    assert dev.terminal.end() == 0
    assert dev.site.has_ended("roses")
    assert dev.site.pids() == {}
    assert "Traceback" not in dev.terminal.text


def test_a_second_ctrl_c_stops_at_once_and_the_task_is_given_back(own_dev: Callable[..., Dev]) -> None:
    dev = own_dev("-m", "celeriac")  # without manage.py's help: its settings are found
    assert dev.page() == "roses"
    dev.site.begin("roses")
    dev.terminal.type(CTRL_C)
    dev.terminal.wait_for("warm shutdown")
    dev.terminal.type(CTRL_C)
    assert dev.terminal.end() == 0
    assert not dev.site.has_ended("roses")
    assert dev.site.pids() == {}
    assert '"ready": 1' in dev.site.manage("celeriac", "queues", "--json").stdout


def test_closing_the_window_ends_it_as_ctrl_c_does(own_dev: Callable[..., Dev]) -> None:
    dev = own_dev()
    dev.site.begin("roses")
    dev.terminal.close_window()
    wait_until(lambda: not any("runserver" in command for command in dev.site.pids().values()), "the site to end")
    assert not dev.site.has_ended("roses")
    dev.site.may_end("roses")
    assert dev.terminal.process.wait(60) == 0
    assert dev.site.has_ended("roses")
    assert dev.site.pids() == {}


def test_nothing_outlives_a_dev_that_is_killed_but_the_task_that_runs(own_dev: Callable[..., Dev]) -> None:
    dev = own_dev()
    guard = dev.pid_of("guard.py")
    os.kill(guard, signal.SIGKILL)  # another one takes its place
    wait_until(lambda: any("guard.py" in command for command in dev.site.pids().values()), "a new guard")
    dev.site.begin("roses")
    dev.terminal.process.kill()
    wait_until(lambda: not any("runserver" in command for command in dev.site.pids().values()), "the site to end")
    dev.site.may_end("roses")
    wait_until(lambda: dev.site.pids() == {}, "every process to end")
    assert dev.site.has_ended("roses")


def test_a_port_in_use_is_told_and_another_one_proposed(tmp_path: Path) -> None:
    site = SmallSite(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = site.manage("celeriac", "dev", "--port", str(port))
    assert refused.returncode == 2
    assert f"Port {port} is in use by another program; --port " in refused.stderr
    assert "would do." in refused.stderr


def test_in_a_pipe_there_are_no_colours_and_its_end_ends_everything(tmp_path: Path) -> None:
    site = SmallSite(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "celeriac", "dev", "--port", str(free_port()), "--no-site"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "is ready" in line:
            break
    assert "\x1b" not in "".join(lines)
    assert not any(line.startswith("site") for line in lines)
    process.stdout.close()
    site.append("beds/tasks.py", "\n")  # what the worker says of it has no reader
    assert process.wait(60) == 0
    wait_until(lambda: site.pids() == {}, "every process to end")
