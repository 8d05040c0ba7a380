"""Messages in Redis: the broker."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.backends.redis import RedisBackend
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
from celeriac.brokers.redis.consumer import RedisConsumer
from celeriac.brokers.redis.dead_letters import DeadLetters
from celeriac.brokers.redis.exchanges import Exchanges
from celeriac.brokers.redis.giving_back import GivingBack
from celeriac.brokers.redis.inspection import Inspection
from celeriac.brokers.redis.layout import OPTIONS, Layout
from celeriac.brokers.redis.publisher import Publisher
from celeriac.brokers.redis.subscription import RedisSubscription, pack
from celeriac.brokers.remarks import GivenBack, Remark
from celeriac.exceptions import BrokerUnavailable
from celeriac.protocol.call_form import FilledForm
from celeriac.protocol.message import Message
from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.examination import examine
from celeriac.redis.location import Kind, Location
from celeriac.redis.opening import server_at
from celeriac.redis.packing import Argument
from celeriac.routing import Queue

__all__ = ["RedisBroker"]

_CAPABILITIES: Final = Capabilities(
    priorities=(0, 3, 6, 9),
    delay=True,
    peek=True,
    atomic_settle=True,
    fenced=True,
    shared=True,
    shared_with_celery=True,
)


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    """A server that is not there is said to be an unavailable broker: a worker that starts waits for it."""
    try:
        yield
    except RedisUnavailable as error:
        raise BrokerUnavailable(str(error)) from error


class RedisBroker(Broker):
    """A server, a master that Sentinels name, or a Cluster."""

    timetable_engine: ClassVar[str | None] = "redis"

    capabilities: ClassVar[Capabilities] = _CAPABILITIES

    def __init__(self, url: str, *, options: Mapping[str, Any] | None = None) -> None:
        self.location = Location.from_url(url, options or {}, extras=OPTIONS)
        self.url = self.location.url
        self._server = server_at(self.location)
        self._layout = Layout(self.location)
        if self._layout.steps != _CAPABILITIES.priorities:
            self.capabilities = replace(_CAPABILITIES, priorities=self._layout.steps)  # type: ignore[misc] # an option
        self._exchanges = Exchanges(self._layout, self._server)
        self._publisher = Publisher(self._layout, self._server, self._exchanges)
        self._inspection = Inspection(self._layout, self._server)
        self._dead_letters = DeadLetters(self._layout, self._server)

    def open(self) -> None:
        with _reaching():
            self._server.open()

    def close(self) -> None:
        self._server.close()

    def declare(self, queue: Queue) -> None:
        self._exchanges.declare([queue])

    def publish(self, messages: Sequence[Message], *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        self._publisher.publish(messages, timeout)

    def publish_filled(self, filled: FilledForm, *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        self._publisher.publish_filled(filled, timeout)

    def publish_with_results(
        self,
        messages: Sequence[Message],
        results: Sequence[StoredResult],
        backend: ResultBackend,
        *,
        timeout: float = DEFAULT_PUBLISH_TIMEOUT,
    ) -> None:
        beside = self._beside(backend)
        if beside is None or not results:
            super().publish_with_results(messages, results, backend, timeout=timeout)
            return
        self._publisher.publish_with_results(messages, results, beside, timeout)

    def commands_to_publish(self, message: Message) -> list[tuple[Argument, ...]]:
        """Return the commands that publish a message, for a script on its server; not for a Cluster."""
        return self._publisher.commands(message)

    def consumer(
        self, queues: Sequence[Queue], *, node: str, results: ResultBackend | None = None, lease: float = DEFAULT_LEASE
    ) -> Consumer:
        if results is not None and not results.stores_results:
            results = None
        with _reaching():
            return RedisConsumer(
                self._layout,
                self._server,
                self._exchanges,
                queues,
                node=node,
                results=results,
                beside=None if results is None else self._beside(results),
                lease=lease,
                publish=self._publisher.publish_follow_ups,
            )

    def shares_store_with(self, backend: ResultBackend) -> bool:
        return not backend.stores_results or self._beside(backend) is not None

    def queues(self) -> list[str]:
        return self._inspection.queues()

    def size(self, queue: str) -> QueueSize:
        return self._inspection.size(queue)

    def peek(self, queue: str, limit: int = 10, offset: int = 0) -> list[Message]:
        return self._inspection.peek(queue, limit, offset)

    def purge(self, queue: str) -> int:
        return self._inspection.purge(queue)

    def delete(self, queue: str) -> None:
        self._inspection.purge(queue)
        self._exchanges.delete(queue)

    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        return self._dead_letters.newest(limit, offset)

    def find_dead_letters(self, task_id: str) -> list[DeadLetter]:
        return self._dead_letters.of_task(task_id)

    def retry_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        return self._dead_letters.retry(task_ids)

    def purge_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        return self._dead_letters.purge(task_ids)

    def nodes(self) -> list[NodeRecord]:
        return self._inspection.nodes()

    def broadcast(self, channel: Channel, broadcast: Broadcast) -> None:
        self._publisher.broadcast(channel.name, broadcast.routing_key, pack(channel, broadcast))

    def subscribe(self, channel: Channel, pattern: str = "#") -> Subscription:
        # In a Cluster the node that publishes too: from one to the other a broadcast may be overtaken.
        connector = self._server.pool_of(self._layout.channel(channel.name).encode()).connector
        return RedisSubscription(self._layout, connector, channel, pattern)

    def examine(self, queues: Sequence[str] = ()) -> list[Remark]:
        return examine(self._server)

    def give_back(self, queues: Sequence[str] | None = None, *, dead: bool = False) -> GivenBack:
        chosen = self.queues() if queues is None else queues
        return GivingBack(self._layout, self._server, self._dead_letters).give_back(chosen, dead=dead)

    def _beside(self, backend: ResultBackend) -> RedisBackend | None:
        """Return the result backend if one script reaches messages and results."""
        if not isinstance(backend, RedisBackend) or self.location.kind is Kind.CLUSTER:
            return None
        return backend if backend.location.server == self.location.server else None
