"""From a URL to an engine. An engine's module is imported only when its URL is used."""

import difflib
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Broker
from celeriac.exceptions import ImproperlyConfigured
from celeriac.stand_ins import stand_ins

__all__ = ["backend_from_url", "broker_from_url", "default_broker_url", "suggested_backend"]

#: Schemes of Redis and of Valkey, which speaks the same.
_REDIS = (
    *("redis", "rediss", "redis+socket", "redis+cluster", "rediss+cluster", "sentinel"),
    *("valkey", "valkeys", "valkey+socket", "valkey+cluster", "valkeys+cluster"),
)

#: Schemes of RabbitMQ.
_AMQP = ("amqp", "amqps", "pyamqp")

#: Scheme to module and class. A class takes the URL and ``options``; a backend's also ``broker``.
BROKERS: dict[str, str] = {
    "memory": "celeriac.brokers.memory:MemoryBroker",
    "sqlite": "celeriac.brokers.sqlite:SqliteBroker",
    **dict.fromkeys(_REDIS, "celeriac.brokers.redis:RedisBroker"),
    **dict.fromkeys(_AMQP, "celeriac.brokers.amqp.broker:AmqpBroker"),
}
BACKENDS: dict[str, str] = {
    "memory": "celeriac.backends.memory:MemoryBackend",
    "sqlite": "celeriac.backends.sqlite:SqliteBackend",
    "disabled": "celeriac.backends.disabled:DisabledBackend",
    "rpc": "celeriac.backends.rpc:RpcBackend",
    **dict.fromkeys(_REDIS, "celeriac.backends.redis:RedisBackend"),
}

#: Those that reach nothing outside this process.
_IN_PROCESS = frozenset({BROKERS["memory"], BACKENDS["memory"], BACKENDS["disabled"]})


class _Kind(NamedTuple):
    noun: str
    setting: str
    classes: Mapping[str, str]


_BROKER = _Kind("broker", "broker_url", BROKERS)
_BACKEND = _Kind("result backend", "result_backend", BACKENDS)

#: Schemes of engines that take several URLs, one after the other when a server is away.
_FAIL_OVER = frozenset({"amqp", "amqps", "pyamqp", *_REDIS})

#: What engines need besides celeriac, and the extra that brings it.
_EXTRAS = {"redis": "redis", "hiredis": "redis"}

#: Schemes of engines that are planned.
_LATER = frozenset({"postgresql"})

#: Schemes that need no mention where the usual ones are listed.
_RARE = (frozenset(_REDIS) - {"redis", "rediss", "sentinel"}) | {"pyamqp"}

#: Celery's names for what is called otherwise here.
_ALIASES = {"cache+memory": "memory", "db+sqlite": "sqlite"}


def broker_from_url(url: str, *, options: Mapping[str, Any] | None = None) -> Broker:
    """Return the broker at a URL, not connected yet; raises ``ImproperlyConfigured``.

    The URL may be several, parted by semicolons, where the engine can turn from one server to the next. ``options``
    are the engine's own (``app.engine_options``); options in the URL's query win.
    """
    broker = _load(url, _BROKER)(url, options=options or {})
    assert isinstance(broker, Broker)
    return broker


def backend_from_url(
    url: str | None, *, broker: Broker | None = None, options: Mapping[str, Any] | None = None
) -> ResultBackend:
    """Return the result backend at a URL, not connected yet; raises ``ImproperlyConfigured``.

    None and the empty text give the disabled one. With the app's ``broker`` a backend shares what it can with it.
    """
    url = url or "disabled://"
    backend = _load(url, _BACKEND)(_celeriac_url(url), options=options or {}, broker=broker)
    assert isinstance(backend, ResultBackend)
    return backend


def default_broker_url(directory: Path) -> str:
    """Return the URL of the broker that is used without any setting: a file in this directory."""
    return "sqlite:///" + quote(str(directory.absolute() / "celeriac.sqlite3"))


def _celeriac_url(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    return _ALIASES.get(scheme.lower(), scheme.lower()) + colon + rest


def _load(url: str, kind: _Kind) -> Any:
    scheme = _scheme(url, kind)
    _check_several(url, scheme, kind)
    path = kind.classes.get(_ALIASES.get(scheme, scheme))
    if path is None:
        raise ImproperlyConfigured(_unknown_scheme(scheme, kind))
    instead = stand_ins()
    if instead is not None and path not in _IN_PROCESS:
        instead.refuse(url)
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        raise ImproperlyConfigured(
            f"For {scheme}:// URLs the package {error.name} is needed, which is not installed: "
            f'pip install "celeriac[{_EXTRAS[error.name]}]"'
        ) from error


def _scheme(url: str, kind: _Kind) -> str:
    if not isinstance(url, str):
        raise ImproperlyConfigured(
            f"{kind.setting} must be a URL such as 'sqlite:///celeriac.sqlite3', not {type(url).__name__}."
        )
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise ImproperlyConfigured(f"The {kind.noun} URL cannot be read: {error}. Check {kind.setting}.") from error
    if not scheme or "://" not in url:
        # A password has no place in a message, and never stands before the first of these characters.
        raise ImproperlyConfigured(
            f"The {kind.noun} URL has no scheme: it begins with {re.split('[:/@]', url)[0][:20]!r}. "
            f"Write {kind.setting} as a URL, for example 'sqlite:///celeriac.sqlite3'."
        )
    return scheme.lower()


def _check_several(url: str, scheme: str, kind: _Kind) -> None:
    """Raise if several URLs are given where there can be one only, or if they are for several engines."""
    others = url.split(";")[1:]
    if not any(other.strip() for other in others):
        return
    if scheme not in _FAIL_OVER:
        raise ImproperlyConfigured(
            f"{kind.setting} has several URLs, and {scheme}:// takes one only: there is no second server to turn to. "
            "Leave one; a semicolon in a path is written %3B."
        )
    schemes = dict.fromkeys([scheme, *(_scheme(other, kind) for other in others if "://" in other)])
    if len({_family(each) for each in schemes}) > 1:
        raise ImproperlyConfigured(
            f"{kind.setting} has URLs of different kinds ({', '.join(schemes)}): all of them have to lead to servers "
            "on which the same messages are."
        )


def suggested_backend(broker_url: object) -> str:
    """Return where results could be kept beside this broker, to follow "set result_backend". Takes any setting."""
    if str(broker_url).partition(":")[0].lower() not in _AMQP:
        return "for example to the broker's URL"
    return "for example to redis://127.0.0.1:6379/0; rpc:// sends each to the process that has called the task"


def _family(scheme: str) -> str:
    return "amqp" if scheme in {"amqps", "pyamqp"} else "redis" if scheme in _REDIS and scheme != "sentinel" else scheme


def _unknown_scheme(scheme: str, kind: _Kind) -> str:
    known = sorted({*kind.classes} - _RARE)
    close = difflib.get_close_matches(scheme, known, n=1)
    guess = f" Did you mean {close[0]}://?" if close else ""
    if scheme in _LATER:
        guess = " One comes in a later release."
    choices = ", ".join(f"{name}://" for name in known)
    return f"celeriac has no {kind.noun} for {scheme}:// URLs.{guess} Set {kind.setting} to one of: {choices}."
