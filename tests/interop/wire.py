"""A wire: a broker and a result backend on real servers, that Celery and celeriac both speak over."""

import os
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

#: Where the servers are; the database of Redis belongs to these tests.
REDIS = os.environ.get("CELERIAC_TEST_REDIS", "redis://127.0.0.1:6379")
RABBITMQ = os.environ.get("CELERIAC_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")
REDIS_DATABASE = 14

#: In front of all names that these tests give to queues and keys, so that two runs at once keep apart.
PREFIX = f"interop-{os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Broker, result backend and whatever else both sides set for them."""

    name: str
    broker: str
    backend: str
    #: Seconds that a delay may come late, because the broker rounds up.
    coarseness: float = 0.0
    #: What waits at a broker for its time is dropped by it, with no result.
    drops_expired: bool = False
    #: 9 is the most urgent priority; else 0 is.
    urgent_is_high: bool = False
    settings: dict[str, Any] | None = None

    def queue(self, suffix: str) -> str:
        """Return the name of a queue that only this run has."""
        return f"{PREFIX}-{suffix}"

    def all_settings(self) -> dict[str, Any]:
        """Return what both sides' apps are given."""
        return {
            "broker_url": self.broker,
            "result_backend": self.backend,
            "result_expires": 600,
            "result_extended": True,
            "task_track_started": True,
            "accept_content": ["json", "pickle", "yaml", "msgpack"],
            "result_accept_content": ["json", "pickle"],
            "task_default_queue": self.queue("default"),
            "broker_connection_retry_on_startup": True,
            "worker_hijack_root_logger": True,
            **(self.settings or {}),
        }


def wires() -> dict[str, Wire]:
    """Return them by name."""
    redis = f"{REDIS}/{REDIS_DATABASE}"
    prefixed = {
        "broker_transport_options": {"global_keyprefix": f"{PREFIX}:"},
        "result_backend_transport_options": {"global_keyprefix": f"{PREFIX}:"},
    }
    results = {"result_backend_transport_options": prefixed["result_backend_transport_options"]}
    made = (
        Wire(name="redis", broker=redis, backend=redis, settings=prefixed),
        Wire(
            name="rabbitmq",
            broker=RABBITMQ,
            backend=redis,
            coarseness=1.0,
            drops_expired=True,
            urgent_is_high=True,
            settings=results,
        ),
        Wire(name="rpc", broker=RABBITMQ, backend="rpc://", coarseness=1.0, drops_expired=True, urgent_is_high=True),
    )
    return {wire.name: wire for wire in made}


def require_servers(wire: Wire) -> None:
    """Skip with one line where a server is missing; in CI it is an error."""
    for url in {wire.broker, wire.backend} - {"rpc://"}:
        parts = urlsplit(url)
        address = (parts.hostname or "127.0.0.1", parts.port or {"redis": 6379, "amqp": 5672}[parts.scheme])
        try:
            socket.create_connection(address, timeout=2).close()
        except OSError as error:
            reason = f"no {parts.scheme} server at {address[0]}:{address[1]} ({error})"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(f"NO SERVER: {reason}")
