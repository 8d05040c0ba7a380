"""Messages in this process's memory: for tests, and the reference that explains the others (see ``memory_store``)."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from celeriac import clock
from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.base import (
    DEFAULT_LEASE,
    DEFAULT_PUBLISH_TIMEOUT,
    Broadcast,
    Broker,
    Capabilities,
    Channel,
    Consumer,
    DeadLetter,
    Delivery,
    NodeRecord,
    Outcome,
    QueueSize,
    Settlement,
    Subscription,
)
from celeriac.brokers.dead_letters import read_label, revived
from celeriac.brokers.lease import Lease
from celeriac.brokers.memory_store import Inbox, Line, MemoryStore, Node, Place, Row
from celeriac.brokers.settling import settle_in_order
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue

__all__ = ["MemoryBroker"]

_stores: dict[str, MemoryStore] = {}


class MemoryBroker(Broker):
    """Everybody in this process who uses the same URL sees the same messages, unless it is given a store."""

    timetable_engine: ClassVar[str | None] = "memory"

    capabilities: ClassVar[Capabilities] = Capabilities(
        priorities=tuple(range(9, -1, -1)), delay=True, peek=True, atomic_settle=True, fenced=True, shared=False
    )

    def __init__(
        self, url: str = "memory://", *, options: Mapping[str, Any] | None = None, store: MemoryStore | None = None
    ) -> None:
        self.url = url
        self._store = store or _stores.setdefault(urlsplit(url).netloc, MemoryStore())

    @property
    def store(self) -> MemoryStore:
        """Where its messages are."""
        return self._store

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def declare(self, queue: Queue) -> None:
        with self._store.changed:
            self._store.lines.setdefault(queue.name, Line())

    def publish(self, messages: Sequence[Message], *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        copies = _copies(messages)
        with self._store.changed:
            self._store.add(copies)

    def publish_with_results(
        self,
        messages: Sequence[Message],
        results: Sequence[StoredResult],
        backend: ResultBackend,
        *,
        timeout: float = DEFAULT_PUBLISH_TIMEOUT,
    ) -> None:
        copies = _copies(messages)
        # Nobody sees the store until the lock is free.
        with self._store.changed:
            backend.store(results)
            self._store.add(copies)

    def consumer(
        self, queues: Sequence[Queue], *, node: str, results: ResultBackend | None = None, lease: float = DEFAULT_LEASE
    ) -> Consumer:
        return MemoryConsumer(self, self._store, queues, node=node, results=results, lease=lease)

    def shares_store_with(self, backend: ResultBackend) -> bool:
        return isinstance(backend, MemoryBackend) or not backend.stores_results

    def queues(self) -> list[str]:
        with self._store.changed:
            return sorted(self._store.lines)

    def size(self, queue: str) -> QueueSize:
        with self._store.changed:
            if queue in self._store.lines:
                self._store.ripen(self._store.lines[queue])
            places = [row.place for row in self._store.rows.values() if row.message.queue == queue]
        return QueueSize(
            ready=places.count(Place.READY),
            delayed=places.count(Place.DELAYED),
            in_flight=places.count(Place.IN_FLIGHT),
        )

    def peek(self, queue: str, limit: int = 10, offset: int = 0) -> list[Message]:
        with self._store.changed:
            return [row.message for row in self._store.waiting(queue)[offset : offset + limit]]

    def purge(self, queue: str) -> int:
        with self._store.changed:
            rows = self._store.waiting(queue)
            for row in rows:
                self._store.remove(row)
            return len(rows)

    def delete(self, queue: str) -> None:
        with self._store.changed:
            self.purge(queue)
            self._store.lines.pop(queue, None)

    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        with self._store.changed:
            return self._store.dead[::-1][offset : offset + limit]

    def find_dead_letters(self, task_id: str) -> list[DeadLetter]:
        with self._store.changed:
            return [letter for letter in reversed(self._store.dead) if letter.id == task_id]

    def retry_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        with self._store.changed:
            letters = self._take_dead_letters(task_ids)
            messages = [revived(letter.envelope)[1] for letter in letters]
            self._store.add(message for message in messages if message is not None)
            return len(letters)

    def purge_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        with self._store.changed:
            return len(self._take_dead_letters(task_ids))

    def nodes(self) -> list[NodeRecord]:
        with self._store.changed:
            ahead = time.time() - time.monotonic()
            records = [
                NodeRecord(name=node.name, lease_until=node.lease.until + ahead, status=node.status)
                for node in self._store.nodes.values()
            ]
        return sorted(records, key=lambda record: record.name)

    def broadcast(self, channel: Channel, broadcast: Broadcast) -> None:
        with self._store.changed:
            self._store.broadcast(channel.name, broadcast)

    def subscribe(self, channel: Channel, pattern: str = "#") -> Subscription:
        return MemorySubscription(self._store, channel, pattern)

    def _take_dead_letters(self, task_ids: Sequence[str] | None) -> list[DeadLetter]:
        wanted = None if task_ids is None else set(task_ids)
        taken = [letter for letter in self._store.dead if wanted is None or letter.id in wanted]
        self._store.dead = [letter for letter in self._store.dead if wanted is not None and letter.id not in wanted]
        return taken


class MemoryConsumer(Consumer):
    """Takes rows, in turn from each of its queues."""

    def __init__(
        self,
        broker: MemoryBroker,
        store: MemoryStore,
        queues: Sequence[Queue],
        *,
        node: str,
        results: ResultBackend | None,
        lease: float,
    ) -> None:
        self._store = store
        self._results = results
        self._atomic = results is None or broker.shares_store_with(results)
        self._queues: deque[str] = deque()
        self._woken = False
        self._confirmed: set[int | str] = set()
        with store.changed:
            self._node_number = next(store.node_numbers)
            self._node = store.nodes[self._node_number] = Node(node, Lease(lease, time.monotonic()))
        for queue in queues:
            self.add_queue(queue)

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        if limit <= 0:
            return []
        deadline = time.monotonic() + timeout
        with self._store.changed:
            while True:
                deliveries = self._take(limit)
                remaining = deadline - time.monotonic()
                if deliveries or self._woken or remaining <= 0:
                    self._woken = False
                    return deliveries
                self._store.changed.wait(self._until_due(remaining))

    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        with self._store.changed:
            if not self._atomic:
                return settle_in_order(
                    settlements,
                    self._results,
                    still_ours=self._still_ours,
                    publish=self._store.add,
                    end=self._end,
                    confirmed=self._confirmed,
                )
            # Nobody sees the store until the lock is free, so the order is of no consequence.
            accepted = self._still_ours(settlements)
            known = {id(settlement) for settlement in accepted}
            refused = [settlement for settlement in settlements if id(settlement) not in known]
            if self._results is not None:
                self._results.store([settlement.result for settlement in accepted if settlement.result is not None])
            for settlement in accepted:
                self._store.add(settlement.follow_ups)
            return refused + self._end(accepted)

    def renew(self, status: bytes = b"") -> bool:
        with self._store.changed:
            self._node.status = status
            return self._node.lease.renew(time.monotonic())

    def recover(self) -> int:
        now = time.monotonic()
        with self._store.changed:
            if not self._node.lease.may_judge_others(now):
                return 0
            ended = [number for number, node in self._store.nodes.items() if node.lease.until < now]
            return sum(self._store.give_back(number) for number in ended)

    def add_queue(self, queue: Queue) -> None:
        with self._store.changed:
            self._store.lines.setdefault(queue.name, Line())
            if queue.name not in self._queues:
                self._queues.append(queue.name)

    def cancel_queue(self, name: str) -> None:
        with self._store.changed:
            if name in self._queues:
                self._queues.remove(name)

    def wake(self) -> None:
        with self._store.changed:
            self._woken = True
            self._store.changed.notify_all()

    def close(self) -> None:
        with self._store.changed:
            if self._store.nodes.pop(self._node_number, None) is not None:
                self._store.give_back(self._node_number)

    def _take(self, limit: int) -> list[Delivery]:
        rows: list[Row] = []
        empty = 0
        while len(rows) < limit and empty < len(self._queues):
            line = self._store.lines.setdefault(self._queues[0], Line())
            self._queues.rotate(-1)
            row = self._store.take(line)
            if row is None:
                empty += 1
                continue
            empty = 0
            row.place = Place.IN_FLIGHT
            rows.append(row)
        rows.sort(key=lambda row: -(row.message.priority or 0))
        return [self._deliver(row) for row in rows]

    def _deliver(self, row: Row) -> Delivery:
        redelivered, row.was_taken = row.was_taken, True
        row.node, row.execution = self._node_number, next(self._store.executions)
        return Delivery(
            tag=f"{row.number}-{row.execution}",
            queue=row.message.queue,
            envelope=envelopes.encode(row.message),
            execution=row.execution,
            redelivered=redelivered,
        )

    def _until_due(self, remaining: float) -> float:
        lines = (self._store.lines.get(queue) for queue in self._queues)
        moments = [line.delayed[0][0] - clock.now() for line in lines if line is not None and line.delayed]
        return max(0.0, min([remaining, *moments]))

    def _find(self, delivery: Delivery) -> Row | None:
        row = self._store.rows.get(int(str(delivery.tag).partition("-")[0]))
        return row if row is not None and row.execution == delivery.execution else None

    def _still_ours(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        return [settlement for settlement in settlements if self._find(settlement.delivery) is not None]

    def _end(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        return [settlement for settlement in settlements if not self._end_one(settlement)]

    def _end_one(self, settlement: Settlement) -> bool:
        row = self._find(settlement.delivery)
        if row is None:
            return False
        row.node = row.execution = 0
        match settlement.outcome:
            case Outcome.REQUEUE:
                self._store.place(row)
            case Outcome.REPLACE:
                assert settlement.replacement is not None
                row.message, row.was_taken = settlement.replacement, False
                self._store.place(row)
            case Outcome.REJECT:
                self._store.remove(row)
                self._store.dead.append(_dead_letter(settlement))
            case Outcome.ACK:
                self._store.remove(row)
        self._store.changed.notify_all()
        return True


class MemorySubscription(Subscription):
    """What has arrived, in an inbox of its own."""

    def __init__(self, store: MemoryStore, channel: Channel, pattern: str) -> None:
        self._store = store
        self._channel = channel.name
        self._inbox = Inbox(pattern if channel.topics else None)
        self._woken = False
        with store.changed:
            store.subscriptions.setdefault(channel.name, []).append(self._inbox)

    def receive(self, timeout: float) -> list[Broadcast]:
        deadline = time.monotonic() + timeout
        with self._store.changed:
            while not self._inbox.broadcasts and not self._woken and (remaining := deadline - time.monotonic()) > 0:
                self._store.changed.wait(remaining)
            broadcasts = list(self._inbox.broadcasts)
            self._inbox.broadcasts.clear()
            self._woken = False
            return broadcasts

    def wake(self) -> None:
        with self._store.changed:
            self._woken = True
            self._store.changed.notify_all()

    def close(self) -> None:
        with self._store.changed:
            inboxes = self._store.subscriptions.get(self._channel, [])
            inboxes[:] = [inbox for inbox in inboxes if inbox is not self._inbox]


def _copies(messages: Sequence[Message]) -> list[Message]:
    """As bytes and back: what no other engine could carry fails here too, and nobody shares a header's list."""
    return [envelopes.decode(envelopes.encode(message)) for message in messages]


def _dead_letter(settlement: Settlement) -> DeadLetter:
    label = read_label(settlement.delivery.envelope)
    return DeadLetter(
        id=label.task_id,
        queue=settlement.delivery.queue,
        task=label.task,
        reason=settlement.reason,
        died_at=time.time(),
        envelope=settlement.delivery.envelope,
    )
