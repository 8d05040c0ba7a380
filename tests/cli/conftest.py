"""The command line on a project of its own: in this process where that is enough, as real processes where it is not."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from celeriac import local
from celeriac.app import shared
from celeriac.brokers.base import Broker, Outcome, Settlement
from celeriac.cli import main
from celeriac.cli.app_choice import APP_VARIABLES
from celeriac.engines import broker_from_url
from celeriac.protocol.message import Message
from celeriac.routing import Queue

#: Seconds any condition may take to come true before the test fails.
PATIENCE = 30.0

#: What would lead the command somewhere else.
_VARIABLES = (*APP_VARIABLES, "CELERIAC_BROKER_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "NO_COLOR")

TASKS = """
from celeriac import Celeriac

app = Celeriac("{name}", broker="{url}", backend="{url}")


@app.task
def add(x: int, y: int = 1) -> int:
    return x + y


@app.task
def fail(text: str) -> None:
    raise ValueError(text)


@app.task
def odd():
    return object()
"""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition to be true; fail with ``what`` after the patience."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {PATIENCE:g} s: not {what}")
        time.sleep(0.02)


class Process:
    """A ``celeriac`` process; its output goes to a file."""

    def __init__(self, directory: Path, number: int, arguments: tuple[str, ...]) -> None:
        self.directory = directory
        self._log_path = directory / f"process-{number}.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celeriac", *arguments],
                cwd=directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log_path.read_text(errors="replace")

    def wait_for(self, text: str) -> "Process":
        """Wait until it has printed this."""
        wait_until(lambda: text in self.log or self.process.poll() is not None, f"{text!r} in:\n{self.log}")
        assert text in self.log, self.log
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send an OS signal, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit status."""
        return self.process.wait(PATIENCE)


class Project:
    """A folder with modules of a user's, and the command used in it."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        #: The module with the app ``TASKS``; no other test's has this name.
        self.name = name
        self.url = f"sqlite:///{directory}/queue.sqlite3"
        self.processes: list[Process] = []
        self.write(f"{name}.py", TASKS.format(name=name, url=self.url))

    def write(self, name: str, source: str) -> None:
        """Write a file."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))

    def module(self, source: str, name: str = "other") -> str:
        """Write a module and return its name, which no other test's has."""
        name = f"{name}_{self.name}"
        self.write(f"{name}.py", source)
        return name

    def celeriac(self, *arguments: str, typed: str | None = None) -> Result:
        """Run a command in this process, without ``-A``."""
        result = CliRunner().invoke(main, arguments, prog_name="celeriac", input=typed, catch_exceptions=False)
        assert {"--traceback", "--json"} & set(arguments) or "Traceback" not in result.output
        return result

    def app(self, *arguments: str) -> Result:
        """Run a command for the app in this process."""
        return self.celeriac("-A", self.name, *arguments)

    def start(self, *arguments: str) -> Process:
        """Start a command as a process."""
        process = Process(self.directory, len(self.processes), arguments)
        self.processes.append(process)
        return process

    def worker(self, *arguments: str) -> Process:
        """Start a worker and wait until it is ready."""
        return self.start("-A", self.name, "worker", "-c", "1", *arguments).wait_for("is ready")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a process."""
        return subprocess.run(
            [sys.executable, "-m", "celeriac", *arguments],
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def environment() -> dict[str, str]:
    """Return this process's environment without what would lead the command elsewhere."""
    return {name: value for name, value in os.environ.items() if name not in _VARIABLES} | {"COLUMNS": "80"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for variable in _VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(local._apps, "current", local._apps.current)
    # celeriac's own tasks stay; those that tests of other folders have shared with every app do not.
    own = [each for each in shared._finalizers if each.__qualname__ != "share.<locals>.add_to"]
    monkeypatch.setattr(shared, "_finalizers", own)
    before = set(sys.modules)
    name = "tasks_" + "".join(character for character in tmp_path.name if character.isalnum())
    made = Project(tmp_path, name)
    yield made
    for process in made.processes:
        process.end(signal.SIGQUIT)
    for module in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[module], "__file__", None) or ""):
            del sys.modules[module]


@pytest.fixture
def broker(project: Project) -> Iterator[Broker]:
    opened = broker_from_url(project.url)
    yield opened
    opened.close()


def message(name: str, *, task_id: str, queue: str = "celery", body: bytes = b"[[7], {}, {}]", **more) -> Message:
    """Return a task call."""
    headers = {"task": name, "id": task_id, "argsrepr": "(7,)"}
    return Message(id=task_id, queue=queue, headers=headers, body=body, **more)


def bury(broker: Broker, *messages: Message, reason: str = "Nobody wants it.") -> None:
    """Make dead letters of messages."""
    broker.declare(Queue("celery"))
    broker.publish(messages)
    consumer = broker.consumer([Queue("celery")], node="undertaker@here")
    deliveries = consumer.receive(len(messages), PATIENCE)
    assert len(deliveries) == len(messages)
    consumer.settle([Settlement(delivery=each, outcome=Outcome.REJECT, reason=reason) for each in deliveries])
    consumer.close()
