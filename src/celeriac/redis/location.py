"""Where a server is and how it is spoken to, from a URL."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from celeriac.exceptions import ImproperlyConfigured
from celeriac.redis.options import read_options, unknown_option

__all__ = ["Address", "Kind", "Location"]


class Kind(enum.Enum):
    """What a URL leads to."""

    SERVER = "server"
    SOCKET = "socket"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Address(NamedTuple):
    """A host and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _Scheme(NamedTuple):
    kind: Kind
    is_encrypted: bool = False


_SCHEMES = {
    "redis": _Scheme(Kind.SERVER),
    "rediss": _Scheme(Kind.SERVER, is_encrypted=True),
    "redis+socket": _Scheme(Kind.SOCKET),
    "sentinel": _Scheme(Kind.SENTINEL),
    "redis+cluster": _Scheme(Kind.CLUSTER),
    "rediss+cluster": _Scheme(Kind.CLUSTER, is_encrypted=True),
}

#: Valkey's names for the same.
_ALIASES = {
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+socket": "redis+socket",
    "valkey+cluster": "redis+cluster",
    "valkeys+cluster": "rediss+cluster",
}

_DEFAULT_PORTS = {Kind.SENTINEL: 26379}
_DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """One server, a master that Sentinels know, or a Cluster; with all that is needed to connect."""

    kind: Kind
    #: Servers, Sentinels, or nodes of a Cluster to begin with; empty for a socket.
    addresses: tuple[Address, ...] = ()
    #: The socket's path.
    path: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_encrypted: bool = False
    #: The master's name, for Sentinel.
    master_name: str = ""
    #: What connections to the Sentinels themselves are made with.
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    min_other_sentinels: int = 0
    #: Before every key, Celery's ``global_keyprefix``.
    key_prefix: str = ""
    #: RESP2 or RESP3.
    protocol: int = 3
    #: Seconds until a connection must stand.
    connect_timeout: float = 4.0
    #: Seconds until a call must have been answered; None: the engine's own choice.
    timeout: float | None = None
    #: Seconds without traffic after which a connection is tried before it is used; 0: never.
    health_check_interval: float = 0.0
    #: Connections that the threads of a process share at the most, besides those that belong to one of them.
    max_connections: int = 8
    #: What else redis-py's connection takes: keep-alive, TLS, the client's name, a credential provider.
    connection_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: Options of the engine that asked.
    extras: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any], *, extras: Collection[str] = ()) -> "Location":
        """Read a URL, or several joined by ``;``, as Celery does; raises ``ImproperlyConfigured``.

        The URL's query wins over ``options``, of which unknown ones are other engines' business. ``extras`` are names
        of options that the engine reads itself.
        """
        urls = [part.strip() for part in url.split(";") if part.strip()]
        scheme = _scheme(urls[0])
        queried = {name: value for part in urls for name, value in _read_query(part, extras).items()}
        given = {name: value for name, value in options.items() if value is not None} | queried
        read = read_options(given, is_encrypted=scheme.is_encrypted)
        if scheme.kind is Kind.SENTINEL and not read.fields.get("master_name"):
            raise ImproperlyConfigured(
                "A sentinel:// URL needs the name of the master that the Sentinels watch: set master_name, as in "
                "broker_transport_options = {'master_name': 'mymaster'}, or write ?master_name=mymaster in the URL."
            )
        database = _database(urls, scheme.kind, queried, options)
        if scheme.kind is Kind.CLUSTER and database:
            raise ImproperlyConfigured(f"A Redis Cluster has no database {database}: leave the number out of the URL.")
        username, password = (None, None) if "credential_provider" in read.connection else _credentials(urls, given)
        return cls(
            kind=scheme.kind,
            addresses=() if scheme.kind is Kind.SOCKET else _addresses(urls, scheme.kind, given),
            path=unquote(urlsplit(urls[0]).path) if scheme.kind is Kind.SOCKET else "",
            database=database,
            username=username,
            password=password,
            is_encrypted=scheme.is_encrypted or read.is_encrypted,
            connection_options=read.connection,
            extras={name: given[name] for name in extras if name in given},
            **read.fields,
        )

    @property
    def url(self) -> str:
        """Without user and password: for logs and people."""
        suffix = f"/{self.database}" if self.database else ""
        if self.kind is Kind.SOCKET:
            return f"redis+socket://{quote(self.path)}" + (f"?virtual_host={self.database}" if self.database else "")
        if self.kind is Kind.SENTINEL:
            urls = ";".join(f"sentinel://{address}" for address in self.addresses)
            return f"{urls}{suffix}?master_name={quote(self.master_name)}"
        scheme = "rediss" if self.is_encrypted else "redis"
        if self.kind is Kind.CLUSTER:
            return ";".join(f"{scheme}+cluster://{address}" for address in self.addresses)
        return ";".join(f"{scheme}://{address}{suffix}" for address in self.addresses)

    @property
    def server(self) -> tuple[Any, ...]:
        """What two locations have in common that lead to the same server, whatever the database."""
        if self.kind is Kind.SOCKET:
            return (self.kind, self.path)
        if self.kind is Kind.SENTINEL:
            return (self.kind, self.master_name, frozenset(self.addresses))
        if self.kind is Kind.CLUSTER:
            return (self.kind, frozenset(self.addresses))
        return (self.kind, *(("127.0.0.1" if host == "localhost" else host, port) for host, port in self.addresses))


def _scheme(url: str) -> _Scheme:
    name = urlsplit(url).scheme.lower()
    return _SCHEMES[_ALIASES.get(name, name)]


def _read_query(url: str, extras: Collection[str]) -> dict[str, str]:
    read = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    for name in read:
        if sentence := unknown_option(name, extras):
            raise ImproperlyConfigured(sentence)
    return read


def _addresses(urls: list[str], kind: Kind, given: Mapping[str, Any]) -> tuple[Address, ...]:
    default = _DEFAULT_PORTS.get(kind, _DEFAULT_PORT)
    found: list[Address] = []
    for url in urls:
        # Celery's form repeats the scheme; others write hosts joined by commas.
        netloc = urlsplit(url if "://" in url else f"redis://{url}").netloc.rpartition("@")[2]
        for host in netloc.split(","):
            parts = urlsplit(f"//{host}")
            try:
                port = parts.port
            except ValueError as error:
                raise ImproperlyConfigured(f"The port in {host!r} is no number from 0 to 65535; correct it.") from error
            found.append(
                Address(
                    parts.hostname or str(given.get("host") or "localhost"), port or int(given.get("port") or default)
                )
            )
    return tuple(dict.fromkeys(found))


def _credentials(urls: list[str], given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the user and the password; those of the first URL that has some."""
    parts = next((parts for url in urls if (parts := urlsplit(url)).username or parts.password), urlsplit(urls[0]))
    username = unquote(parts.username) if parts.username else given.get("username")
    password = unquote(parts.password) if parts.password else given.get("password")
    return username or None, password or None


def _database(urls: list[str], kind: Kind, queried: Mapping[str, Any], options: Mapping[str, Any]) -> int:
    """Return the database's number: from a path; for a socket from the query.

    What the options say counts only for a URL that says nothing at all, as in Celery.
    """
    paths = [path for url in urls if (path := unquote(urlsplit(url).path).strip("/"))]
    text = queried.get("virtual_host", queried.get("db"))
    if kind is not Kind.SOCKET and paths:
        text = paths[0]
    elif text is None and (kind is Kind.SOCKET or not urlsplit(urls[0]).netloc):
        text = options.get("virtual_host", options.get("db"))
    try:
        number = int(str(text or 0).strip("/") or 0)
    except ValueError:
        number = -1
    if number < 0:
        raise ImproperlyConfigured(
            f"{str(text)!r} is no database of a Redis server: write a number, as in redis://localhost:6379/0."
        )
    return number
