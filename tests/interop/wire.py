"""A wire: a broker and a result backend on real servers, that Celery and celeriac both speak over."""

import os
from dataclasses import dataclass, field
from typing import Any

from tests.servers.shared import amqp_url, redis_url

#: The one of Redis that belongs to these tests.
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
    settings: dict[str, Any] = field(default_factory=dict)

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
            **self.settings,
        }


def wire_named(name: str) -> Wire:
    """Return the wire of this name; the test is skipped where a server of it is missing."""
    if name == "rpc":
        return Wire(name=name, broker=amqp_url(), backend="rpc://", **_RABBITMQ)
    redis = redis_url(REDIS_DATABASE)
    results = {"result_backend_transport_options": {"global_keyprefix": f"{PREFIX}:"}}
    if name == "rabbitmq":
        return Wire(name=name, broker=amqp_url(), backend=redis, settings=results, **_RABBITMQ)
    if name == "quorum":
        return Wire(name=name, broker=amqp_url(), backend=redis, settings=results | _QUORUM, **_RABBITMQ)
    messages = {"broker_transport_options": {"global_keyprefix": f"{PREFIX}:"}}
    return Wire(name=name, broker=redis, backend=redis, settings=messages | results)


_RABBITMQ: dict[str, Any] = {"coarseness": 1.0, "drops_expired": True, "urgent_is_high": True}

#: With these all queues are quorum queues on topic exchanges, which is where Celery delays natively.
_QUORUM = {
    "task_default_queue_type": "quorum",
    "task_create_missing_queue_type": "quorum",
    "task_default_exchange_type": "topic",
    "task_create_missing_queue_exchange_type": "topic",
}
