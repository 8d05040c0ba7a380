"""Celery's envelope on Redis: the text kombu keeps of a message, one JSON object a list element.

Facts: ``kombu/transport/virtual/base.py`` and ``kombu/transport/redis.py``, confirmed by what a real Celery writes
(``tests/interop/golden``). The body is base64 inside it. Elements lie in Redis as they were written, by whomever; so
reading is lenient about what is missing, and the first byte (``{``) tells them from celeriac's own envelopes.
"""

import base64
import binascii
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct, field

from celeriac.exceptions import UnreadableMessage
from celeriac.protocol.call_form import FilledForm, Filling
from celeriac.protocol.message import HeadHeaders, Message, MessageHead

__all__ = [
    "EnvelopeForm",
    "KombuProperties",
    "decode",
    "decode_body",
    "decode_head",
    "encode",
    "moment",
    "without_body",
]

#: Bytes from which on it pays to look at what is beside the body only.
_LARGE = 4096
#: How kombu's envelopes begin, up to the body's text.
_BODY = re.compile(rb'\{"body" ?: ?"')
_NO_BODY = b'{"body":"'


class _DeliveryInfo(Struct, kw_only=True):
    exchange: str = ""
    routing_key: str = ""


class KombuProperties(Struct, kw_only=True):
    """What stands beside the headers."""

    correlation_id: str | None = None
    reply_to: str | None = None
    delivery_mode: int = 2
    delivery_info: _DeliveryInfo = field(default_factory=_DeliveryInfo)
    priority: int | None = 0
    body_encoding: str | None = None
    delivery_tag: str | int | None = None
    #: Milliseconds, as text.
    expiration: str | msgspec.UnsetType | None = msgspec.UNSET


class _Envelope(Struct, kw_only=True):
    body: str
    content_encoding: str | None = field(name="content-encoding", default="utf-8")
    content_type: str | None = field(name="content-type", default="application/json")
    headers: dict[str, Any] | None = None
    properties: KombuProperties = field(default_factory=KombuProperties)


class _WrittenEnvelope(_Envelope, kw_only=True):
    #: Written as base64.
    body: bytes  # type: ignore[assignment]


class _Head(Struct, kw_only=True):
    headers: HeadHeaders | None = None
    properties: KombuProperties = field(default_factory=KombuProperties)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Envelope)
_head_decoder = msgspec.json.Decoder(_Head)


def encode(message: Message, *, delivery_tag: str, now: float | None = None) -> bytes:
    """Return a message as kombu writes it to Redis.

    ``delivery_tag`` must be unique among all messages. With ``now`` (unix time) a message that expires says in how many
    milliseconds, as Celery's do. Raises ``TypeError`` for a header that JSON cannot carry.
    """
    expiration: str | msgspec.UnsetType = msgspec.UNSET
    if message.expires_at is not None and now is not None:
        expiration = str(max(0, int((message.expires_at - now) * 1000)))
    return _encoder.encode(
        _WrittenEnvelope(
            body=message.body,
            content_encoding=message.content_encoding,
            content_type=message.content_type,
            headers=message.headers,
            properties=KombuProperties(
                correlation_id=message.id,
                reply_to=message.reply_to,
                delivery_mode=message.delivery_mode,
                delivery_info=_DeliveryInfo(
                    exchange=message.exchange, routing_key=message.routing_key or message.queue
                ),
                priority=message.priority or 0,
                body_encoding="base64",
                delivery_tag=delivery_tag,
                expiration=expiration,
            ),
        )
    )


class EnvelopeForm:
    """The envelopes of calls of one form: the text between what differs from call to call is written once."""

    def __init__(self, filled: FilledForm) -> None:
        """Take form, origin and address for answers of these calls; which calls they are does not matter."""
        marks = [f"mark-{number}-{os.urandom(16).hex()}" for number in range(5)]
        task_id, argsrepr, kwargsrepr, body, tag = marks
        model = filled.form.message(
            (task_id, argsrepr, kwargsrepr, body.encode()), origin=filled.origin, reply_to=filled.reply_to
        )
        written = {
            b'"%b"' % base64.b64encode(body.encode()): "body",
            task_id.encode(): "id",
            b'"%b"' % argsrepr.encode(): "argsrepr",
            b'"%b"' % kwargsrepr.encode(): "kwargsrepr",
            tag.encode(): "tag",
        }
        fixed, *rest = re.split(b"(%b)" % b"|".join(written), encode(model, delivery_tag=tag))
        found = [written[mark] for mark in rest[::2]]
        if found != ["body", "id", "id", "argsrepr", "kwargsrepr", "id", "tag"]:
            raise ValueError(f"An envelope has its parts in another order: {found}.")
        self._template = b"%b".join(part.replace(b"%", b"%%") for part in (fixed, *rest[1::2]))

    def write(self, filling: Filling, delivery_tag: bytes) -> bytes:
        """Return the envelope of a call, as ``encode`` writes it; its id needs no escapes."""
        task_id, argsrepr, kwargsrepr, body = filling
        name, write = task_id.encode(), _encoder.encode
        return self._template % (
            # Bytes become base64.
            write(body),
            name,
            name,
            write(argsrepr),
            write(kwargsrepr),
            name,
            delivery_tag,
        )

    def write_many(self, fillings: Iterable[Filling], delivery_tags: Sequence[bytes]) -> list[bytes]:
        """Return the envelopes of calls; cheaper than one by one."""
        template, write = self._template, _encoder.encode
        return [
            template
            % (
                write(body),
                name := task_id.encode(),
                name,
                write(argsrepr),
                write(kwargsrepr),
                name,
                tag,
            )
            for (task_id, argsrepr, kwargsrepr, body), tag in zip(fillings, delivery_tags, strict=True)
        ]


def decode(envelope: bytes) -> Message:
    """Return the message in an envelope; raises ``UnreadableMessage``.

    Its ``not_before`` is its eta: whoever hands it out for execution has seen to it that it is due. Its ``queue`` is
    its routing key, which is the queue's name unless it was published to an exchange. No priority and that of 0 look
    alike.
    """
    try:
        read = _decoder.decode(envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessage(f"This is no message envelope: {error}.") from error
    headers = read.headers or {}
    address = read.properties.delivery_info
    task_id = headers.get("id")
    return Message(
        id=task_id if isinstance(task_id, str) else read.properties.correlation_id or "",
        queue=address.routing_key,
        headers=headers,
        priority=read.properties.priority or None,
        not_before=moment(headers.get("eta")),
        expires_at=moment(headers.get("expires")),
        reply_to=read.properties.reply_to,
        exchange=address.exchange,
        routing_key=address.routing_key if address.exchange else None,
        delivery_mode=read.properties.delivery_mode,
        content_type=read.content_type or "application/data",
        content_encoding=read.content_encoding or "binary",
        body=decode_body(read.body, read.properties.body_encoding),
    )


def decode_head(envelope: bytes) -> MessageHead:
    """Return the message's head, without its body; raises ``UnreadableMessage``."""
    try:
        read = _head_decoder.decode(envelope if len(envelope) < _LARGE else without_body(envelope))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessage(f"This is no message envelope: {error}.") from error
    headers = read.headers or HeadHeaders()
    return MessageHead(
        id=headers.id if isinstance(headers.id, str) else read.properties.correlation_id or "",
        queue=read.properties.delivery_info.routing_key,
        headers=headers,
        priority=read.properties.priority or None,
        not_before=moment(headers.eta),
        expires_at=moment(headers.expires),
    )


def without_body(envelope: bytes) -> bytes:
    """Return an envelope with nothing for a body if that is large and comes first, else as it is.

    What it costs to read such an envelope is the body. Base64 has no quotes in it, so its end is the next one.
    """
    if len(envelope) < _LARGE or (begun := _BODY.match(envelope)) is None:
        return envelope
    end = envelope.find(b'"', begun.end())
    is_escaped = envelope[end - 1 : end] == b"\\"
    return envelope if end < 0 or is_escaped else _NO_BODY + envelope[end:]


def decode_body(body: str, body_encoding: str | None) -> bytes:
    """Return the bytes of an envelope's body; raises ``UnreadableMessage``."""
    if body_encoding != "base64":
        return body.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(body)
    except (binascii.Error, ValueError) as error:
        raise UnreadableMessage(f"The body of this message is no base64: {error}.") from error


def moment(value: Any) -> float | None:
    """Return the unix time of an ISO 8601 text, which is UTC unless it says otherwise; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp()
