"""Making dead letters of deliveries, and messages of dead letters."""

import zlib
from typing import NamedTuple

from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.identity import identity_in
from celeriac.protocol.message import HeadHeaders, Message

__all__ = ["Label", "read_label", "revived"]

#: What a person's retry begins without: a crash count, and the question whether the run has ended, as it has.
_LEFT_OUT = tuple(
    name
    for field, name in zip(HeadHeaders.__struct_fields__, HeadHeaders.__struct_encode_fields__, strict=True)
    if field in {"crashes", "suspect", "once"}
)


class Label(NamedTuple):
    """What a dead letter is found by."""

    #: For an envelope that does not say: a name made of its content.
    task_id: str
    #: Empty for an envelope that does not say.
    task: str


def read_label(envelope: bytes) -> Label:
    """Return the task's id and name. Reads whatever it can; never raises for a bad envelope."""
    try:
        task, task_id = identity_in(envelope)
    except UnreadableMessage:
        return Label(_name_of(envelope), "")
    return Label(task_id or _name_of(envelope), task)


def _name_of(envelope: bytes) -> str:
    return f"unreadable-{zlib.crc32(envelope):08x}"


def revived(envelope: bytes) -> tuple[bytes, Message | None]:
    """Return the envelope to put back on the queue, and its message, None if nobody can read it.

    The crash count is cleared: who retries a poison message has removed the cause.
    """
    try:
        message = envelopes.decode(envelope)
    except UnreadableMessage:
        return envelope, None
    if any(name in message.headers for name in _LEFT_OUT):
        for name in _LEFT_OUT:
            message.headers.pop(name, None)
        envelope = envelopes.encode(message)
    return envelope, message
