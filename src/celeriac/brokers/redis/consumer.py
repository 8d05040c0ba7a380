"""A node's claim on queues of a Redis server or Cluster."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from celeriac.backends.base import ResultBackend
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import Consumer, Delivery, Outcome, Settlement
from celeriac.brokers.redis.exchanges import Exchanges
from celeriac.brokers.redis.fanouts import Fanouts
from celeriac.brokers.redis.fleet import Fleet
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.parked_take import LEAST
from celeriac.brokers.redis.publishing import Places
from celeriac.brokers.redis.ripening import Ripening
from celeriac.brokers.redis.settling import Settling
from celeriac.brokers.redis.shard import Shard
from celeriac.brokers.redis.waker import Waker, wait_for_any
from celeriac.exceptions import OperationalError
from celeriac.protocol.message import Message
from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.fullness import fullness
from celeriac.redis.servers import Server
from celeriac.routing import Queue

__all__ = ["RedisConsumer"]

#: Seconds between two looks of an idle consumer at all of its lists, whatever the door bell says.
_LOOK_INTERVAL: Final = 1.0
#: Seconds without ``receive`` after which what a parked take has brought is given back.
_UNASKED: Final = 2.0
#: Seconds by which a call may be late because there is still something to ask.
_PATIENCE: Final = 1.0


class RedisConsumer(Consumer):
    """Takes by script, in one round trip, from all of its queues; sleeps until the door bell rings."""

    def __init__(
        self,
        layout: Layout,
        server: Server,
        exchanges: Exchanges,
        queues: Sequence[Queue],
        *,
        node: str,
        results: ResultBackend | None,
        beside: RedisBackend | None,
        lease: float,
        publish: Callable[[Sequence[Message]], None],
    ) -> None:
        self._layout = layout
        self._server = server
        self._exchanges = exchanges
        self._places = Places(layout, exchanges)
        self._results = results
        self._beside = beside
        self._database = server.location.database
        self._publish = publish
        self._settlings: dict[Shard, Settling] = {}
        self._waker = Waker()
        self._is_closed = False
        #: When messages were last asked for.
        self._received_at = time.monotonic()
        self._look_at = time.monotonic() + _LOOK_INTERVAL
        self._ripening = Ripening(layout, server)
        self._fanouts = Fanouts(layout, server)
        self._fleet = Fleet(layout, server, node=node, lease=lease)
        try:
            self._fleet.open()
            self._exchanges.declare(queues)
            for queue in queues:
                self._add(queue)
        except BaseException:
            self._disconnect()
            raise

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        self._make_room(limit)
        if limit <= 0:
            return []
        self._received_at = time.monotonic()
        deadline = self._received_at + timeout
        if timeout < LEAST:
            self._fleet.rouse()
        has_asked = False
        while True:
            deliveries, has_asked_now = self._take(limit)
            has_asked = has_asked or has_asked_now
            is_woken = self._waker.take()
            if deliveries or is_woken:
                return deliveries
            remaining = deadline - time.monotonic()
            is_more = bool(self._fleet.to_ask())
            if remaining <= 0 and (not is_more or remaining < -_PATIENCE):
                if has_asked and not self._fleet.parked_count:
                    return []
                if deliveries := self._fleet.unpark():
                    return deliveries
                if not has_asked:
                    # What was published before this call rings before the server answers it.
                    self._fleet.ping()
                has_asked = True
            elif not is_more:
                self._wait(remaining, limit)

    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        if not settlements:
            return []
        self._connect()
        parts: dict[Shard, list[Settlement]] = {}
        for settlement in settlements:
            parts.setdefault(self._fleet.shard_of(settlement.delivery.queue), []).append(settlement)
        refused: list[Settlement] = []
        done: list[Shard] = []
        for shard, part in parts.items():
            settling = self._settling(shard)
            try:
                refused += self._fleet.at(shard, partial(settling.settle, part))
            except OperationalError:
                for each in done:
                    self._settling(each).remember(parts[each], refused)
                raise
            done.append(shard)
        return refused

    def renew(self, status: bytes = b"") -> bool:
        self._connect()
        kept = all(self._fleet.on_each(lambda shard: shard.record.renew(status)))
        if not kept:
            # The server may have lost more than the lease.
            self._exchanges.declare_again(self._fleet.queues)
        self._exchanges.keep(self._fleet.queues)
        return kept

    def hindrance(self) -> str:
        return next(filter(None, map(fullness, self._server.every_pool())), "")

    def recover(self) -> int:
        self._connect()
        if time.monotonic() - self._received_at > _UNASKED:
            # Whoever takes nothing for so long, while results cannot be stored for one, has no use for it.
            self._unpark()
        self._ripening.look(self._fleet.queues)
        recovered = sum(self._fleet.on_each(lambda shard: shard.record.recover()))
        if recovered:
            # The bell does not ring for what this connection has done.
            self._fleet.look()
        return recovered

    def add_queue(self, queue: Queue) -> None:
        self._exchanges.declare([queue])
        self._add(queue)

    def cancel_queue(self, name: str) -> None:
        self._unpark()
        self._fleet.cancel(name)
        self._fanouts.cancel(name)

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._fleet.drop_parked()
            self._connect()
            self._fleet.on_each(lambda shard: shard.record.leave())
        finally:
            self._disconnect()

    def _add(self, queue: Queue) -> None:
        self._fleet.add(queue.name)
        for exchange, routing_key in self._exchanges.fanouts_of(queue):
            self._fanouts.add(queue.name, exchange, routing_key)

    def _disconnect(self) -> None:
        self._fleet.close()
        self._fanouts.close()
        self._waker.close()

    def _connect(self) -> None:
        """Make sure of the connections; on a new one find out what the old one did not tell."""
        for shard in self._fleet.connect():
            self._settling(shard).resolve()

    def _arrived(self, limit: int) -> list[Delivery]:
        """Return what fanout exchanges have brought."""
        deliveries: list[Delivery] = []
        for queue, elements in self._fanouts.hear(limit).items():
            shard = self._fleet.shard_of(queue)
            deliveries += self._fleet.at(shard, partial(shard.arrive, queue, elements))
        return deliveries

    def _settling(self, shard: Shard) -> Settling:
        if shard not in self._settlings:
            self._settlings[shard] = Settling(
                self._layout,
                shard,
                self._places,
                self._exchanges,
                results=self._results,
                beside=self._beside,
                database=self._database,
                publish_apart=self._publish if self._layout.is_cluster else None,
            )
        return self._settlings[shard]

    def _look(self) -> None:
        self._look_at = time.monotonic() + _LOOK_INTERVAL
        self._fleet.look()

    def _take(self, limit: int) -> tuple[list[Delivery], bool]:
        """Return what there is at this moment, and whether any list was asked for it."""
        self._connect()
        if self._fleet.hear() and time.monotonic() >= self._look_at:
            self._look()
        deliveries = self._arrived(limit) or self._fleet.parked_arrivals()
        if deliveries or not (asked := self._fleet.to_ask()):
            return deliveries, False
        return self._fleet.take(limit, asked), True

    def _make_room(self, limit: int) -> None:
        """See to it that parked takes bring no more than is wanted."""
        if limit < self._fleet.parked_count:
            self._unpark()

    def _unpark(self) -> None:
        """Take nothing more; what a parked take has just brought goes to others."""
        surplus = self._fleet.unpark(to_run=False)
        if not surplus:
            return
        try:
            self.settle([Settlement(delivery=delivery, outcome=Outcome.REQUEUE) for delivery in surplus])
        except OperationalError:
            for delivery in surplus:
                self._fleet.shard_of(delivery.queue).record.disown(str(delivery.tag))
            raise

    def _wait(self, seconds: float, limit: int) -> None:
        """Wait for the bell, for a delayed message's moment, or for the next look at everything."""
        until_look = self._look_at - time.monotonic()
        if until_look <= 0:
            self._look()
            return
        try:
            if self._fleet.listen() or self._fanouts.is_something_there or not self._fleet.park(limit, seconds):
                return
            until_due = self._fleet.seconds_until_due
            pauses = [seconds, until_look] if until_due is None else [seconds, until_look, until_due]
            filenos = [self._waker.fileno(), *self._fleet.filenos, *self._fanouts.filenos]
            ready = wait_for_any(filenos, min(pauses))
            if not ready <= self._fleet.parked_filenos:
                self._fleet.listen()
        except RedisUnavailable:
            # The next turn of the loop connects again, or says that it cannot.
            return
