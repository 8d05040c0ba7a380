"""Where messages go, and the commands that bring them there."""

import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from celeriac.brokers.redis.elements import encode, next_tag, next_tags, order_mark
from celeriac.brokers.redis.exchanges import Exchanges
from celeriac.brokers.redis.layout import Layout
from celeriac.protocol.call_form import FilledForm, Filling
from celeriac.protocol.kombu_envelope import EnvelopeForm
from celeriac.protocol.message import Message
from celeriac.redis.packing import Argument
from celeriac.redis.pool import Pool

__all__ = ["Placed", "Places", "PushForm", "push_commands"]

#: Seconds by which clocks may differ: so long after its moment a message still asks the server's clock.
_CLOCK_DIFFERENCE: Final = 1.0
#: Elements of one LPUSH, at most.
_CHUNK: Final = 5000


class Placed(NamedTuple):
    """One element and where it goes."""

    #: LPUSH to a list, ZADD to a sorted set of delayed messages (as its member), or PUBLISH on a channel.
    verb: bytes
    key: str
    element: bytes
    #: In milliseconds, for a sorted set.
    moment: float | None = None

    def arguments(self, *, at_head: bool = False) -> tuple[Argument, ...]:
        """Return it as the scripts read it."""
        if self.moment is None:
            return (b"RPUSH" if at_head and self.verb == b"LPUSH" else self.verb, self.key, self.element)
        return (self.verb, self.key, repr(self.moment), self.element)


class Places:
    """Decides where messages go."""

    def __init__(self, layout: Layout, exchanges: Exchanges) -> None:
        self._layout = layout
        self._exchanges = exchanges

    def place(self, messages: Iterable[Message], *, interop: bool = False) -> list[Placed]:
        """Encode and place; raises ``TypeError`` for a header that JSON cannot carry, before anything is published.

        What is not due waits apart; with ``interop`` a message that has an eta goes where Celery looks for it.
        """
        now = time.time()
        order = order_mark()
        encoded = [(message, encode(message, now)) for message in messages]
        placed: list[Placed] = []
        for message, element in encoded:
            if message.exchange and self._exchanges.is_fanout(message.exchange):
                channel = self._layout.channel(message.exchange, message.routing_key or "")
                placed.append(Placed(b"PUBLISH", channel, element))
                continue
            moment = message.not_before
            if interop and message.headers.get("eta"):
                moment = None
            queues = self._exchanges.queues_of(message) if message.exchange else (message.queue,)
            for queue in queues:
                placed.append(self._place_one(message, element, queue, moment, order + len(placed), now))
        return placed

    def replace(self, message: Message, queue: str) -> Placed:
        """Place a message that takes another's place in this queue."""
        now = time.time()
        return self._place_one(message, encode(message, now), queue, message.not_before, order_mark(), now)

    def _place_one(
        self, message: Message, element: bytes, queue: str, moment: float | None, order: int, now: float
    ) -> Placed:
        if moment is None or moment <= now - _CLOCK_DIFFERENCE:
            return Placed(b"LPUSH", self._layout.list(queue, message.priority), element)
        member = b"%016d:%d:%b" % (order, self._layout.step(message.priority), element)
        return Placed(b"ZADD", self._layout.delayed(queue), member, moment * 1000)


def push_commands(placed: Sequence[Placed]) -> list[tuple[Argument, ...]]:
    """Return the commands for elements in their places, as few as there can be; what shares a place keeps its order."""
    if len(placed) == 1 and placed[0].moment is None:
        return [placed[0][:3]]
    groups: dict[tuple[bytes, str], list[Argument]] = {}
    for verb, key, element, moment in placed:
        groups.setdefault((verb, key), []).extend((element,) if moment is None else (repr(moment), element))
    commands: list[tuple[Argument, ...]] = []
    for (verb, key), arguments in groups.items():
        # A channel takes one at a time.
        size = 1 if verb == b"PUBLISH" else 2 * _CHUNK
        commands += [(verb, key, *arguments[first : first + size]) for first in range(0, len(arguments), size)]
    return commands


class PushForm:
    """The command that brings calls of one form to their list; all of it that is known beforehand is written once."""

    def __init__(self, filled: FilledForm, key: str, pool: Pool) -> None:
        #: Where the list is.
        self.pool = pool
        self.origin = filled.origin
        self.reply_to = filled.reply_to
        self._envelopes = EnvelopeForm(filled)
        name = key.encode()
        self._target = b"\r\n$5\r\nLPUSH\r\n$%d\r\n%b\r\n$" % (len(name), name)
        self._beginning_of_one = b"*3" + self._target

    def packed(self, fillings: Sequence[Filling]) -> bytes:
        """Return the command for some calls, in the form that goes over the wire."""
        if len(fillings) == 1:
            element = self._envelopes.write(fillings[0], next_tag())
            return b"%b%d\r\n%b\r\n" % (self._beginning_of_one, len(element), element)
        elements = self._envelopes.write_many(fillings, next_tags(len(fillings)))
        parts = [b"*%d%b" % (len(elements) + 2, self._target)]
        for element in elements:
            parts += (b"%d\r\n" % len(element), element, b"\r\n$")
        parts[-1] = b"\r\n"
        return b"".join(parts)
