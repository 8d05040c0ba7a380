"""The connections of one process to one server, for many threads."""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence

from celeriac.redis.connecting import Connector
from celeriac.redis.connection import Connection
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall

__all__ = ["Pool"]


class Pool:
    """Lends each thread a connection for as long as a call takes; keeps those that are idle."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        #: The last one given back is lent first, so that few are in use where few are needed.
        self._idle: deque[Connection] = deque()

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection."""
        connection = self._take()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def call(self, *command: Argument, timeout: float | None = None) -> Reply:
        """Do what ``Connection.call`` does, on any of them."""
        connection = self._take()
        try:
            return connection.call(*command, timeout=timeout)
        finally:
            self._idle.append(connection)

    def run(self, call: ScriptCall, *, timeout: float | None = None) -> Reply:
        """Do what ``Connection.run`` does, on any of them."""
        with self.connection() as connection:
            return connection.run(call, timeout=timeout)

    def pipeline(self, commands: Sequence[Command], *, timeout: float | None = None) -> list[Reply]:
        """Do what ``Connection.pipeline`` does, on any of them."""
        with self.connection() as connection:
            return connection.pipeline(commands, timeout=timeout)

    def open(self, *, timeout: float | None = None) -> None:
        """Make sure of one connection; raises ``RedisUnavailable`` with the cure."""
        with self.connection() as connection:
            connection.open(timeout=timeout)

    def close(self) -> None:
        """Close all that are idle. Safe to call twice; the next call connects again."""
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop().close()

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return Connection(self.connector)
