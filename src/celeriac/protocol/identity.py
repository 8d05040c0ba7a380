"""Which task a message calls, and under which id, wherever the message says so.

Protocol 2 says both in the headers. Protocol 1 has them in the body, of which nothing else is read here: a node, which
must not run anybody's code, may look.
"""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message

__all__ = ["Identity", "identity_in", "identity_of"]


class Identity(NamedTuple):
    """A task call's name and id; empty where the message does not say."""

    task: str
    id: str


class _Body(Struct):
    task: Any = None
    id: Any = None


_DECODERS: dict[str, msgspec.json.Decoder[_Body] | msgspec.msgpack.Decoder[_Body]] = {
    "application/json": msgspec.json.Decoder(_Body),
    "application/x-msgpack": msgspec.msgpack.Decoder(_Body),
}


def identity_of(message: Message) -> Identity:
    """Return which task a message calls. Reads what it can; never raises."""
    headers = message.headers
    if "task" in headers:
        return Identity(_text(headers["task"]), _text(headers.get("id")) or message.id)
    decoder = _DECODERS.get(message.content_type)
    if decoder is None or headers.get("compression"):
        return Identity("", message.id)
    try:
        body = decoder.decode(message.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Identity("", message.id)
    return Identity(_text(body.task), _text(body.id) or message.id)


def identity_in(envelope: bytes) -> Identity:
    """Return which task the message in an envelope calls; raises ``UnreadableMessage`` for what is no envelope."""
    head = envelopes.decode_head(envelope)
    if head.task_name is not None:
        return Identity(head.task_name, head.id)
    try:
        return identity_of(envelopes.decode(envelope))
    except UnreadableMessage:
        return Identity("", head.id)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
