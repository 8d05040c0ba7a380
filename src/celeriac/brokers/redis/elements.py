"""The elements of Celery's lists: messages as bytes, in and out."""

import os
import re
import time
from itertools import count, islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from celeriac.brokers.dead_letters import read_label, revived
from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import envelope as envelopes
from celeriac.protocol import kombu_envelope
from celeriac.protocol.kombu_envelope import without_body
from celeriac.protocol.message import Message

__all__ = ["encode", "eta_of", "is_redelivered", "next_tag", "next_tags", "order_mark", "readable", "revive"]

_MARKED: Final = (b'"redelivered": true', b'"redelivered":true')
_MARK: Final = re.compile(rb'"redelivered": ?true(, ?)?')
_ETA: Final = b'"eta"'
_TASK: Final = b'"task"'
_NO_ETA: Final = re.compile(rb'"eta": ?null')


class _OldBody(Struct):
    eta: Any = None


_old_body: Final = msgspec.json.Decoder(_OldBody)


class _Tags:
    """Unique texts, cheaper than UUIDs one by one: a random beginning for each process, then a count."""

    def __init__(self) -> None:
        self.begin_anew()
        os.register_at_fork(after_in_child=self.begin_anew)

    def begin_anew(self) -> None:
        digits = os.urandom(10).hex()
        self._beginning = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:]}-".encode()
        self._numbers = count(1)

    def next(self) -> bytes:
        return b"%b%012x" % (self._beginning, next(self._numbers))

    def take(self, number: int) -> list[bytes]:
        beginning = self._beginning
        return [b"%b%012x" % (beginning, each) for each in islice(self._numbers, number)]


_tags = _Tags()
#: Returns a delivery tag that no other message has; ``next_tags`` returns so many.
next_tag: Final = _tags.next
next_tags: Final = _tags.take


def encode(message: Message, now: float) -> bytes:
    """Return a message as kombu writes it; raises ``TypeError`` for a header that JSON cannot carry."""
    return kombu_envelope.encode(message, delivery_tag=_tags.next().decode(), now=now)


def order_mark() -> int:
    """Return a number that is larger for what is published later, as far as clocks agree: microseconds."""
    return time.time_ns() // 1000


def is_redelivered(element: bytes) -> bool:
    """Say whether somebody has had this message before."""
    element = without_body(element)
    return _MARKED[0] in element or _MARKED[1] in element


def eta_of(element: bytes) -> float | None:
    """Return the unix time before which a message shall not be executed. Reads only those that have one."""
    head = without_body(element)
    at = head.find(_ETA)
    if (at >= 0 and _NO_ETA.match(head, at)) or (at < 0 and _TASK in head):
        return None
    try:
        return envelopes.decode_head(element).not_before if at >= 0 else _eta_of_protocol_1(element)
    except (UnreadableMessage, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _eta_of_protocol_1(element: bytes) -> float | None:
    """Return what is said in the body, where the oldest protocol has everything."""
    message = envelopes.decode(element)
    if message.content_type != "application/json" or "compression" in message.headers:
        return None
    return kombu_envelope.moment(_old_body.decode(message.body).eta)


def readable(element: bytes, queue: str) -> Message:
    """Return an element's message; one that only names it if nobody can read it."""
    try:
        return envelopes.decode(element)
    except UnreadableMessage:
        label = read_label(element)
        return Message(id=label.task_id, queue=queue, headers={}, content_type="application/data", body=element)


def revive(element: bytes) -> bytes:
    """Return the element to put back for a dead letter: crash count and mark of redelivery are cleared."""
    if element[:1] == b"{":
        element = _MARK.sub(b"", element)
    envelope, message = revived(element)
    return element if message is None or envelope is element else encode(message, time.time())
