"""The properties of an AMQP message."""

from datetime import datetime
from typing import Any

from msgspec import Struct

__all__ = ["Properties"]


class Properties(Struct, frozen=True, kw_only=True):
    """The properties of a message: AMQP 0-9-1's ``basic`` class."""

    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, Any] = {}
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    #: Milliseconds.
    expiration: str | None = None
    message_id: str | None = None
    timestamp: datetime | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None
