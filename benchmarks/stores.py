"""Where the messages of a measurement lie: made empty, looked into while a worker works, and taken away.

How much is left of a backlog is asked many times a second, so it has to be quick at any length. A server cannot say
quickly which messages are taken and not done; there the backlog ends with a mark, a task that writes a file.
"""

import os
import secrets
import socket
import sqlite3
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import redis

from celeriac.brokers.base import Broker
from celeriac.engines import broker_from_url

__all__ = ["RabbitStore", "RedisStore", "SqliteStore", "Store", "free_port"]

#: The server that is used, not started; its queues have names of their own and are deleted.
RABBITMQ = os.environ.get("CELERIAC_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
#: Seconds a server may take to start.
_PATIENCE = 10.0


class Store(ABC):
    """One empty store, in a folder of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return what tells producers and workers where it is."""

    @abstractmethod
    def left(self) -> int:
        """Return how many calls have not ended, as nearly as can be told quickly; 0 only when all have."""

    def close(self) -> None:
        """Take it away."""


class SqliteStore(Store):
    """A file; ``table`` is where waiting and running calls are, in the order of their ``id``."""

    def __init__(self, directory: Path, table: str) -> None:
        super().__init__(directory)
        self._file = directory / "queue.sqlite3"
        self._table = table

    def environment(self) -> dict[str, str]:
        return {"BENCHMARK_BROKER": f"sqlite:///{self._file}", "BENCHMARK_RESULT_BACKEND": f"sqlite:///{self._file}"}

    def left(self) -> int:
        with closing(sqlite3.connect(self._file, timeout=10)) as connection:
            (span,) = connection.execute(
                f"SELECT (SELECT max(id) FROM {self._table}) - (SELECT min(id) FROM {self._table}) + 1"
            ).fetchone()
        return int(span or 0)


class _MarkedStore(Store):
    """A store whose backlogs end with a mark."""

    def environment(self) -> dict[str, str]:
        return {"BENCHMARK_MARK": str(self.directory / "mark")}

    def left(self) -> int:
        return self._ready() + (0 if (self.directory / "mark").exists() else 1)

    @abstractmethod
    def _ready(self) -> int:
        """Return how many messages wait in the queue."""


class RedisStore(_MarkedStore):
    """A Redis server started for this, in memory only; ``queue`` is the list's key."""

    def __init__(self, directory: Path, queue: str) -> None:
        super().__init__(directory)
        self._queue = queue
        self._port = free_port()
        options = {"port": self._port, "dir": directory, "save": "", "appendonly": "no", "loglevel": "warning"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._server = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        self._client = redis.Redis(port=self._port)
        _wait_for(self._client.ping)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    def environment(self) -> dict[str, str]:
        url = f"redis://127.0.0.1:{self._port}"
        urls = {"BENCHMARK_BROKER": f"{url}/0", "BENCHMARK_RESULT_BACKEND": f"{url}/1"}
        return {**super().environment(), **urls}

    def close(self) -> None:
        self._client.close()
        self._server.terminate()
        self._server.wait()

    def _ready(self) -> int:
        return int(self._client.llen(self._queue))


class RabbitStore(_MarkedStore):
    """A queue of a RabbitMQ server, with results in a Redis server started for this."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._queue = f"benchmark-{secrets.token_hex(4)}"
        self._results = RedisStore(directory, "unused")
        self._broker: Broker = broker_from_url(RABBITMQ)

    def environment(self) -> dict[str, str]:
        return {**self._results.environment(), "BENCHMARK_BROKER": RABBITMQ, "BENCHMARK_QUEUE": self._queue}

    def close(self) -> None:
        self._broker.delete(self._queue)
        self._broker.close()
        self._results.close()

    def _ready(self) -> int:
        return self._broker.size(self._queue).ready or 0


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def _wait_for(action: Callable[[], object]) -> None:
    """Call it until it no longer fails."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with suppress(redis.ConnectionError):
            action()
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"The server has not started within {_PATIENCE:g} s.")
        time.sleep(0.02)


def temporary_directory() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder for one measurement."""
    return tempfile.TemporaryDirectory(prefix="celeriac-benchmark-")
