"""Dead letters: a durable queue that nobody consumes, read from end to end by whoever looks."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from celeriac.amqp.channel import Channel
from celeriac.amqp.content import Arrival, Outgoing
from celeriac.amqp.errors import ACCESS_REFUSED, NOT_FOUND, RESOURCE_LOCKED, Refused
from celeriac.brokers.base import DeadLetter, Delivery
from celeriac.brokers.dead_letters import read_label, revived
from celeriac.exceptions import BrokerUnavailable
from celeriac.protocol.amqp_message import to_properties
from celeriac.protocol.amqp_properties import Properties

__all__ = ["DEAD_QUEUE", "DeadLetterBox", "declare_dead_queue", "outgoing_dead"]

DEAD_QUEUE = "celeriac.dead"

#: A dead letter's body is the envelope it died with; what is said about it stands in headers, for people too.
_CONTENT_TYPE = "application/x-celeriac-envelope"
#: Seconds to wait for somebody else who is looking, and for confirms.
_PATIENCE = 10.0
#: Seconds between two questions how many letters are still to come.
_TURN = 0.02


class ChannelPool(Protocol):
    """Lends channels, each to one thread at a time."""

    def channel(self, *, timeout: float = ...) -> Any:
        """Return a context manager of a channel."""


def declare_dead_queue(channel: Channel) -> None:
    """Make sure that the queue exists.

    It is a classic queue whatever the setting for others says: looking gives messages back, and a quorum queue drops
    what has been given back too often.
    """
    channel.declare_queue(DEAD_QUEUE, arguments={"x-queue-type": "classic"})


def outgoing_dead(delivery: Delivery, reason: str, died_at: float) -> Outgoing:
    """Return a delivery as a dead letter on its way into the queue."""
    label = read_label(delivery.envelope)
    headers = {
        "id": _sendable(label.task_id),
        "task": _sendable(label.task),
        "queue": delivery.queue,
        "reason": _sendable(reason),
        "died_at": died_at,
    }
    properties = Properties(headers=headers, content_type=_CONTENT_TYPE, delivery_mode=2)
    return Outgoing(exchange="", routing_key=DEAD_QUEUE, properties=properties, body=delivery.envelope, mandatory=True)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _letter(arrival: Arrival) -> DeadLetter:
    headers = arrival.properties.headers
    died_at = headers.get("died_at")
    return DeadLetter(
        id=str(headers.get("id", "")),
        queue=str(headers.get("queue", "")),
        task=str(headers.get("task", "")),
        reason=str(headers.get("reason", "")),
        died_at=float(died_at) if isinstance(died_at, (int, float)) else 0.0,
        envelope=arrival.body,
    )


class DeadLetterBox:
    """Looks through the queue as the only reader, and gives back what it does not take.

    All letters pass through this process, so a look costs as many of them as there are.
    """

    def __init__(self, pool: ChannelPool, *, declare: Callable[[str], None]) -> None:
        """``declare`` makes sure that a queue exists."""
        self._pool = pool
        self._declare = declare

    def all(self) -> list[DeadLetter]:
        """Return every dead letter, newest first."""
        with self._reading() as (_, arrivals):
            return [_letter(arrival) for arrival in reversed(arrivals)]

    def retry(self, task_ids: Sequence[str] | None) -> int:
        """Publish letters (all, or those of these ids) to their queues; return how many."""
        if task_ids is not None and not task_ids:
            return 0
        with self._reading() as (channel, arrivals):
            chosen = _chosen(arrivals, task_ids)
            messages = [(arrival, _revived(arrival)) for arrival in chosen]
            revivable = [(arrival, outgoing) for arrival, outgoing in messages if outgoing is not None]
            if not revivable:
                return 0
            for queue in dict.fromkeys(outgoing.routing_key for _, outgoing in revivable):
                self._declare(queue)
            receipts = channel.publish([outgoing for _, outgoing in revivable], timeout=_PATIENCE)
            missing = {*receipts.failures, *receipts.unanswered}
            published = [arrival for number, (arrival, _) in enumerate(revivable) if number not in missing]
            _take(channel, published)
            if missing:
                raise receipts.fault or BrokerUnavailable(
                    f"{len(missing)} of {len(revivable)} dead letters could not be put back on their queues "
                    f"({next(iter(receipts.failures.values()), 'no answer')}), and are dead letters still."
                )
            return len(published)

    def purge(self, task_ids: Sequence[str] | None) -> int:
        """Drop letters (all, or those of these ids); return how many."""
        if task_ids is not None and not task_ids:
            return 0
        with self._reading() as (channel, arrivals):
            chosen = _chosen(arrivals, task_ids)
            _take(channel, chosen)
            return len(chosen)

    @contextmanager
    def _reading(self) -> Iterator[tuple[Channel, list[Arrival]]]:
        """Take all letters, oldest first; what is not acked by the end is given back in its order."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            with self._pool.channel() as channel:
                is_there = _begin(channel, may_wait=time.monotonic() < deadline)
                if is_there is not None:
                    try:
                        yield channel, _collect(channel) if is_there else []
                    finally:
                        # Cancelling and giving back would be two steps, between which the next reader finds the queue
                        # empty; for a channel that ends, the server does both in one.
                        channel.close()
                    return
            time.sleep(_TURN)


def _begin(channel: Channel, *, may_wait: bool) -> bool | None:
    """Become the queue's only consumer; return whether there is a queue, None while somebody else is its consumer."""
    try:
        channel.consume(DEAD_QUEUE, exclusive=True)
        return True
    except Refused as refusal:
        if refusal.code == NOT_FOUND:
            return False
        if refusal.code in {ACCESS_REFUSED, RESOURCE_LOCKED} and may_wait:
            return None
        raise


def _collect(channel: Channel) -> list[Arrival]:
    """Return all letters; the channel is the queue's only consumer."""
    while channel.declare_queue(DEAD_QUEUE, passive=True).messages:
        channel.connection.drive(_TURN)
    # The last of them are on their way; the server answers this after them.
    channel.declare_queue(DEAD_QUEUE, passive=True)
    arrivals = list(channel.arrivals)
    channel.arrivals.clear()
    return arrivals


def _chosen(arrivals: Sequence[Arrival], task_ids: Sequence[str] | None) -> list[Arrival]:
    wanted = None if task_ids is None else set(task_ids)
    return [each for each in arrivals if wanted is None or each.properties.headers.get("id") in wanted]


def _take(channel: Channel, arrivals: Sequence[Arrival]) -> None:
    for arrival in arrivals:
        channel.ack(arrival.delivery_tag)


def _revived(arrival: Arrival) -> Outgoing | None:
    """Return a letter as it goes back to its queue; None if nobody can read it."""
    letter = _letter(arrival)
    _, message = revived(letter.envelope)
    if message is None:
        return None
    message = msgspec.structs.replace(message, queue=letter.queue or message.queue)
    return Outgoing(
        exchange="",
        routing_key=message.queue,
        # Without a time-to-live: what has expired meanwhile is to be told so by a node, and not to vanish.
        properties=to_properties(message, 0.0, expires=False),
        body=message.body,
        mandatory=True,
    )
