"""A side: one queue to be measured, with how to run its programs and look into its store."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.stores import RabbitStore, RedisStore, SqliteStore, Store, temporary_directory
from benchmarks.worker import Worker

__all__ = ["ENGINES", "Project", "Side", "sides"]

_HERE = Path(__file__).parent
#: Children of every worker.
CHILDREN = 2
#: What can be measured.
ENGINES = ("sqlite", "redis", "rabbitmq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One queue."""

    name: str
    interpreter: str
    #: The module with its tasks.
    module: str
    #: What its worker is started by, after the interpreter.
    worker: tuple[str, ...]
    #: Makes an empty store in a folder.
    store: Callable[[Path], Store]
    environment: tuple[tuple[str, str], ...] = ()
    #: Its uppermost process does work of its own for each task.
    has_node: bool = False
    #: Measured only where the settings it differs in can matter.
    variant: bool = False

    @contextmanager
    def project(self, *, results: bool = True) -> "Iterator[Project]":
        """Give a new and empty queue."""
        with temporary_directory() as directory:
            store = self.store(Path(directory))
            try:
                yield Project(self, store, results=results)
            finally:
                store.close()


class Project:
    """A queue in a folder of its own."""

    def __init__(self, side: Side, store: Store, *, results: bool) -> None:
        self.side = side
        self._store = store
        self._log = store.directory / "worker.log"
        self._environment = {
            **os.environ,
            **dict(side.environment),
            **store.environment(),
            "BENCHMARK_DIRECTORY": str(store.directory),
            "BENCHMARK_RESULTS": "on" if results else "off",
            # A peer's worker looks for the tasks there.
            "PYTHONPATH": os.pathsep.join([str(_HERE), os.environ.get("PYTHONPATH", "")]),
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
        queue = self._environment.get("BENCHMARK_QUEUE")
        which = ["-Q", queue] if queue else []
        worker = Worker([self.side.interpreter, *self.side.worker, *which], _HERE, self._environment, self._log)
        try:
            yield worker
        finally:
            worker.stop()

    def span(self) -> int:
        """Return how many calls have not ended, as nearly as can be told quickly; 0 only when all have."""
        return self._store.left()


def sides(engine: str) -> list[Side]:
    """Return celeriac, and the peers that are there, on one of ``ENGINES``."""
    return {"sqlite": _on_sqlite, "redis": _on_redis, "rabbitmq": _on_rabbitmq}[engine]()


def _celeriac(store: Callable[[Path], Store], **environment: str) -> Side:
    worker = ("-m", "celeriac", "-A", "tasks_celeriac", "worker", "-c", str(CHILDREN), "-l", "WARNING")
    return Side(
        name="celeriac",
        interpreter=sys.executable,
        module="tasks_celeriac",
        worker=worker,
        store=store,
        has_node=True,
        environment=tuple(environment.items()),
    )


def _huey(store: Callable[[Path], Store], **environment: str) -> list[Side]:
    consumer = ("-m", "huey.bin.huey_consumer", "tasks_huey.huey", "-w", str(CHILDREN), "-k", "process", "-q")
    return _peer("Huey", "tasks_huey", consumer, store, environment)


def _celery(store: Callable[[Path], Store]) -> list[Side]:
    worker = ("-m", "celery", "-A", "tasks_celery", "worker", "-c", str(CHILDREN), "-l", "WARNING")
    return _peer("Celery", "tasks_celery", worker, store, {})


def _peer(
    name: str, module: str, worker: tuple[str, ...], store: Callable[[Path], Store], environment: Mapping[str, str]
) -> list[Side]:
    interpreter = os.environ.get("CELERIAC_PEER_PYTHON", "")
    if not interpreter:
        return []
    return [
        Side(
            name=name,
            interpreter=interpreter,
            module=module,
            worker=worker,
            store=store,
            environment=tuple(environment.items()),
        )
    ]


def _on_sqlite() -> list[Side]:
    own, peers = partial(SqliteStore, table="message"), partial(SqliteStore, table="task")
    celeriac = _celeriac(own, BENCHMARK_SYNCHRONOUS="normal")
    full = _celeriac(own, BENCHMARK_SYNCHRONOUS="full")
    huey = _huey(peers, BENCHMARK_FSYNC="default")
    off = _huey(peers, BENCHMARK_FSYNC="off")
    return [
        celeriac,
        replace(full, name="celeriac, synchronous=full", variant=True),
        *huey,
        *(replace(side, name="Huey, fsync off", variant=True) for side in off),
    ]


def _on_redis() -> list[Side]:
    lists = partial(RedisStore, queue="celery")
    return [_celeriac(lists), *_celery(lists), *_huey(partial(RedisStore, queue="huey.redis.benchmark"))]


def _on_rabbitmq() -> list[Side]:
    return [_celeriac(RabbitStore), *_celery(RabbitStore)]
