"""A side: one queue to be measured, with how to run its programs and look into its file."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.worker import Worker

__all__ = ["Project", "Side", "sides"]

_HERE = Path(__file__).parent
#: Children of every worker.
CHILDREN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One queue."""

    name: str
    interpreter: str
    #: The module with its tasks.
    module: str
    #: What its worker is started by, after the interpreter.
    worker: tuple[str, ...]
    #: The table its file keeps waiting and running calls in, in the order of their ``id``.
    table: str
    environment: tuple[tuple[str, str], ...] = ()
    #: Its uppermost process does work of its own for each task.
    has_node: bool = False
    #: Measured only where the settings it differs in can matter.
    variant: bool = False

    @contextmanager
    def project(self, *, results: bool = True) -> "Iterator[Project]":
        """Give a new and empty queue."""
        with tempfile.TemporaryDirectory(prefix="celeriac-benchmark-") as directory:
            yield Project(self, Path(directory), results=results)


class Project:
    """A queue in a folder of its own."""

    def __init__(self, side: Side, directory: Path, *, results: bool) -> None:
        self.side = side
        self._file = directory / "queue.sqlite3"
        self._log = directory / "worker.log"
        self._environment = {
            **os.environ,
            **dict(side.environment),
            "BENCHMARK_DIRECTORY": str(directory),
            "BENCHMARK_RESULTS": "on" if results else "off",
            # Huey's consumer looks for the tasks there.
            "PYTHONPATH": str(_HERE),
        }

    def fill(self, count: int) -> None:
        """Publish a backlog, which is not measured: without waiting for the disk."""
        self.client("fill", count, environment={"BENCHMARK_FSYNC": "off", "BENCHMARK_SYNCHRONOUS": "normal"})

    def client(self, command: str, *numbers: int, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run ``client`` and return what it printed."""
        completed = subprocess.run(
            [self.side.interpreter, "client.py", self.side.module, command, *map(str, numbers)],
            cwd=_HERE,
            env=self._environment | dict(environment or {}),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        found: dict[str, Any] = json.loads(completed.stdout)
        return found

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Run a worker with two children."""
        worker = Worker([self.side.interpreter, *self.side.worker], _HERE, self._environment, self._log)
        try:
            yield worker
        finally:
            worker.stop()

    def span(self) -> int:
        """Return how many calls there are from the oldest to the newest that has not ended: quick at any length."""
        with closing(sqlite3.connect(self._file, timeout=10)) as connection:
            (span,) = connection.execute(
                f"SELECT (SELECT max(id) FROM {self.side.table}) - (SELECT min(id) FROM {self.side.table}) + 1"
            ).fetchone()
        return int(span or 0)


def sides() -> list[Side]:
    """Return celeriac, and the peers that are there."""
    worker = ("-m", "celeriac", "-A", "tasks_celeriac", "worker", "-c", str(CHILDREN), "-l", "WARNING")
    found = [
        Side(
            name=name,
            interpreter=sys.executable,
            module="tasks_celeriac",
            worker=worker,
            table="message",
            has_node=True,
            environment=(("BENCHMARK_SYNCHRONOUS", synchronous),),
            variant=synchronous == "full",
        )
        for name, synchronous in (("celeriac", "normal"), ("celeriac, synchronous=full", "full"))
    ]
    peer = os.environ.get("CELERIAC_PEER_PYTHON", "")
    if not peer:
        return found
    consumer = ("-m", "huey.bin.huey_consumer", "tasks_huey.huey", "-w", str(CHILDREN), "-k", "process", "-q")
    for name, fsync in (("Huey", "default"), ("Huey, fsync off", "off")):
        found.append(
            Side(
                name=name,
                interpreter=peer,
                module="tasks_huey",
                worker=consumer,
                table="task",
                environment=(("BENCHMARK_FSYNC", fsync),),
                variant=fsync == "off",
            )
        )
    return found
