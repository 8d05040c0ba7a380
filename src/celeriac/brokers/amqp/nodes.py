"""Who is there: a question to all nodes, which each of them answers itself.

RabbitMQ tells nobody which consumers it has. So every node listens on one fanout exchange; who wants to know sends a
question there and gathers answers for a while. A node that is gone, or hangs, does not answer.
"""

import time
from collections import deque
from collections.abc import Callable

import msgspec
from msgspec import Struct

from celeriac.amqp.channel import Channel, blocked_sentence
from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Outgoing
from celeriac.brokers.base import NodeRecord
from celeriac.exceptions import BrokerUnavailable
from celeriac.protocol.amqp_properties import Properties

__all__ = ["ANNOUNCEMENT", "NODES_EXCHANGE", "NodeAnswerer", "ask_nodes"]

NODES_EXCHANGE = "celeriac.nodes"
#: The type of a message there that is no question, but for the nodes themselves (``reunion``).
ANNOUNCEMENT = "celeriac.announcement"

#: Answers come here without a queue having to be declared.
_DIRECT_REPLY = "amq.rabbitmq.reply-to"
#: Seconds answers are gathered: a node with nothing to do answers at once, one with no room looks once a second.
GATHERING = 1.5
#: Milliseconds after which nobody waits for an answer any more.
_QUESTION_LIFE = 5000


class _Answer(Struct, array_like=True):
    name: str
    #: Seconds.
    lease: float
    status: bytes


class NodeAnswerer:
    """A node's ear on its own connection, driven by whoever drives that: call ``answer`` now and then.

    On a channel of its own, so that nothing here touches deliveries. ``say`` sends an answer on another connection: the
    server reads nothing more from one that publishes while an alarm is raised, not even acks.
    """

    def __init__(self, connection: Connection, *, name: str, lease: float, say: Callable[[Outgoing], object]) -> None:
        self._say = say
        self._name = name
        self._lease = lease
        self.status = b""
        #: What other nodes have said to all.
        self.announcements: deque[bytes] = deque()
        self._channel = connection.channel()
        _declare(self._channel)
        queue = self._channel.declare_queue(
            "", durable=False, exclusive=True, auto_delete=True, arguments={"x-message-ttl": _QUESTION_LIFE}
        ).name
        self._channel.bind_queue(queue, NODES_EXCHANGE)
        self._channel.consume(queue, no_ack=True)

    def answer(self) -> bool:
        """Answer the questions that have come; return whether there were any."""
        arrivals = self._channel.arrivals
        had_questions = bool(arrivals)
        while arrivals:
            arrival = arrivals.popleft()
            address = arrival.properties.reply_to
            if arrival.properties.type == ANNOUNCEMENT:
                self.announcements.append(arrival.body)
            elif address:
                body = msgspec.msgpack.encode(_Answer(self._name, self._lease, self.status))
                self._say(Outgoing(routing_key=address, properties=Properties(), body=body, mandatory=False))
        return had_questions


def ask_nodes(connection: Connection, *, gathering: float = GATHERING) -> list[NodeRecord]:
    """Return the nodes that answer within so many seconds, by name."""
    channel = connection.channel()
    try:
        _declare(channel)
        channel.consume(_DIRECT_REPLY, no_ack=True)
        question = Outgoing(
            exchange=NODES_EXCHANGE,
            routing_key="",
            properties=Properties(reply_to=_DIRECT_REPLY),
            body=b"",
            mandatory=False,
        )
        channel.publish([question], timeout=gathering)
        if connection.blocked:
            # Nobody has heard it.
            raise BrokerUnavailable(blocked_sentence(connection.blocked))
        deadline = time.monotonic() + gathering
        while (remaining := deadline - time.monotonic()) > 0:
            connection.drive(remaining)
        return sorted((_record(arrival.body) for arrival in channel.arrivals), key=lambda record: record.name)
    finally:
        if not connection.blocked:
            channel.close()


def _declare(channel: Channel) -> None:
    channel.declare_exchange(NODES_EXCHANGE, "fanout")


def _record(body: bytes) -> NodeRecord:
    answer = msgspec.msgpack.decode(body, type=_Answer)
    return NodeRecord(name=answer.name, lease_until=time.time() + answer.lease, status=answer.status)
