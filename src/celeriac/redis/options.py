"""The options of a Redis URL, by the names that redis-py and Celery give them."""

import difflib
import pkgutil
import socket
import ssl
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from celeriac.exceptions import ImproperlyConfigured

__all__ = ["ReadOptions", "read_options", "unknown_option"]


class ReadOptions(NamedTuple):
    """Options with their values read."""

    #: Fields of ``Location``.
    fields: dict[str, Any]
    #: Arguments of redis-py's connection.
    connection: dict[str, Any]
    #: TLS was asked for by an option.
    is_encrypted: bool


def unknown_option(name: str, extras: Collection[str]) -> str | None:
    """Return what to say of an option in a URL that nobody knows; None for one that is known."""
    known = {*_FIELDS, *_CONNECTION, *_TLS, *_IGNORED, *extras}
    if name in known:
        return None
    close = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return f"The Redis URL has the unknown option {name!r}.{guess}"


def read_options(given: Mapping[str, Any], *, is_encrypted: bool) -> ReadOptions:
    """Read what is known among these; raises ``ImproperlyConfigured``."""
    # Celery's settings for its result backend have the word in their names.
    given = {name.removeprefix("backend_"): value for name, value in given.items()} | dict(given)
    fields = {field: _read(name, given[name], read) for name, (field, read) in _FIELDS.items() if name in given}
    connection = {name: _read(name, given[name], read) for name, read in _CONNECTION.items() if name in given}
    tls = {name: given[name] for name in _TLS if name in given}
    asked = given.get("ssl") or given.get("use_ssl")
    if isinstance(asked, Mapping):
        tls = {**asked, **tls}
    if tls and not (is_encrypted or asked):
        raise ImproperlyConfigured(
            f"The Redis URL has the option {next(iter(tls))!r}, which is for TLS: write rediss:// in place of redis://."
        )
    is_encrypted = is_encrypted or bool(asked)
    if is_encrypted:
        connection |= {name: _read(name, value, _TLS.get(name, _as_it_is)) for name, value in tls.items()}
    return ReadOptions(fields, {name: value for name, value in connection.items() if value is not None}, is_encrypted)


def _read(name: str, value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except (ValueError, TypeError, LookupError, AttributeError, ImportError) as error:
        raise ImproperlyConfigured(f"The Redis option {name} cannot be {value!r} ({error}). Correct it.") from error


def _as_it_is(value: Any) -> Any:
    return value


def _flag(value: Any) -> bool | None:
    """Read a truth value as redis-py does."""
    if value is None or value == "":
        return None
    return not (isinstance(value, str) and value.upper() in {"0", "F", "FALSE", "N", "NO"}) and bool(value)


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not seconds >= 0:
        raise ValueError("it must not be negative")
    return seconds


def _deadline(value: Any) -> float | None:
    """Read a time-out; 0 is none."""
    return _seconds(value) or None


def _count(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("it must be at least 1")
    return number


def _protocol(value: Any) -> int:
    number = int(value)
    if number not in {2, 3}:
        raise ValueError("it must be 2 or 3")
    return number


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("it must be a mapping")
    return dict(value)


def _certificate_check(value: Any) -> str:
    """Read ``CERT_NONE`` and its like as Celery writes them, ``none`` as redis-py does, or the constant."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = ssl.VerifyMode(value).name
    text = "none" if value is None or value is False else str(value).rpartition(".")[2].removeprefix("CERT_").lower()
    if text not in {"none", "optional", "required"}:
        raise ValueError("it must be required, optional or none")
    return text


def _keepalive(value: Any) -> dict[int, Any]:
    """Read TCP's keep-alive options; their names may be text."""
    return {key if isinstance(key, int) else int(getattr(socket, key)): each for key, each in _mapping(value).items()}


def _verify_flags(value: Any) -> list[ssl.VerifyFlags]:
    names = value.strip("[] ").split(",") if isinstance(value, str) else value
    return [name if isinstance(name, ssl.VerifyFlags) else ssl.VerifyFlags[name.strip()] for name in names]


def _credential_provider(value: Any) -> Any:
    """Return the provider; its class may be given, or the class's dotted name."""
    provider = pkgutil.resolve_name(value) if isinstance(value, str) else value
    provider = provider() if isinstance(provider, type) else provider
    if not hasattr(provider, "get_credentials"):
        raise TypeError("it has no get_credentials()")
    return provider


#: Option to field of ``Location``. What comes later wins.
_FIELDS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "connect_timeout": ("connect_timeout", _seconds),
    "socket_connect_timeout": ("connect_timeout", _seconds),
    "socket_timeout": ("timeout", _deadline),
    "health_check_interval": ("health_check_interval", _seconds),
    "global_keyprefix": ("key_prefix", str),
    "protocol": ("protocol", _protocol),
    "master_name": ("master_name", str),
    "sentinel_kwargs": ("sentinel_options", _mapping),
    "min_other_sentinels": ("min_other_sentinels", int),
    "max_connections": ("max_connections", _count),
}

#: Arguments of redis-py's connection.
_CONNECTION: Final[dict[str, Callable[[Any], Any]]] = {
    "client_name": str,
    "credential_provider": _credential_provider,
    "socket_keepalive": _flag,
    "socket_keepalive_options": _keepalive,
}

#: The same, for connections with TLS.
_TLS: Final[dict[str, Callable[[Any], Any]]] = {
    "ssl_ca_certs": str,
    "ssl_ca_data": _as_it_is,
    "ssl_ca_path": str,
    "ssl_cert_reqs": _certificate_check,
    "ssl_certfile": str,
    "ssl_check_hostname": _flag,
    "ssl_ciphers": str,
    "ssl_exclude_verify_flags": _verify_flags,
    "ssl_include_verify_flags": _verify_flags,
    "ssl_keyfile": str,
    "ssl_min_version": lambda value: ssl.TLSVersion(int(value)),
    "ssl_password": str,
}

#: Known to redis-py or Celery, read elsewhere or without a meaning here.
_IGNORED: Final = frozenset(
    {
        "db",
        "encoding",
        "encoding_errors",
        "decode_responses",
        "host",
        "legacy_responses",
        "password",
        "port",
        "retry_on_error",
        "retry_on_timeout",
        "retry_policy",
        "socket_read_size",
        "timeout",
        "username",
        "virtual_host",
    }
)
