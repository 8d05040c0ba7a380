"""Where RabbitMQ is and how to log in there, from one URL or several."""

import difflib
import random
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from celeriac.amqp.tls import make_context
from celeriac.exceptions import ImproperlyConfigured

__all__ = ["Location", "Server", "seconds_option"]

_SCHEMES = {"amqp": False, "pyamqp": False, "librabbitmq": False, "amqps": True}
_PORTS = {False: 5672, True: 5671}
#: Options that may stand in a URL's query.
_QUERY = ("heartbeat", "connect_timeout", "login_method", "ssl")
_METHODS = ("PLAIN", "EXTERNAL", "AMQPLAIN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One RabbitMQ, and who logs in there."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    vhost: str
    uses_tls: bool

    @property
    def address(self) -> str:
        """The host and port, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL without the password."""
        scheme = "amqps" if self.uses_tls else "amqp"
        vhost = "/" if self.vhost == "/" else quote(self.vhost, safe="")
        return f"{scheme}://{quote(self.user, safe='')}@{self.address}/{vhost}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Servers of which one is enough, and how to connect."""

    servers: tuple[Server, ...]
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    #: Seconds for one attempt with one server.
    connect_timeout: float = 4.0
    #: Seconds; 0: as the engine thinks best.
    heartbeat: float = 0.0
    login_method: str = "PLAIN"
    #: ``round-robin``, ``shuffle``, or a function that gets the servers and yields them for ever.
    failover_strategy: Any = "round-robin"

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> "Location":
        """Read ``amqp://user:password@host:port/vhost``, or several of them with ``;`` between.

        ``//`` at the end, or nothing, means the virtual host ``/``. What the URL says wins over the options, of which
        those for others are left alone. Raises ``ImproperlyConfigured``.
        """
        chosen = dict(options)
        servers = tuple(_read_server(one.strip(), chosen) for one in url.split(";") if one.strip())
        if not servers:
            raise ImproperlyConfigured("The broker URL names no server: write for example amqp://guest@localhost//.")
        ssl_option = chosen.get("ssl")
        uses_tls = any(server.uses_tls for server in servers) or bool(ssl_option)
        return cls(
            servers=servers,
            tls=make_context(ssl_option) if uses_tls else None,
            connect_timeout=seconds_option(chosen, "connect_timeout", 4.0) or 4.0,
            heartbeat=seconds_option(chosen, "heartbeat", 0.0),
            login_method=_login_method(chosen.get("login_method")),
            failover_strategy=_strategy(chosen.get("failover_strategy")),
        )

    @property
    def url(self) -> str:
        """The URLs without passwords."""
        return ";".join(server.url for server in self.servers)

    def in_turn(self) -> Iterator[Server]:
        """Yield the servers for ever, in the order in which to try them."""
        if callable(self.failover_strategy):
            yield from self.failover_strategy(list(self.servers))
            return
        while True:
            order = list(self.servers)
            if self.failover_strategy == "shuffle":
                random.shuffle(order)
            yield from order


def _read_server(url: str, options: dict[str, Any]) -> Server:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(
            f"A broker URL cannot be read ({error}). A '/', '@', '[' or '#' in a password must be written as %2F, %40, "
            "%5B or %23."
        ) from None
    scheme = parts.scheme.lower()
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise ImproperlyConfigured(f"A broker URL begins with {scheme[:20]!r}, which is none of {known}.")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _QUERY:
            close = difflib.get_close_matches(name, _QUERY, n=1)
            guess = f" Did you mean {close[0]!r}?" if close else f" It may be one of: {', '.join(_QUERY)}."
            raise ImproperlyConfigured(f"The broker URL has the unknown option {name!r}.{guess}")
        options[name] = value
    uses_tls = _SCHEMES[scheme] or bool(options.get("ssl"))
    return Server(
        host=parts.hostname or "localhost",
        port=port or _PORTS[uses_tls],
        user=unquote(parts.username) if parts.username else "guest",
        password=unquote(parts.password) if parts.password is not None else "guest",
        vhost=unquote(parts.path.removeprefix("/")) or "/",
        uses_tls=uses_tls,
    )


def seconds_option(options: Mapping[str, Any], name: str, default: float) -> float:
    """Return an option that is a number of seconds; raises ``ImproperlyConfigured``."""
    value = options.get(name)
    try:
        seconds = default if value is None else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if seconds < 0:
        raise ImproperlyConfigured(f"The broker's option {name} must be a number of seconds, not {value!r}.")
    return seconds


def _login_method(value: Any) -> str:
    method = str(value or "PLAIN").upper()
    if method not in _METHODS:
        raise ImproperlyConfigured(f"broker_login_method is {value!r}; it may be one of: {', '.join(_METHODS)}.")
    return method


def _strategy(value: Any) -> Any:
    if value is None or callable(value):
        return value or "round-robin"
    known: Sequence[str] = ("round-robin", "shuffle")
    if value not in known:
        raise ImproperlyConfigured(
            f"broker_failover_strategy is {value!r}; it may be one of: {', '.join(known)}, or a function."
        )
    return value
