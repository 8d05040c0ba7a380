"""A real worker for tests: its node in a process of its own, on a SQLite file of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from celeriac import Celeriac

#: Seconds any condition may take to come true before the test fails.
PATIENCE = 30.0

RUN = """
import sys, json
from celeriac.exceptions import CeleriacError
from celeriac.worker.main import run_worker
from celeriac.worker.options import WorkerOptions
try:
    run_worker(WorkerOptions(**json.loads(sys.argv[1])))
except CeleriacError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> object:
    """Wait for a condition to be true and return what it returned; fail with ``what`` after the patience."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"after {patience:g} s: not {what}")
        time.sleep(0.02)


class Project:
    """A folder with an app in ``tasks.py``, the same app in this process, and workers on it."""

    def __init__(self, directory: Path, name: str, source: str, *, broker: str = "", backend: str = "") -> None:
        self.directory = directory
        self.name = name
        broker = broker or f"sqlite:///{directory}/queue.sqlite3"
        (directory / f"{name}.py").write_text(HEAD.format(broker=broker, backend=backend or broker) + source)
        sys.path.insert(0, str(directory))
        self.module = __import__(name)
        self.app: Celeriac = self.module.app
        self.workers: list[Worker] = []

    def __getattr__(self, task: str):
        return getattr(self.module, task)

    def worker(self, **options) -> "Worker":
        """Start a worker and wait until it is ready."""
        worker = Worker(self, options)
        self.workers.append(worker)
        worker.wait_ready()
        return worker

    def lines(self, name: str) -> list[str]:
        """Return the lines tasks have written to a file (``note``)."""
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []

    def close(self) -> None:
        for worker in self.workers:
            worker.destroy()
        self.app.close()
        sys.path.remove(str(self.directory))
        sys.modules.pop(self.name)


HEAD = """
import os, signal, sys, time
from pathlib import Path
from celeriac import Celeriac
app = Celeriac(__name__, broker="{broker}", backend="{backend}")
HERE = Path(__file__).parent
def note(name, text):
    with open(HERE / name, "a") as file:
        file.write(str(text) + "\\n")
"""


class Worker:
    """One worker."""

    def __init__(self, project: Project, options: dict) -> None:

        #: ``name@host``, for those who have given one.
        self.name = options.get("hostname", "")
        self.log_path = project.directory / f"worker-{len(project.workers)}.log"
        options = {
            "app": project.name,
            "loader": "celeriac.app.finding:find_app",
            "loglevel": "INFO",
            "concurrency": 2,
            **options,
        }
        self._log = self.log_path.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, json.dumps(options)],
            cwd=project.directory,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text()

    def wait_ready(self) -> None:
        wait_until(lambda: "is ready" in self.log or self.process.poll() is not None, f"ready:\n{self.log}")
        assert self.process.poll() is None, self.log

    def descendants(self) -> list[psutil.Process]:
        """Return all processes below the node."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the node process by SIGKILL, and it alone."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM, patience: float = PATIENCE) -> int:
        """Send a signal and wait for the node to end; return its exit status."""
        self.send_signal(number)
        return self.process.wait(patience)

    def destroy(self) -> None:
        """End all of it at once. Not waited for: dead orphans may stay for as long as init pleases."""
        processes = self.descendants()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._log.close()


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Project]]:
    """Return a function that makes a project from the source of its tasks, on a SQLite file or another broker."""
    projects: list[Project] = []

    def make(source: str, *, broker: str = "", backend: str = "") -> Project:
        name = f"tasks_{os.getpid()}_{id(request)}_{len(projects)}"
        made = Project(tmp_path, name, textwrap.dedent(source), broker=broker, backend=backend)
        projects.append(made)
        return made

    yield make
    for made in projects:
        made.close()
