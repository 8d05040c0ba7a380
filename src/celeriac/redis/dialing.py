"""Making sockets to a server, through redis-py: TCP or a Unix socket, TLS, Sentinel, passwords, protocol, database."""

import socket
from collections.abc import Callable
from typing import Any, Final

import redis
import redis.connection
import redis.sentinel

from celeriac.exceptions import OperationalError
from celeriac.redis.errors import OLDEST_SERVER, RedisUnavailable, explain_away, explain_reply
from celeriac.redis.location import Address, Kind, Location

__all__ = ["Dialer"]

# They carry no types.
_make_plain: Callable[..., Any] = redis.connection.Connection
_make_encrypted: Callable[..., Any] = redis.connection.SSLConnection
_make_local: Callable[..., Any] = redis.connection.UnixDomainSocketConnection
_make_sentinel: Callable[..., Any] = redis.sentinel.Sentinel

#: redis-py shall not tell the server about itself: two round trips for nothing. Older releases call it otherwise.
_SILENT: Final[dict[str, Any]] = (
    {"driver_info": None} if hasattr(redis, "DriverInfo") else {"lib_name": None, "lib_version": None}
)


class Dialer:
    """Makes sockets to one place. Safe for many threads."""

    def __init__(self, location: Location, address: Address | None, server: str) -> None:
        self.location = location
        #: The node, in a Cluster.
        self.address = address
        #: The server's name in messages.
        self.server = server
        #: The server that took the last connection, or the Sentinel that knew it.
        self._last: Address | None = None

    def dial(self, timeout: float) -> socket.socket:
        """Return a socket that is ready for commands; raises ``RedisUnavailable`` with the cure."""
        connection = self._connect_to_first(timeout)
        made: socket.socket = connection._sock  # noqa: SLF001 - there is no public way to its socket
        # From here on it is ours alone; the other object would close it at its end.
        connection._sock = None  # noqa: SLF001 - the same
        return made

    def _connect_to_first(self, timeout: float) -> Any:
        """Return redis-py's connection to the first server of the URLs that takes one, beginning with the last."""
        errors: list[Exception] = []
        for address in self._addresses():
            connection = None
            try:
                connection = self._make(address, timeout)
                connection.connect()
                self._look_at_version(connection)
            except (redis.RedisError, OSError, OperationalError) as error:
                errors.append(error)
                if connection is not None:
                    connection.disconnect()
            else:
                self._last = address or self._last
                return connection
        raise RedisUnavailable(self._explain(errors[0])) from errors[0]

    def _addresses(self) -> list[Address | None]:
        """Return where to try; None: only the connecting will tell."""
        location = self.location
        if self.address is not None:
            return [self.address]
        if location.kind is not Kind.SERVER:
            return [None]
        return sorted(location.addresses, key=lambda address: address != self._last)

    def _make(self, address: Address | None, timeout: float) -> Any:
        location = self.location
        options: dict[str, Any] = {
            "db": location.database,
            "username": location.username,
            "password": location.password,
            "protocol": location.protocol,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            **_SILENT,
            **location.connection_options,
        }
        if location.kind is Kind.SOCKET:
            for name in ("socket_keepalive", "socket_keepalive_options"):
                options.pop(name, None)
            return _make_local(path=location.path, **options)
        host, port = self._find_master(timeout) if address is None else address
        make = _make_encrypted if location.is_encrypted else _make_plain
        return make(host=host, port=port, **options)

    def _find_master(self, timeout: float) -> Address:
        location = self.location
        options = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": None}
        sentinel = _make_sentinel(
            sorted(location.addresses, key=lambda address: address != self._last),
            min_other_sentinels=location.min_other_sentinels,
            sentinel_kwargs=options | dict(location.sentinel_options),
        )
        try:
            master = Address(*sentinel.discover_master(location.master_name))
            # The one that knew it is first from now on.
            known = sentinel.sentinels[0].connection_pool.connection_kwargs
            self._last = Address(known["host"], known["port"])
            return master
        finally:
            for each in sentinel.sentinels:
                each.close()

    def _look_at_version(self, connection: Any) -> None:
        """Refuse a server that is too old for our scripts."""
        about = getattr(connection, "handshake_metadata", None) or {}
        version = about.get(b"version") or about.get("version")
        if version is None:
            version = _ask_version(connection)
        text = version.decode() if isinstance(version, bytes) else str(version or "")
        numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
        if numbers and numbers < OLDEST_SERVER:
            raise RedisUnavailable(
                f"The Redis server at {self.server} is version {text}: "
                "celeriac needs Redis 6.2 or newer, or Valkey. Update it."
            )

    def _explain(self, error: Exception) -> str:
        if isinstance(error, OperationalError):
            return str(error)
        if isinstance(error, redis.sentinel.MasterNotFoundError):
            return self._explain_no_master(error)
        if isinstance(error, redis.ResponseError | redis.AuthenticationError | redis.BusyLoadingError):
            return explain_reply(self.server, str(error))
        hint = " If it has no TLS, write redis:// in place of rediss://." if self.location.is_encrypted else ""
        return explain_away(self.server, error) + hint

    def _explain_no_master(self, error: Exception) -> str:
        name, urls = self.location.master_name, self.location.url
        if "Error" in str(error):
            return (
                f"No Sentinel that answers names a master for {urls}. Start them "
                "('systemctl start redis-sentinel'), or correct the URL."
            )
        return (
            f"The Sentinels of {urls} know no master called {name!r} that is up. "
            "'redis-cli -p 26379 sentinel masters' lists those they know; set master_name to one of them."
        )


def _ask_version(connection: Any) -> str | None:
    """Return the server's version as it says; None if we may not ask."""
    try:
        connection.send_command("INFO", "server")
        text = connection.read_response()
    except redis.ResponseError:
        return None
    lines = text.decode(errors="replace").splitlines() if isinstance(text, bytes) else str(text).splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("redis_version:")), None)
