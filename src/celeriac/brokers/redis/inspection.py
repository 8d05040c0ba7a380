"""Looking at queues and nodes, and emptying queues."""

from collections.abc import Sequence
from typing import Final

import msgspec

from celeriac.brokers.base import NodeRecord, QueueSize
from celeriac.brokers.redis.elements import readable
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.record import SCRIPTS
from celeriac.protocol.message import Message
from celeriac.redis.errors import RedisRefused, ReplyError, explain_reply
from celeriac.redis.packing import Command, Reply, ScriptCall
from celeriac.redis.scripts import load_script
from celeriac.redis.servers import Server

__all__ = ["Inspection"]

#: Where an incarnation's own key has its name.
_NOBODY: Final = ""


class Inspection:
    """What people and tools ask. Safe for many threads."""

    def __init__(self, layout: Layout, server: Server) -> None:
        self._layout = layout
        self._server = server

    def queues(self) -> list[str]:
        """Return the names of the queues that exist, sorted."""
        return sorted(name.decode() for name in self._ask(self._layout.queues, (b"SMEMBERS", self._layout.queues)))

    def size(self, queue: str) -> QueueSize:
        """Count a queue's messages."""
        layout = self._layout
        record = layout.record(_NOBODY, queue)
        names = [layout.list_name(queue, step) for step in layout.steps]
        ready, delayed, in_flight = self._ask(
            record.nodes,
            ScriptCall(
                load_script(SCRIPTS, "count"),
                (record.nodes, layout.delayed(queue), *layout.lists(queue)),
                (*record.family, *names),
            ),
        )
        return QueueSize(ready=ready, delayed=delayed, in_flight=in_flight)

    def peek(self, queue: str, limit: int, offset: int) -> list[Message]:
        """Return waiting messages in the order of delivery, delayed ones last."""
        lists = self._layout.lists(queue)
        found: list[Message] = []
        for key, length in zip(lists, self._lengths(lists), strict=True):
            if offset < length and len(found) < limit:
                found += self._look_into(key, queue, limit - len(found), offset)
            offset = max(0, offset - length)
        if len(found) < limit:
            found += self._look_at_delayed(queue, limit - len(found), offset)
        return found

    def purge(self, queue: str) -> int:
        """Drop a queue's waiting messages; return how many."""
        keys = (self._layout.delayed(queue), *self._layout.lists(queue))
        count: int = self._ask(keys[0], ScriptCall(load_script(SCRIPTS, "purge"), keys))
        return count

    def nodes(self) -> list[NodeRecord]:
        """Return the nodes that hold or lately held a lease, by name."""
        queues = self.queues() if self._layout.is_cluster else [""]
        found: dict[str, NodeRecord] = {}
        for queue in queues:
            key = self._layout.record(_NOBODY, queue).nodes
            leases = self._ask(key, (b"ZRANGE", key, 0, -1, b"WITHSCORES"))
            for incarnation, until in _pairs(leases):
                record = self._read_node(incarnation.decode(), queue, float(until) / 1000)
                known = found.get(incarnation.decode())
                if known is None or known.lease_until < record.lease_until:
                    found[incarnation.decode()] = record
        return sorted(found.values(), key=lambda record: record.name)

    def _read_node(self, incarnation: str, queue: str, lease_until: float) -> NodeRecord:
        key = self._layout.record(incarnation, queue).node
        name, status = self._ask(key, (b"HMGET", key, b"name", b"status"))
        return NodeRecord(name=(name or b"").decode(), lease_until=lease_until, status=status or b"")

    def _lengths(self, keys: Sequence[str]) -> list[int]:
        return [
            self._checked(reply) for reply in self._server.scatter([(key.encode(), (b"LLEN", key)) for key in keys])
        ]

    def _look_into(self, key: str, queue: str, limit: int, offset: int) -> list[Message]:
        elements = self._ask(key, (b"LRANGE", key, -(offset + limit), -(offset + 1)))
        return [_with_queue(readable(element, queue), queue) for element in reversed(elements)]

    def _look_at_delayed(self, queue: str, limit: int, offset: int) -> list[Message]:
        key = self._layout.delayed(queue)
        found = []
        for member, moment in _pairs(self._ask(key, (b"ZRANGE", key, offset, offset + limit - 1, b"WITHSCORES"))):
            message = _with_queue(readable(member.split(b":", 2)[2], queue), queue)
            found.append(msgspec.structs.replace(message, not_before=float(moment) / 1000))
        return found

    def _ask(self, key: str, command: Command) -> Reply:
        return self._checked(self._server.scatter([(key.encode(), command)])[0])

    def _checked(self, reply: Reply) -> Reply:
        if isinstance(reply, ReplyError):
            raise RedisRefused(explain_reply(self._server.location.url, str(reply)), code=reply.code)
        return reply


def _with_queue(message: Message, queue: str) -> Message:
    """Return the message with the queue it lies in, which an exchange may have chosen."""
    return message if message.queue == queue else msgspec.structs.replace(message, queue=queue)


def _pairs(reply: Sequence[Reply]) -> list[tuple[bytes, Reply]]:
    """Return members with their scores; RESP3 pairs them, RESP2 does not."""
    if reply and isinstance(reply[0], list):
        return [(member, score) for member, score in reply]
    return list(zip(reply[::2], reply[1::2], strict=True))
