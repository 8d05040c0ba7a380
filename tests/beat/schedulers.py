"""Schedulers as real processes on an app of a test's own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from celeriac import Celeriac
from celeriac.testing.conformance.harness import until
from tests.beat.clockwork import Stores

__all__ = ["Published", "Schedulers"]

QUEUE = "runs"
_PATIENCE = 40.0

SOURCE = """
from celeriac import Celeriac

app = Celeriac("clockwork", broker={broker!r}, backend={backend!r}, set_as_current=False)
app.conf.task_default_queue = {queue!r}


@app.task
def work(name):
    pass


app.conf.beat_schedule = {{"every second": {{"task": "clockwork.work", "args": (1,), "schedule": 1}}}}
"""


class Published(NamedTuple):
    """One message at the broker."""

    id: str
    entry: str
    due: str


class Schedulers:
    """Some ``celeriac beat`` processes on one app."""

    def __init__(self, directory: Path, stores: Stores) -> None:
        self.directory = directory
        self.app = Celeriac("clockwork", broker=stores.broker, backend=stores.backend, set_as_current=False)
        self.app.conf.task_default_queue = QUEUE
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._started = 0
        (directory / "clockwork.py").write_text(
            SOURCE.format(broker=stores.broker, backend=stores.backend, queue=QUEUE)
        )

    def start(self) -> None:
        """Start one more."""
        self._started += 1
        with (self.directory / f"beat-{self._started}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celeriac", "-A", "clockwork", "beat"],
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        self._running[process.pid] = process

    @property
    def pids(self) -> list[int]:
        return list(self._running)

    def health(self) -> tuple[int, str]:
        """Ask ``celeriac beat --health``; return its status and what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "celeriac", "-A", "clockwork", "beat", "--health"],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, (done.stderr + done.stdout).strip().removeprefix("Error: ")

    def leader(self) -> int | None:
        """Return the process id of the one that leads."""
        with self._timetable() as timetable:
            leader = timetable.leader()
            if leader is None or not leader.leads_at(timetable.now()):
                return None
            return int(leader.name.rpartition(":")[2])

    def await_leader(self) -> int:
        """Wait until one leads, and return its process id."""
        return until(self.leader, timeout=_PATIENCE)

    def kill(self, pid: int) -> None:
        """End one by SIGKILL."""
        process = self._running.pop(pid)
        process.kill()
        process.wait()

    def close(self) -> None:
        """End whatever runs."""
        for pid in self.pids:
            self.kill(pid)
        self.app.close()

    @contextmanager
    def _timetable(self) -> Iterator:
        timetable = self.app.timetable()
        try:
            yield timetable
        finally:
            timetable.close()
