"""One server or a Cluster, spoken to by key: where a key lies is no matter to who uses it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from celeriac.redis.connecting import Connector
from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.location import Location
from celeriac.redis.packing import Argument, Command, Reply
from celeriac.redis.pool import Pool

__all__ = ["OneServer", "Server"]


class Server(ABC):
    """A place for keys. Safe for many threads; connects at first use."""

    location: Location

    @abstractmethod
    def gather(self, calls: Sequence[tuple[bytes, Command]], *, timeout: float | None = None) -> list[Reply]:
        """Send each command to where its key is; return the answers, with errors among them.

        An error is a ``ReplyError``, or the ``RedisUnavailable`` of a node that cannot be reached; the others have
        answered all the same.
        """

    def scatter(self, calls: Sequence[tuple[bytes, Command]], *, timeout: float | None = None) -> list[Reply]:
        """Do the same; raise ``RedisUnavailable`` when a node cannot be reached, whatever the others have done."""
        replies = self.gather(calls, timeout=timeout)
        for reply in replies:
            if isinstance(reply, RedisUnavailable):
                raise reply
        return replies

    @abstractmethod
    def pool_of(self, key: bytes) -> Pool:
        """Return the connections to where the key is at the moment."""

    @abstractmethod
    def same_place(self, keys: Sequence[bytes]) -> list[list[int]]:
        """Return positions of keys in groups that one command may touch together."""

    @abstractmethod
    def every_pool(self) -> list[Pool]:
        """Return the connections to each node that takes writes; raises ``RedisUnavailable``."""

    @abstractmethod
    def any_connector(self) -> Connector:
        """Return the way to some node, for what is the same on all of them."""

    @abstractmethod
    def open(self, *, timeout: float | None = None) -> None:
        """Connect; raises ``RedisUnavailable`` with the cure. Safe to call twice."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. Safe to call twice; the next call connects again."""


class OneServer(Server):
    """A single server, or the master that Sentinels name."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._connector = Connector(location)
        self._pool = Pool(self._connector)

    def call(self, *command: Argument, timeout: float | None = None) -> Reply:
        """Do what ``Connection.call`` does."""
        return self._pool.call(*command, timeout=timeout)

    def gather(self, calls: Sequence[tuple[bytes, Command]], *, timeout: float | None = None) -> list[Reply]:
        try:
            return self._pool.pipeline([command for _, command in calls], timeout=timeout)
        except RedisUnavailable as error:
            return [error] * len(calls)

    def pool_of(self, key: bytes) -> Pool:
        return self._pool

    def same_place(self, keys: Sequence[bytes]) -> list[list[int]]:
        return [list(range(len(keys)))] if keys else []

    def every_pool(self) -> list[Pool]:
        return [self._pool]

    def any_connector(self) -> Connector:
        return self._connector

    def open(self, *, timeout: float | None = None) -> None:
        self._pool.open(timeout=timeout)

    def close(self) -> None:
        self._pool.close()
