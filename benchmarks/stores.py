"""Where the messages of a measurement lie: made empty, and taken away after it."""

import itertools
import os
import secrets
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg

from benchmarks.processes import cpu_seconds
from tests.servers.rabbit_server import RabbitServer
from tests.servers.redis_server import RedisServer

__all__ = ["PostgresStore", "RabbitStore", "RedisStore", "SqliteStore", "Store", "store_of", "temporary_directory"]

#: The PostgreSQL server that is used, not started: a database is made in it and dropped.
POSTGRES = (
    f"postgresql://{os.environ.get('PGUSER', 'postgres')}@{os.environ.get('PGHOST', '127.0.0.1')}"
    f":{os.environ.get('PGPORT', '5432')}/postgres"
)
#: A server that keeps nothing on disk: what is compared is what the queues make of it.
_IN_MEMORY = {"appendonly": "no"}

#: For ``rabbitmqctl eval``.
_DELETE_QUEUES = """[rabbit_amqqueue:delete(Q, false, false, <<"benchmark">>) || Q <- rabbit_amqqueue:list()], ok."""

_numbers = itertools.count(1)


class Store(ABC):
    """One empty store, in a folder of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        #: For queues that may choose their name.
        self.queue = f"benchmark-{os.getpid()}-{next(_numbers)}"

    @abstractmethod
    def urls(self) -> tuple[str, str]:
        """Return where the messages are, and the results."""

    def environment(self) -> dict[str, str]:
        """Return what tells producers and workers where it is."""
        broker, results = self.urls()
        return {
            "BENCHMARK_BROKER": broker,
            "BENCHMARK_RESULT_BACKEND": results,
            "BENCHMARK_QUEUE": self.queue,
            "BENCHMARK_DIRECTORY": str(self.directory),
        }

    def cpu(self) -> float | None:
        """Return the seconds of CPU its servers have used; None where there is no server."""
        return None

    def close(self) -> None:
        """Take it away."""


class SqliteStore(Store):
    """A file."""

    def urls(self) -> tuple[str, str]:
        url = f"sqlite:///{self.directory / 'queue.sqlite3'}"
        return url, url


class RedisStore(Store):
    """A Redis server started for this, in memory only; results in another database of it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.server = RedisServer(directory / "redis", settings=_IN_MEMORY)
        self.server.start()

    def urls(self) -> tuple[str, str]:
        url = f"redis://127.0.0.1:{self.server.port}"
        return f"{url}/0", f"{url}/1"

    def cpu(self) -> float:
        return cpu_seconds(psutil.Process(self.server.pid))

    def close(self) -> None:
        self.server.close()


class RabbitStore(Store):
    """Queues of a RabbitMQ server of this run, with results in a Redis server started for this."""

    def __init__(self, directory: Path, server: RabbitServer) -> None:
        super().__init__(directory)
        self.server = server
        self._results = RedisStore(directory)

    def urls(self) -> tuple[str, str]:
        return self.server.url, self._results.urls()[1]

    def cpu(self) -> float:
        return cpu_seconds(psutil.Process(self.server.pid)) + self._results.cpu()

    def close(self) -> None:
        self._results.close()
        # What is left in them takes the memory of the server, which is everybody's. If it is gone, others say so.
        with suppress(RuntimeError):
            self.server.control("eval", _DELETE_QUEUES)


class PostgresStore(Store):
    """A database of a PostgreSQL server. Its processes serve others too, so their CPU is not known."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._name = f"benchmark_{secrets.token_hex(4)}"
        self._do("CREATE")

    def urls(self) -> tuple[str, str]:
        url = urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{self._name}"))
        return url, url

    def close(self) -> None:
        self._do("DROP", "WITH (FORCE)")

    def _do(self, verb: str, option: str = "") -> None:
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute(f"{verb} DATABASE {self._name} {option}".encode())


def temporary_directory() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder for one measurement."""
    return tempfile.TemporaryDirectory(prefix="celeriac-benchmark-", ignore_cleanup_errors=True)


def store_of(engine: str, stack: ExitStack) -> Callable[[Path], Store]:
    """Return what makes empty stores of an engine; a server that all of them use ends with the stack."""
    if engine == "rabbitmq":
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="celeriac-benchmark-"))
        return partial(RabbitStore, server=stack.enter_context(RabbitServer(Path(directory))))
    stores: dict[str, Callable[[Path], Store]] = {
        "sqlite": SqliteStore,
        "redis": RedisStore,
        "postgresql": PostgresStore,
    }
    return stores[engine]
