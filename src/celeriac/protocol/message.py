"""The message: one task call on its way, as values.

``Message`` is whole and is what producers publish; ``MessageHead`` is the part of it that a node reads to know what to
do with a delivery, without touching the body, which may need the user's code to be read.
"""

from typing import Any

from msgspec import Struct, field

__all__ = ["REPLACEABLE", "HeadHeaders", "Message", "MessageHead"]

#: The header of a run that a later one may take the place of: its node looks in the result store whether one has.
REPLACEABLE = "celeriac-replaceable"


# Nothing in a message refers back to it, so the collector of cycles need not visit the thousands that are published.
class Message(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One task call: its address, its headers and its body.

    The order of the fields is the order on disk (see ``envelope``): new ones go to the end, with a default.
    """

    #: The task's id; on the wire also ``correlation_id``. Two messages may carry one id (a retry and its predecessor).
    id: str
    #: Where it waits for a worker.
    queue: str
    headers: dict[str, Any]
    #: 0 to 9 (up to 255 on RabbitMQ), or None for the queue's default. On the embedded engines the higher goes first.
    priority: int | None = None
    #: Not to be delivered before this moment (unix time, seconds).
    not_before: float | None = None
    #: Worthless after this moment (unix time, seconds). A hint: the headers decide.
    expires_at: float | None = None
    reply_to: str | None = None
    #: Empty: AMQP's default exchange, which routes by queue name.
    exchange: str = ""
    #: None: the queue's name.
    routing_key: str | None = None
    #: 2 is persistent, 1 is not. The embedded engines keep both.
    delivery_mode: int = 2
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    body: bytes = b""


class HeadHeaders(Struct, frozen=True, kw_only=True):
    """The headers a node looks at. The values are whatever the sender wrote: check before use."""

    task: Any = None
    id: Any = None
    retries: Any = 0
    expires: Any = None
    eta: Any = None
    ignore_result: Any = False
    #: Executions of this message that ended with the death of the child that ran it.
    crashes: Any = field(name="celeriac-crashes", default=0)
    #: It was running in a child that died, beside others: it runs alone until the culprit is known.
    suspect: Any = field(name="celeriac-suspect", default=False)
    #: Another message with its id may be there: it begins when its node holds the id in the result store.
    once: Any = field(name="celeriac-once", default=False)
    replaceable: Any = field(name=REPLACEABLE, default=False)


class MessageHead(Struct, frozen=True, kw_only=True, array_like=True):
    """The first fields of a ``Message``, read without the rest."""

    id: str
    queue: str
    headers: HeadHeaders
    priority: int | None = None
    not_before: float | None = None
    expires_at: float | None = None

    @property
    def task_name(self) -> str | None:
        """The task's name; None for protocol 1, which keeps it in the body, and for messages that are no task call."""
        name = self.headers.task
        return name if isinstance(name, str) else None
