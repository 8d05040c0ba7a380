"""The envelope: a message as a broker stores it.

Celeriac's own form (SQLite, memory, and node to child for every broker) is the message's fields as one MessagePack
array. An array lets a reader stop early (``decode_head``), and lets older and newer versions read each other as long as
fields are only ever added at the end. On Redis messages lie in Celery's envelope instead (``kombu_envelope``), and are
handed on as they lie there: what reads an envelope here reads both.
"""

import msgspec

from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import kombu_envelope
from celeriac.protocol.message import Message, MessageHead

__all__ = ["decode", "decode_head", "encode"]

_encoder = msgspec.msgpack.Encoder()
_message_decoder = msgspec.msgpack.Decoder(Message)
_head_decoder = msgspec.msgpack.Decoder(MessageHead)


def encode(message: Message) -> bytes:
    """Return the message's envelope.

    Raises ``TypeError`` for a header that is neither text, number, list, dict nor None; the task layer checks before.
    """
    return _encoder.encode(message)


def decode(envelope: bytes) -> Message:
    """Return the message in an envelope; raises ``UnreadableMessage``."""
    if envelope[:1] == b"{":
        return kombu_envelope.decode(envelope)
    try:
        return _message_decoder.decode(envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableMessage(f"This is no message envelope: {error}.") from error


def decode_head(envelope: bytes) -> MessageHead:
    """Return the message's head, without its body; raises ``UnreadableMessage``."""
    if envelope[:1] == b"{":
        return kombu_envelope.decode_head(envelope)
    try:
        return _head_decoder.decode(envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableMessage(f"This is no message envelope: {error}.") from error
