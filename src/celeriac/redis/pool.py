"""The connections of one process to one server, for many threads."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from celeriac.redis.connecting import Connector
from celeriac.redis.connection import DEFAULT_TIMEOUT, Connection
from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.forks import watch
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall

__all__ = ["Pool"]


class Pool:
    """Lends each thread a connection for as long as a call takes; keeps those that are idle.

    There are ``Location.max_connections`` at the most: who comes when all are lent waits.
    """

    #: The last one given back is lent first, so that few are in use where few are needed.
    _idle: list[Connection]
    _epoch: int

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        self._limit = connector.location.max_connections
        self._reset()
        watch(self)

    @contextlib.contextmanager
    def connection(self, *, timeout: float | None = None) -> Iterator[Connection]:
        """Lend a connection; wait for one up to ``timeout`` seconds."""
        connection, epoch = self._take(timeout)
        try:
            yield connection
        finally:
            self._give_back(connection, epoch)

    def call(self, *command: Argument, timeout: float | None = None) -> Reply:
        """Do what ``Connection.call`` does, on any of them."""
        connection, epoch = self._take(timeout)
        try:
            return connection.call(*command, timeout=timeout)
        finally:
            self._give_back(connection, epoch)

    def run(self, call: ScriptCall, *, timeout: float | None = None) -> Reply:
        """Do what ``Connection.run`` does, on any of them."""
        connection, epoch = self._take(timeout)
        try:
            return connection.run(call, timeout=timeout)
        finally:
            self._give_back(connection, epoch)

    def pipeline(self, commands: Sequence[Command], *, timeout: float | None = None) -> list[Reply]:
        """Do what ``Connection.pipeline`` does, on any of them."""
        connection, epoch = self._take(timeout)
        try:
            return connection.pipeline(commands, timeout=timeout)
        finally:
            self._give_back(connection, epoch)

    def open(self, *, timeout: float | None = None) -> None:
        """Make sure of one connection; raises ``RedisUnavailable`` with the cure."""
        with self.connection(timeout=timeout) as connection:
            connection.open(timeout=timeout)

    def close(self) -> None:
        """Close them; those that are lent when they are given back. Safe to call twice; the next call connects."""
        with self._mutex:
            self._epoch += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def after_fork_in_child(self) -> None:
        """Begin anew: what is lent belongs to the parent's threads."""
        self._reset()

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._free = threading.Semaphore(self._limit)
        self._idle = []
        self._epoch = 0

    def _take(self, timeout: float | None) -> tuple[Connection, int]:
        if not self._free.acquire(timeout=DEFAULT_TIMEOUT if timeout is None else max(timeout, 0)):
            raise RedisUnavailable(
                f"All {self._limit} connections to {self.connector.server} are in use by other threads of this process."
            )
        with self._mutex:
            connection = self._idle.pop() if self._idle else Connection(self.connector)
            return connection, self._epoch

    def _give_back(self, connection: Connection, epoch: int) -> None:
        with self._mutex:
            keep = epoch == self._epoch
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
        self._free.release()
