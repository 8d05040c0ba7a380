"""Queues, exchanges, and how a task call finds its queue. Pure values and functions.

The constructor arguments of ``Queue`` and ``Exchange`` are kombu's: what Celery users write in ``task_queues``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Exchange", "Queue"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where messages are published to on brokers that have exchanges (RabbitMQ); a name on the others."""

    name: str = ""
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    delivery_mode: int | None = None
    arguments: Mapping[str, Any] | None = None
    no_declare: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """Where messages wait."""

    name: str
    exchange: Exchange | str | None = None
    routing_key: str | None = None
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    no_ack: bool = False
    queue_arguments: Mapping[str, Any] | None = None
    binding_arguments: Mapping[str, Any] | None = None
    consumer_arguments: Mapping[str, Any] | None = None
    expires: float | None = None
    message_ttl: float | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    max_priority: int | None = None
    no_declare: bool = False
    alias: str | None = field(default=None, compare=False)
