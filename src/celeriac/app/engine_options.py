"""What an app's settings say to its engines: one mapping for the broker and one for the result backend.

An engine takes from it what it knows, and leaves the rest. The names, for both: ``connect_timeout``, ``ssl``. For
brokers: ``publish_timeout``, ``heartbeat``, ``login_method``, ``failover_strategy``, ``default_queue_type``,
``queue_max_priority``, ``delay_queue_type``, ``interop``, ``pool_limit``. For Redis: the ``redis_…`` settings without
that prefix. For ``rpc://``: all of the broker's, and ``persistent``, ``exchange`` and ``exchange_type``. Whatever the
transport options say is there too, and wins.
"""

import enum
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings import Settings

__all__ = ["backend_options", "broker_options", "portable"]

#: Option of a broker -> the setting it is.
_BROKER = {
    "connect_timeout": "broker_connection_timeout",
    "publish_timeout": "broker_publish_timeout",
    "login_method": "broker_login_method",
    "failover_strategy": "broker_failover_strategy",
    "default_queue_type": "task_default_queue_type",
    "queue_max_priority": "task_queue_max_priority",
    "delay_queue_type": "broker_native_delayed_delivery_queue_type",
    "interop": "broker_interop",
    "pool_limit": "broker_pool_limit",
}
_REDIS = {
    "username": "redis_username",
    "password": "redis_password",
    "db": "redis_db",
    "max_connections": "redis_max_connections",
    "socket_timeout": "redis_socket_timeout",
    "socket_connect_timeout": "redis_socket_connect_timeout",
    "retry_on_timeout": "redis_retry_on_timeout",
    "socket_keepalive": "redis_socket_keepalive",
    "health_check_interval": "redis_backend_health_check_interval",
    "credential_provider": "redis_backend_credential_provider",
    "client_name": "redis_client_name",
}
_RPC = {
    "persistent": "result_persistent",
    "exchange": "result_exchange",
    "exchange_type": "result_exchange_type",
}

#: Options that a node does without when they are code, for which see ``portable``.
_DISPENSABLE = frozenset({"failover_strategy"})


#: Where an option is usually written, if not among the transport options.
_USUALLY = {
    ("broker_transport_options", "ssl"): "broker_use_ssl",
    ("result_backend_transport_options", "ssl"): "redis_backend_use_ssl",
    ("result_backend_transport_options", "credential_provider"): "redis_backend_credential_provider",
}


def broker_options(settings: Settings) -> dict[str, Any]:
    """Return the options of the broker; what no setting says is left out."""
    return {
        **_those_set(settings, _BROKER),
        **_with_ssl(settings.broker_use_ssl),
        "heartbeat": settings.broker_heartbeat or 0,
        **settings.broker_transport_options,
    }


def backend_options(settings: Settings, url: str | None) -> dict[str, Any]:
    """Return the options of the result backend at this URL; what no setting says is left out."""
    scheme = (url or "").partition(":")[0].lower()
    if scheme == "rpc":
        derived = {**broker_options(settings), **_those_set(settings, _RPC)}
    else:
        derived = {**_those_set(settings, _REDIS), **_with_ssl(settings.redis_backend_use_ssl)}
        derived["connect_timeout"] = settings.redis_socket_connect_timeout or settings.broker_connection_timeout
    return {**derived, **settings.result_backend_transport_options}


def portable(options: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return options as plain values, for a node: a process that has none of the user's code.

    Raises ``ImproperlyConfigured`` for an object, since a connection without it would be another one than was wanted
    (without TLS, for example); ``setting`` is where such options are usually written.
    """
    written: dict[str, Any] = {}
    for name, value in options.items():
        try:
            written[name] = _plain(value)
        except TypeError as error:
            if name in _DISPENSABLE:
                continue
            place = _USUALLY.get((setting, name), setting)
            raise ImproperlyConfigured(
                f"The option {name} of {place} holds {error}, which a worker cannot hand to its node: that process has "
                "none of your code, so that nothing in it can stop the worker. Write texts, numbers and paths; for an "
                "object the dotted name of what makes it."
            ) from None
    return written


def _those_set(settings: Settings, names: Mapping[str, str]) -> dict[str, Any]:
    return {option: settings[name] for option, name in names.items() if settings[name] is not None}


def _with_ssl(ssl: Any) -> dict[str, Any]:
    return {"ssl": ssl} if ssl else {}


def _plain(value: Any) -> Any:
    """Return the value as what MessagePack knows; raises ``TypeError`` that names what is none of it."""
    match value:
        case enum.Enum():
            return _plain(value.value)
        case None | bool() | int() | float() | str() | bytes():
            return value
        case os.PathLike():
            return os.fspath(value)
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            raise TypeError(f"an object of the type {type(value).__name__}")
