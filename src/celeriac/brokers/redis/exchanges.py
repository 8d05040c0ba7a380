"""Declared queues, and where exchanges lead.

Celery keeps the bindings of an exchange in a set (``_kombu.binding.<exchange>``). Its tools find queues there, and a
message published to an exchange is copied to each queue whose binding takes it. A fanout exchange is no queue's: what
is sent there is heard by those who listen, and by nobody later.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from typing import Final

from celeriac.brokers.redis.layout import Layout
from celeriac.protocol.message import Message
from celeriac.queues import Queue, topic_matches
from celeriac.redis.errors import RedisRefused, ReplyError, explain_reply
from celeriac.redis.packing import Argument, Command, Reply
from celeriac.redis.servers import Server

__all__ = ["Exchanges"]

_WILDCARDS: Final = {"*": r".*?[^\.]", "#": ".*?"}
_NO_WORD_CHARACTER: Final = re.compile(r"[^\w#*]|_")


class Exchanges:
    """What this process has declared, and reads of others' bindings. Safe for many threads."""

    def __init__(self, layout: Layout, server: Server) -> None:
        self._layout = layout
        self._server = server
        self._lock = threading.Lock()
        #: The queues that this process has declared. To be looked at; changed in here only.
        self.known: dict[str, Queue] = {}
        self._types: dict[str, str] = {}
        #: Some queue has ``x-expires``.
        self.is_some_expiring = False

    def declare(self, queues: Sequence[Queue]) -> None:
        """Make sure that queues exist, and are found by Celery's tools."""
        self._scatter([call for queue in queues for call in self._declarations(queue)])
        self._remember(queues)

    def declare_again(self, names: Iterable[str]) -> None:
        """Declare queues once more, as they are known here: the server may have lost them."""
        self._scatter([call for name in names for call in self._declarations(self.known.get(name, Queue(name)))])

    def declare_unknown(self, messages: Iterable[Message]) -> None:
        """Declare the queues of messages of which this process has not heard."""
        known = self.known
        unknown = [message.queue for message in messages if message.queue not in known]
        if unknown:
            self.declare([Queue(name) for name in dict.fromkeys(unknown)])

    def delete(self, queue: str) -> None:
        """Make the queue one that does not exist."""
        with self._lock:
            declared = self.known.pop(queue, Queue(queue))
        members = [(key.encode(), (b"SREM", key, member)) for key, member in self._members(declared)]
        self._scatter([(self._layout.queues.encode(), (b"SREM", self._layout.queues, queue)), *members])

    def expiries(self, queues: Iterable[str]) -> list[tuple[Argument, ...]]:
        """Return the commands that give the lists of queues with ``x-expires`` their time anew: they are in use."""
        commands: list[tuple[Argument, ...]] = []
        for name in dict.fromkeys(queues):
            milliseconds = _expiry_of(self.known.get(name))
            if milliseconds:
                commands += [(b"PEXPIRE", key, milliseconds) for key in self._layout.lists(name)]
        return commands

    def keep(self, queues: Iterable[str]) -> None:
        """Note that somebody consumes from these queues."""
        self._scatter([(str(command[1]).encode(), command) for command in self.expiries(queues)])

    def is_fanout(self, exchange: str) -> bool:
        """Say whether what is published there is for whoever listens."""
        return self._types.get(exchange) == "fanout"

    def fanouts_of(self, queue: Queue) -> list[tuple[str, str]]:
        """Return the fanout exchanges a queue hears, with the routing key's pattern."""
        return [
            (binding.exchange.name, binding.routing_key)
            for binding in queue.all_bindings
            if binding.exchange.type == "fanout"
        ]

    def queues_of(self, message: Message) -> Sequence[str]:
        """Return the queues a message goes to; its own where no binding takes it."""
        if not message.exchange:
            return (message.queue,)
        key = message.routing_key if message.routing_key is not None else message.queue
        is_topic = self._types.get(message.exchange) == "topic"
        separator = self._layout.separator.encode()
        found = []
        table = self._layout.bindings(message.exchange)[0]
        for member in self._scatter([(table.encode(), (b"SMEMBERS", table))])[0]:
            bound_key, _, rest = member.partition(separator)
            pattern, _, queue = rest.partition(separator)
            bound = bound_key.decode(errors="replace")
            # Only a topic binding has a pattern, in whatever process it was declared.
            if topic_matches(bound, key) if is_topic or pattern else bound == key:
                found.append(queue.decode(errors="replace"))
        return sorted(set(found)) or (message.queue,)

    def _remember(self, queues: Iterable[Queue]) -> None:
        with self._lock:
            for queue in queues:
                self.known[queue.name] = queue
                self.is_some_expiring = self.is_some_expiring or _expiry_of(queue) > 0
                self._types.update({each.exchange.name: each.exchange.type for each in queue.all_bindings})

    def _scatter(self, calls: Sequence[tuple[bytes, Command]]) -> list[Reply]:
        if not calls:
            return []
        replies = self._server.scatter(calls)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise RedisRefused(explain_reply(self._server.location.url, str(reply)), code=reply.code)
        return replies

    def _declarations(self, queue: Queue) -> list[tuple[bytes, Command]]:
        known = self._layout.queues
        members = [(key.encode(), (b"SADD", key, member)) for key, member in self._members(queue)]
        return [(known.encode(), (b"SADD", known, queue.name)), *members]

    def _members(self, queue: Queue) -> list[tuple[str, str]]:
        """Return the sets and members of a queue's bindings, as Celery writes them."""
        bindings = [
            (each.exchange.name, each.routing_key, _regular_expression(each.exchange.type, each.routing_key))
            for each in queue.all_bindings
        ] or [(queue.name, queue.name, "")]
        return [
            (key, self._layout.binding(queue.name, routing_key, pattern))
            for exchange, routing_key, pattern in bindings
            for key in self._layout.bindings(exchange)
        ]


def _expiry_of(queue: Queue | None) -> int:
    """Return the milliseconds without use after which a queue goes; 0 for one that stays."""
    if queue is None:
        return 0
    if queue.expires is not None:
        return int(queue.expires * 1000)
    value = str((queue.queue_arguments or {}).get("x-expires", 0))
    return int(value) if value.isdecimal() else 0


def _regular_expression(exchange_type: str, routing_key: str) -> str:
    """Return the pattern that Celery keeps with a topic binding (``kombu/transport/virtual/exchange.py``)."""
    if exchange_type != "topic":
        return ""
    words = (_WILDCARDS.get(word, _NO_WORD_CHARACTER.sub(r"\\\g<0>", word)) for word in routing_key.split("."))
    return "^" + r"\.".join(words) + "$"
