"""Messages on RabbitMQ: the broker."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from celeriac.amqp.connection import Connection
from celeriac.amqp.errors import NOT_FOUND, Refused
from celeriac.amqp.location import Location, seconds_option
from celeriac.backends.base import ResultBackend
from celeriac.brokers.amqp.consumer import AmqpConsumer
from celeriac.brokers.amqp.dead_letters import DeadLetterBox
from celeriac.brokers.amqp.declaring import Declarer
from celeriac.brokers.amqp.examination import examine
from celeriac.brokers.amqp.flights import Flights
from celeriac.brokers.amqp.giving_back import give_back
from celeriac.brokers.amqp.holding import DEFAULT_CONSUMER_TIMEOUT, Holder
from celeriac.brokers.amqp.nodes import ask_nodes
from celeriac.brokers.amqp.pool import ConnectionPool
from celeriac.brokers.amqp.publishing import Publisher
from celeriac.brokers.amqp.subscription import AmqpSubscription, outgoing_broadcast, require_exchange
from celeriac.brokers.base import (
    DEFAULT_LEASE,
    DEFAULT_PUBLISH_TIMEOUT,
    Broadcast,
    Broker,
    Capabilities,
    Channel,
    Consumer,
    DeadLetter,
    NodeRecord,
    QueueSize,
    Subscription,
)
from celeriac.brokers.remarks import GivenBack, Remark
from celeriac.exceptions import ImproperlyConfigured, OperationalError
from celeriac.protocol.call_form import FilledForm
from celeriac.protocol.message import Message
from celeriac.queues import Queue

__all__ = ["AmqpBroker"]

#: Heartbeats that must fail to arrive, about, before the server gives up a node.
_HEARTBEATS_IN_LEASE = 3
_QUEUE_TYPES = ("classic", "quorum")


class AmqpBroker(Broker):
    """One RabbitMQ, or several of which one answers.

    Publishing and all else but consuming goes through a pool of connections; each consumer has one of its own.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        priorities=(),
        delay=True,
        peek=False,
        atomic_settle=False,
        fenced=False,
        shared=True,
        shared_with_celery=True,
        delay_precision=1.0,
        counts_all=False,
        lists_queues=False,
        leases=False,
        keeps_place=False,
    )

    def __init__(self, url: str, *, options: Mapping[str, Any] | None = None) -> None:
        options = options or {}
        self.location = Location.from_url(url, options)
        self.url = self.location.url
        self._consumer_timeout = seconds_option(options, "consumer_timeout", DEFAULT_CONSUMER_TIMEOUT)
        self._interop = bool(options.get("interop", True))
        max_priority = options.get("queue_max_priority")
        self._declarer = Declarer(
            default_type=_queue_type(options, "default_queue_type", "classic"),
            max_priority=max_priority,
            delay_queue_type=_queue_type(options, "delay_queue_type", "quorum"),
        )
        if max_priority:
            priorities = tuple(range(int(max_priority), -1, -1))
            self.capabilities = replace(type(self).capabilities, priorities=priorities)  # type: ignore[misc]
        self._pool = ConnectionPool(self._connect_publishing, limit=options.get("pool_limit") or 10)
        self._publisher = Publisher(self._pool, self._declarer)
        self._dead_letters = DeadLetterBox(self._pool, declare=lambda name: self.declare(Queue(name)))

    def open(self) -> None:
        with self._pool.channel(timeout=self.location.connect_timeout * len(self.location.servers)):
            pass

    def close(self) -> None:
        self._pool.close()

    def open_connection(self, name: str, *, heartbeat: float = 0.0, timeout: float | None = None) -> Connection:
        """Open a connection of one's own; ``name`` says what for. Raises ``BrokerUnavailable``."""
        full_name = f"celeriac {name} {os.getpid()}@{socket.gethostname()}"
        return Connection.open(self.location, heartbeat=heartbeat, timeout=timeout, name=full_name)

    def declare(self, queue: Queue) -> None:
        with self._pool.channel() as channel:
            self._declarer.declare(channel.connection, queue)

    def publish(self, messages: Sequence[Message], *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        if messages:
            self._publisher.publish(messages, timeout=timeout, interop=self._interop)

    def publish_filled(self, filled: FilledForm, *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        self._publisher.publish_filled(filled, timeout=timeout)

    def consumer(
        self, queues: Sequence[Queue], *, node: str, results: ResultBackend | None = None, lease: float = DEFAULT_LEASE
    ) -> Consumer:
        if results is not None and not results.stores_results:
            results = None
        heartbeat = self.location.heartbeat or max(1.0, lease / _HEARTBEATS_IN_LEASE)
        return AmqpConsumer(
            lambda: self.open_connection(f"consumer of {node}", heartbeat=heartbeat),
            declarer=self._declarer,
            publisher=self._publisher,
            queues=queues,
            node=node,
            results=results,
            lease=lease,
            hold=self._make_holder,
        )

    def shares_store_with(self, backend: ResultBackend) -> bool:
        return not backend.stores_results

    @property
    def known_queues(self) -> list[str]:
        """The names of the queues that this process has had to do with."""
        return list(self._declarer.queues)

    def queues(self) -> list[str]:
        """Of those that this process has had to do with: RabbitMQ tells nobody which there are."""
        return sorted(name for name in self.known_queues if self._count(name) is not None)

    def size(self, queue: str) -> QueueSize:
        return QueueSize(ready=self._count(queue) or 0, delayed=None, in_flight=None)

    def peek(self, queue: str, limit: int = 10, offset: int = 0) -> list[Message]:
        raise OperationalError(
            "RabbitMQ shows nobody the messages of a queue: to look at them is to take them. Its management pages "
            "(port 15672) do so with 'Get messages', and mark what they give back."
        )

    def purge(self, queue: str) -> int:
        with self._pool.channel() as channel:
            try:
                return channel.purge(queue)
            except Refused as refusal:
                if refusal.code != NOT_FOUND:
                    raise
                return 0

    def delete(self, queue: str) -> None:
        with self._pool.channel() as channel:
            self._declarer.forget(channel.connection, queue)
            self._declarer.queues.pop(queue, None)
            channel.delete_queue(queue)

    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        return self._dead_letters.all()[offset : offset + limit]

    def find_dead_letters(self, task_id: str) -> list[DeadLetter]:
        return [letter for letter in self._dead_letters.all() if letter.id == task_id]

    def retry_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        return self._dead_letters.retry(task_ids)

    def purge_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        return self._dead_letters.purge(task_ids)

    def nodes(self) -> list[NodeRecord]:
        with self._pool.channel() as channel:
            return ask_nodes(channel.connection)

    def broadcast(self, channel: Channel, broadcast: Broadcast) -> None:
        with self._pool.channel() as lent:
            known = f"channel {channel.name}"
            if known not in lent.connection.known:
                require_exchange(lent.connection, channel)
                lent.connection.known.add(known)
            lent.publish([outgoing_broadcast(channel, broadcast)], timeout=DEFAULT_PUBLISH_TIMEOUT)

    def subscribe(self, channel: Channel, pattern: str = "#") -> Subscription:
        return AmqpSubscription(lambda: self.open_connection("subscription"), channel, pattern)

    def examine(self, queues: Sequence[str] = ()) -> list[Remark]:
        with self._pool.channel() as channel:
            return examine(channel, queues, is_classic=lambda name: self._is_classic(channel.connection, name))

    def give_back(self, queues: Sequence[str] | None = None, *, dead: bool = False) -> GivenBack:
        chosen = [name for name in (queues or self.known_queues) if self._count(name) is not None]
        return give_back(chosen, dead=dead, bind=self._bind_delays, dead_letters=self._dead_letters)

    def _make_holder(self, connection: Connection, flights: Flights) -> Holder:
        return Holder(
            connection,
            flights,
            self._pool,
            timeout=self._consumer_timeout,
            is_classic=lambda name: self._is_classic(connection, name),
        )

    def _is_classic(self, connection: Connection, queue: str) -> bool:
        return self._declarer.shares_window(connection, self._declarer.describe(queue))

    def _bind_delays(self, queue: str) -> None:
        with self._pool.channel() as channel:
            self._declarer.prepare_delays(channel.connection, self._declarer.describe(queue))

    def _connect_publishing(self, timeout: float) -> Connection:
        return self.open_connection("publisher", timeout=timeout)

    def _count(self, queue: str) -> int | None:
        """Return how many messages are ready; None for a queue that does not exist."""
        with self._pool.channel() as channel:
            try:
                return channel.declare_queue(queue, passive=True).messages
            except Refused as refusal:
                if refusal.code != NOT_FOUND:
                    raise
                return None


def _queue_type(options: Mapping[str, Any], name: str, default: str) -> str:
    value = options.get(name) or default
    if value not in _QUEUE_TYPES:
        raise ImproperlyConfigured(f"The broker's option {name} is {value!r}; it may be one of: classic, quorum.")
    return str(value)
