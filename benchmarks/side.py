"""A side: one peer on one engine, with how to run its programs."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import Peer
from benchmarks.stores import Store, temporary_directory
from benchmarks.worker import Worker

__all__ = ["ClientFailed", "Project", "Side"]

#: What the sides' own interpreters run.
_TASKS = Path(__file__).parent / "tasks"
#: Seconds until the first task of a worker must have run, and the time between two looks.
START = 30.0
_LOOK = 0.005


class ClientFailed(Exception):  # noqa: N818 - it says what happened
    """A producer has failed; the text is the last line it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One peer, ready to be measured."""

    peer: Peer
    interpreter: Path
    #: Makes an empty store in a folder.
    store: Callable[[Path], Store]

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.peer.name

    @contextmanager
    def project(self, *, results: bool = True, coroutines: bool = False) -> "Iterator[Project]":
        """Give a new and empty queue; with ``coroutines`` it has tasks of that kind too, if it has a choice."""
        with temporary_directory() as directory:
            store = self.store(Path(directory))
            try:
                yield Project(self, store, results=results, coroutines=coroutines)
            finally:
                store.close()


class Project:
    """A queue in a folder of its own."""

    def __init__(self, side: Side, store: Store, *, results: bool, coroutines: bool) -> None:
        self.store = store
        self._side = side
        self._environment = {
            **os.environ,
            **dict(side.peer.variables),
            **store.environment(),
            "BENCHMARK_RESULTS": "on" if results else "off",
            "BENCHMARK_COROUTINES": "on" if coroutines else "off",
            "PYTHONPATH": os.pathsep.join([str(_TASKS), side.peer.source or os.environ.get("PYTHONPATH", "")]),
        }
        # Whoever is installed has been compiled; who runs from its source is not to be compiled at each start.
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for words in side.peer.prepare:
            subprocess.run(self._command(words), cwd=_TASKS, env=self._environment, check=True, capture_output=True)

    def client(self, command: str, *numbers: int, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run ``client`` and return what it printed."""
        completed = subprocess.run(
            [str(self._side.interpreter), "client.py", self._side.peer.module, command, *map(str, numbers)],
            cwd=_TASKS,
            env=self._environment | dict(variables or {}),
            capture_output=True,
            check=False,
            text=True,
        )
        if completed.returncode:
            raise ClientFailed(f"its producer failed: {(completed.stderr.strip().splitlines() or ['?'])[-1][-300:]}")
        found: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
        return found

    def run(self, program: str, *words: str) -> str:
        """Run a program of the side's environment and return what it printed."""
        command = [str(self._side.interpreter.with_name(program)), *words]
        return subprocess.run(
            command, cwd=_TASKS, env=self._environment, check=True, capture_output=True, text=True
        ).stdout

    def fill(self, warm: int, count: int, behind: int = 0) -> None:
        """Publish a backlog, which is not measured: without waiting for the disk."""
        fast = {"BENCHMARK_FSYNC": "off", "BENCHMARK_SYNCHRONOUS": "normal"}
        self.client("fill", warm, count, behind, variables=fast)

    def forget_marks(self) -> None:
        """Have no mark reached."""
        for file in self.store.directory.glob("mark-*"):
            file.unlink()

    @contextmanager
    def worker(self, *, nodes: int = 1, queues: int = 0) -> Iterator[Worker]:
        """Run a worker with two processes that execute tasks; several nodes are several of them."""
        words = [*self._side.peer.worker]
        if queues:
            words += ["-Q", ",".join(f"{self.store.queue}-{number}" for number in range(queues))]
        worker = Worker(
            self._command(words),
            copies=self._side.peer.copies * nodes,
            directory=_TASKS,
            environment=self._environment,
            log=self.store.directory / "worker.log",
        )
        try:
            yield worker
        finally:
            worker.stop()

    def wait_for_mark(self, worker: Worker, name: str, patience: float = START) -> float:
        """Return when the mark was reached, on the monotonic clock."""
        file = self.store.directory / f"mark-{name}"
        deadline = time.monotonic() + patience
        while True:
            noted = file.read_text() if file.exists() else ""
            if noted.endswith("\n"):
                return float(noted)
            worker.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"its worker has not got on within {patience:g} s: {worker.last_words()}")
            time.sleep(_LOOK)

    def wait_until_done(self, worker: Worker, count: int, patience: float) -> float:
        """Return when so many tasks were done, of those that note it, on the monotonic clock."""
        file = self.store.directory / "done"
        deadline = time.monotonic() + patience
        while not file.exists() or file.stat().st_size < count:
            worker.check()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"its worker has not done {count:,} tasks within {patience:g} s: {worker.last_words()}"
                )
            time.sleep(_LOOK)
        return time.monotonic()

    def _command(self, words: list[str] | tuple[str, ...]) -> list[str]:
        """Return a peer's words as a command: a program of its environment, and the store's addresses filled in."""
        program, *others = (word.format(**self._environment) for word in words)
        return [str(self._side.interpreter.with_name(program)), *others]
