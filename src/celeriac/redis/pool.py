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

    def call_packed(self, command: bytes, *, timeout: float | None = None) -> Reply:
        """Do what ``Connection.call_packed`` does, on any of them."""
        connection, epoch = self._take(timeout)
        try:
            return connection.call_packed(command, timeout=timeout)
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
        with self._changed:
            self._epoch += 1
            idle, self._idle = self._idle, []
            self._made -= len(idle)
            self._changed.notify_all()
        for connection in idle:
            connection.close()

    def after_fork_in_child(self) -> None:
        """Begin anew: what is lent belongs to the parent's threads."""
        self._reset()

    def _reset(self) -> None:
        #: Taken directly where nobody is waited for: the condition's way to it is longer.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = []
        #: How many there are, lent ones included, and how many threads wait for one.
        self._made = self._waiting = 0
        self._epoch = 0

    def _take(self, timeout: float | None) -> tuple[Connection, int]:
        with self._lock:
            if not self._idle and self._made >= self._limit:
                self._wait_for_one(DEFAULT_TIMEOUT if timeout is None else timeout)
            if self._idle:
                return self._idle.pop(), self._epoch
            self._made += 1
            return Connection(self.connector), self._epoch

    def _wait_for_one(self, timeout: float) -> None:
        self._waiting += 1
        try:
            if self._changed.wait_for(lambda: self._idle or self._made < self._limit, timeout):
                return
        finally:
            self._waiting -= 1
        raise RedisUnavailable(
            f"All {self._limit} connections to {self.connector.server} are in use by other threads of this process."
        )

    def _give_back(self, connection: Connection, epoch: int) -> None:
        with self._lock:
            if self._waiting:
                self._changed.notify()
            if epoch == self._epoch:
                self._idle.append(connection)
                return
            self._made -= 1
        connection.close()
