"""A message as AMQP carries it, and back: the properties and headers that Celery writes (``celery/app/amqp.py``).

The client library turns ``Properties`` into bytes; what it cannot carry, ``refusal_of`` names.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from celeriac.exceptions import EncodeError
from celeriac.protocol.amqp_delay import DELAY_PREFIX
from celeriac.protocol.amqp_properties import Properties
from celeriac.protocol.kombu_envelope import moment
from celeriac.protocol.message import Message

__all__ = ["HOLD", "HOLD_PREFIX", "WAITED_UNTIL", "from_properties", "plain_headers", "refusal_of", "to_properties"]

#: A header of copies that wait in the broker: the moment (unix time) at which they are due, whatever the clocks say.
WAITED_UNTIL = "celeriac-waited-until"

#: Begins the names of the queues in which a delivery is held for a node while its task runs very long.
HOLD_PREFIX = "celeriac.hold."
#: A header of such a copy: which delivery it stands for.
HOLD = "celeriac-hold"

#: RabbitMQ's notes on how often a message was taken, which say nothing about the message.
_COUNTS = frozenset({"x-acquired-count", "x-delivery-count"})
#: RabbitMQ's notes on dead-lettering.
_DEATHS = frozenset(
    {
        "x-death",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
    }
)
#: Never sent. Before 4.0 RabbitMQ believes a client's ``x-death``, and drops as going round in a circle what has one
#: and waits in the same delay queue again.
_NOT_SENT = _COUNTS | _DEATHS
#: Not read either, if nobody's dead-lettering but celeriac's and Celery's own has put them there.
_NOT_READ = _NOT_SENT | {HOLD}
_OWN_QUEUES = (DELAY_PREFIX, HOLD_PREFIX)

#: Milliseconds: a longer time-to-live is refused by RabbitMQ. The header ``expires`` says it all the same.
_MAX_EXPIRATION = 2**32 - 1

_SCALARS = frozenset({str, int, float, bool, type(None)})


def to_properties(message: Message, now: float, *, expires: bool = True) -> Properties:
    """Return the properties to publish a message with.

    Without ``expires`` the server never drops it by itself: for copies that wait, whose time-to-live would end the
    wait instead.
    """
    headers = message.headers
    if not _NOT_SENT.isdisjoint(headers):
        headers = {name: value for name, value in headers.items() if name not in _NOT_SENT}
    return Properties(
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers=headers,
        delivery_mode=message.delivery_mode,
        priority=message.priority,
        correlation_id=message.id,
        reply_to=message.reply_to,
        expiration=_expiration(message, now) if expires and message.expires_at is not None else None,
    )


def _expiration(message: Message, now: float) -> str | None:
    assert message.expires_at is not None
    milliseconds = max(0, int((message.expires_at - now) * 1000))
    return str(milliseconds) if milliseconds <= _MAX_EXPIRATION else None


def from_properties(properties: Properties, body: bytes, *, queue: str, exchange: str, routing_key: str) -> Message:
    """Return the message of a delivery from this queue, with headers that JSON and MessagePack can carry.

    What has waited in the broker has its queue for an address, not the way it came; of such ways of celeriac's and
    Celery's own no trace is left, so that a message looks the same however often it has waited.
    """
    headers = plain_headers(properties.headers)
    if not _NOT_READ.isdisjoint(headers):
        dropped = _COUNTS | {HOLD} if _has_died_elsewhere(headers) else _NOT_READ
        headers = {name: value for name, value in headers.items() if name not in dropped}
    has_waited = exchange.startswith(DELAY_PREFIX)
    to_queue = has_waited or (not exchange and routing_key == queue)
    task_id = headers.get("id")
    return Message(
        id=task_id if isinstance(task_id, str) else properties.correlation_id or properties.message_id or "",
        queue=queue,
        headers=headers,
        priority=properties.priority,
        not_before=moment(headers.get("eta")),
        expires_at=moment(headers.get("expires")),
        reply_to=properties.reply_to,
        exchange="" if has_waited else exchange,
        routing_key=None if to_queue else routing_key,
        delivery_mode=properties.delivery_mode or 2,
        # What kombu takes a message for that does not say.
        content_type=properties.content_type or "application/data",
        content_encoding=properties.content_encoding or "utf-8",
        body=body,
    )


def _has_died_elsewhere(headers: Mapping[str, Any]) -> bool:
    deaths = headers.get("x-death")
    if not isinstance(deaths, list):
        return False
    queues = (death.get("queue") if isinstance(death, dict) else None for death in deaths)
    return any(not str(queue).startswith(_OWN_QUEUES) for queue in queues)


def plain_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return headers without what only AMQP's tables have: moments as ISO 8601, decimals and bytes as text."""
    plain = dict(headers)
    for name in [name for name, value in plain.items() if type(value) not in _SCALARS]:
        plain[name] = _plain(plain[name])
    return plain


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return plain_headers(value) if value else {}
    if kind is list:
        return [each if type(each) in _SCALARS else _plain(each) for each in value]
    match value:
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode("utf-8", "backslashreplace")
        case Decimal():
            return str(value)
        case tuple():
            return [_plain(each) for each in value]
        case str() | int() | float() | None:
            return value
    return repr(value)


def refusal_of(message: Message) -> Exception | None:
    """Return what to raise for a message that could not be turned into AMQP's bytes; None if nothing is wrong with it.

    A ``TypeError`` for what no engine carries, an ``EncodeError`` for what only AMQP does not.
    """
    for part, value in (
        ("id", message.id),
        ("reply_to", message.reply_to),
        ("exchange", message.exchange),
        ("routing key", message.routing_key or message.queue),
        ("content type", message.content_type),
        ("content encoding", message.content_encoding),
    ):
        if fault := _fault_of_short(value):
            return EncodeError(f"The {part} of the message {message.id[:40]!r} cannot be sent over AMQP: {fault}.")
    for name, value in message.headers.items():
        if fault := _fault_of_name(name) or _fault_of(value):
            words = f"The header {name!r} of the message {message.id[:40]!r} cannot be sent over AMQP: {fault}."
            return TypeError(words) if fault.endswith(_PLAIN) else EncodeError(words)
    return None


_PLAIN = "a header holds text, numbers, lists and dicts of them"


def _fault_of_short(value: str | None) -> str | None:
    if value is None:
        return None
    size = len(value.encode("utf-8", "surrogatepass"))
    return _fault_of_text(value) or (f"it has {size} bytes, and 255 is the most" if size > 255 else None)


def _fault_of_name(name: Any) -> str | None:
    if not isinstance(name, str):
        return f"a name is of the type {type(name).__name__}; {_PLAIN}"
    fault = _fault_of_short(name)
    return fault and f"of a name, {fault}"


def _fault_of_text(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return "it holds half a character (a lone surrogate)"
    return None


def _fault_of(value: Any) -> str | None:
    match value:
        case None | bool() | float() | bytes() | datetime() | Decimal():
            return None
        case int():
            is_small = -(2**63) <= value < 2**63
            return None if is_small else f"an integer of {value.bit_length()} bits does not fit into its 64"
        case str():
            return _fault_of_text(value)
        case list() | tuple():
            return next(filter(None, map(_fault_of, value)), None)
        case dict():
            parts = ((_fault_of_name(name) or _fault_of(part)) for name, part in value.items())
            return next(filter(None, parts), None)
    return f"it holds something of the type {type(value).__name__}; {_PLAIN}"
