"""Messages on the wire: what is sent, what arrives, and the header between a method and the body."""

import functools
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

from msgspec import Struct

from celeriac.amqp.methods import write_method
from celeriac.amqp.table import read_table, write_short, write_table
from celeriac.exceptions import DecodeError, EncodeError
from celeriac.protocol.amqp_properties import Properties

__all__ = ["Arrival", "Outgoing", "Publishable", "frame", "read_properties", "write_content", "write_properties"]

_HEAD = struct.Struct(">BHI")
#: Class 60, weight 0, size of the body, flags.
_CONTENT = struct.Struct(">HHQH")
_SHORT = struct.Struct(">H")
_SIZE = struct.Struct(">I")
_LONG = struct.Struct(">Q")
_END = b"\xce"

_CONTENT_TYPE = 1 << 15
_CONTENT_ENCODING = 1 << 14
_HEADERS = 1 << 13
_DELIVERY_MODE = 1 << 12
_PRIORITY = 1 << 11
_CORRELATION_ID = 1 << 10
_REPLY_TO = 1 << 9
_EXPIRATION = 1 << 8
_TIMESTAMP = 1 << 6
#: Texts after the timestamp, and the one before it.
_LATE_TEXTS = (("type", 1 << 5), ("user_id", 1 << 4), ("app_id", 1 << 3), ("cluster_id", 1 << 2))
_MESSAGE_ID = 1 << 7
_REST = _CORRELATION_ID - 1

#: Method, header and body are frames of their own.
_METHOD, _HEADER, _BODY = 1, 2, 3
#: Bytes of a frame that are not its content.
_FRAME_OVERHEAD = 8


class Publishable(Protocol):
    """What a channel publishes."""

    @property
    def address(self) -> tuple[str, str, str | None]:
        """Exchange, routing key and correlation id: what a message that comes back is known by."""

    @property
    def mandatory(self) -> bool:
        """The server returns it if it goes to no queue, instead of dropping it without a word."""

    def write(self, channel: int, frame_max: int) -> bytes:
        """Return the frames; raises ``TypeError`` and ``EncodeError`` for what AMQP cannot carry."""


class Outgoing(Struct, frozen=True, kw_only=True):
    """A message to be published."""

    #: Empty: straight to the queue that the routing key names.
    exchange: str = ""
    routing_key: str
    properties: Properties
    body: bytes
    mandatory: bool = True

    @property
    def address(self) -> tuple[str, str, str | None]:
        """Exchange, routing key and correlation id."""
        return self.exchange, self.routing_key, self.properties.correlation_id

    def write(self, channel: int, frame_max: int) -> bytes:
        """Return the frames; raises ``TypeError`` and ``EncodeError`` for what AMQP cannot carry."""
        flags, written = write_properties(self.properties)
        return write_content(self, flags, written, self.body, channel, frame_max)


class Arrival(Struct, frozen=True, kw_only=True):
    """A message that has come: pushed to a consumer, or fetched."""

    #: Empty for what was fetched.
    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    properties: Properties
    body: bytes


def frame(kind: int, channel: int, content: bytes) -> bytes:
    """Return a frame: its kind, channel and size, the content, and the end."""
    return _HEAD.pack(kind, channel, len(content)) + content + _END


@functools.lru_cache(maxsize=512)
def _publish_frame(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    method = write_method("basic.publish", 0, exchange, routing_key, mandatory, False)
    return frame(_METHOD, channel, method)


@functools.lru_cache(maxsize=512)
def _short(text: str) -> bytes:
    """Texts that many messages share."""
    return write_short(text)


def write_content(message: Publishable, flags: int, written: bytes, body: bytes, channel: int, frame_max: int) -> bytes:
    """Return the frames that publish a message with these properties; raises ``EncodeError`` if they are too long."""
    content = _CONTENT.pack(60, 0, len(body), flags) + written
    exchange, routing_key, correlation_id = message.address
    if len(content) > frame_max - _FRAME_OVERHEAD:
        raise EncodeError(
            f"The headers of the message {correlation_id!r} have {len(content)} bytes, and "
            f"RabbitMQ takes {frame_max - _FRAME_OVERHEAD} at most. Put large values into the task's arguments."
        )
    parts = [
        _publish_frame(channel, exchange, routing_key, message.mandatory),
        _HEAD.pack(_HEADER, channel, len(content)),
        content,
        _END,
    ]
    room = frame_max - _FRAME_OVERHEAD
    if len(body) <= room:
        if body:
            parts += (_HEAD.pack(_BODY, channel, len(body)), body, _END)
    else:
        parts += (frame(_BODY, channel, body[start : start + room]) for start in range(0, len(body), room))
    return b"".join(parts)


def write_properties(properties: Properties) -> tuple[int, bytes]:
    """Return the flags that say which properties there are, and these; raises what ``Outgoing.write`` raises."""
    flags = 0
    parts: list[bytes] = []
    if properties.content_type is not None:
        flags |= _CONTENT_TYPE
        parts.append(_short(properties.content_type))
    if properties.content_encoding is not None:
        flags |= _CONTENT_ENCODING
        parts.append(_short(properties.content_encoding))
    if properties.headers is not None:
        flags |= _HEADERS
        parts.append(write_table(properties.headers))
    if properties.delivery_mode is not None:
        flags |= _DELIVERY_MODE
        parts.append(bytes((properties.delivery_mode & 255,)))
    if properties.priority is not None:
        flags |= _PRIORITY
        parts.append(bytes((min(255, max(0, properties.priority)),)))
    if properties.correlation_id is not None:
        flags |= _CORRELATION_ID
        parts.append(write_short(properties.correlation_id))
    if properties.reply_to is not None:
        flags |= _REPLY_TO
        parts.append(_short(properties.reply_to))
    if properties.expiration is not None:
        flags |= _EXPIRATION
        parts.append(write_short(properties.expiration))
    for flag, part in _write_rare(properties):
        flags |= flag
        parts.append(part)
    return flags, b"".join(parts)


def _write_rare(properties: Properties) -> Iterator[tuple[int, bytes]]:
    if properties.message_id is not None:
        yield _MESSAGE_ID, write_short(properties.message_id)
    if properties.timestamp is not None:
        moment = properties.timestamp
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        yield _TIMESTAMP, _LONG.pack(int(moment.timestamp()))
    for name, flag in _LATE_TEXTS:
        text = getattr(properties, name)
        if text is not None:
            yield flag, write_short(text)


def read_properties(data: bytes) -> Properties:
    """Return what the content of a header frame says; raises ``DecodeError``."""
    try:
        return Properties(**_read_fields(data))
    except (IndexError, struct.error, OverflowError, ValueError) as error:
        raise DecodeError(f"The properties of a message cannot be read: {error}.") from error


def _read_fields(data: bytes) -> dict[str, Any]:
    (flags,) = _SHORT.unpack_from(data, 12)
    at = 14
    fields: dict[str, Any] = {}
    if flags & _CONTENT_TYPE:
        fields["content_type"], at = _read_short(data, at)
    if flags & _CONTENT_ENCODING:
        fields["content_encoding"], at = _read_short(data, at)
    if flags & _HEADERS:
        end = at + 4 + _SIZE.unpack_from(data, at)[0]
        fields["headers"] = read_table(data, at + 4, end)
        at = end
    if flags & _DELIVERY_MODE:
        fields["delivery_mode"] = data[at]
        at += 1
    if flags & _PRIORITY:
        fields["priority"] = data[at]
        at += 1
    if flags & _CORRELATION_ID:
        fields["correlation_id"], at = _read_short(data, at)
    if flags & _REST:
        fields |= _read_rest(data, at, flags)
    return fields


def _read_rest(data: bytes, at: int, flags: int) -> dict[str, Any]:
    """Return the fields after the correlation id."""
    fields: dict[str, Any] = {}
    if flags & _REPLY_TO:
        fields["reply_to"], at = _read_short(data, at)
    if flags & _EXPIRATION:
        fields["expiration"], at = _read_short(data, at)
    if flags & _MESSAGE_ID:
        fields["message_id"], at = _read_short(data, at)
    if flags & _TIMESTAMP:
        fields["timestamp"] = datetime.fromtimestamp(_LONG.unpack_from(data, at)[0], UTC)
        at += 8
    for name, flag in _LATE_TEXTS:
        if flags & flag:
            fields[name], at = _read_short(data, at)
    return fields


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    start = at + 1
    end = start + data[at]
    return data[start:end].decode("utf-8", "replace"), end
