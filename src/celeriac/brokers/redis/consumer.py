"""A node's claim on queues of a Redis server."""

import secrets
import time
from collections.abc import Sequence
from typing import Final

from celeriac.backends.base import ResultBackend
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import Consumer, Delivery, Settlement
from celeriac.brokers.redis.exchanges import Exchanges
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.line import Line, Waker, wait_for_any
from celeriac.brokers.redis.publishing import Places
from celeriac.brokers.redis.record import Record
from celeriac.brokers.redis.settling import Settling
from celeriac.brokers.redis.shard import Shard
from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.servers import Server
from celeriac.routing import Queue

__all__ = ["RedisConsumer"]

#: Seconds between two looks of an idle consumer at all of its lists, whatever the door bell says.
_LOOK_INTERVAL: Final = 1.0
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
    ) -> None:
        self._exchanges = exchanges
        self._line = Line(server.any_connector())
        record = Record(layout, self._line.connection, incarnation=secrets.token_hex(8), name=node, lease=lease)
        self._shard = Shard(layout, self._line, record)
        self._settling = Settling(
            layout,
            self._shard,
            Places(layout, queues_of=exchanges.queues_of),
            exchanges,
            results=results,
            beside=beside,
            database=server.location.database,
        )
        self._waker = Waker()
        self._is_closed = False
        self._look_at = time.monotonic() + _LOOK_INTERVAL
        try:
            record.register()
            self._exchanges.declare(queues)
        except BaseException:
            self._line.close()
            self._waker.close()
            raise
        for queue in queues:
            self._shard.agenda.add(queue.name)

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        if limit <= 0:
            return []
        deadline = time.monotonic() + timeout
        has_asked = False
        while True:
            self._connect()
            self._hear()
            if self._shard.is_something_to_ask():
                deliveries = self._shard.take(limit)
                has_asked = True
                if deliveries:
                    self._waker.take()
                    return deliveries
            is_woken = self._waker.take()
            remaining = deadline - time.monotonic()
            is_more = self._shard.is_something_to_ask()
            if is_woken or (remaining <= 0 and (not is_more or remaining < -_PATIENCE)):
                if has_asked or is_woken:
                    return []
                # What was published before this call rings before the server answers it.
                self._line.connection.call(b"PING")
                has_asked = True
            elif not is_more:
                self._wait(remaining)

    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        if not settlements:
            return []
        self._connect()
        return self._settling.settle(settlements)

    def renew(self, status: bytes = b"") -> bool:
        self._connect()
        return self._shard.record.renew(status)

    def recover(self) -> int:
        self._connect()
        return self._shard.record.recover()

    def add_queue(self, queue: Queue) -> None:
        self._exchanges.declare([queue])
        self._shard.agenda.add(queue.name)

    def cancel_queue(self, name: str) -> None:
        self._shard.agenda.cancel(name)

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._connect()
            self._shard.record.leave()
        finally:
            self._line.close()
            self._waker.close()

    def _connect(self) -> None:
        """Make sure of the connection; on a new one find out what the old one did not tell."""
        if self._line.open():
            self._shard.begin_anew()
            self._settling.resolve()

    def _hear(self) -> None:
        keys, is_all = self._line.heard()
        if is_all or (self._line.is_deaf and time.monotonic() >= self._look_at):
            self._look()
        elif keys:
            self._shard.agenda.wake(keys)

    def _look(self) -> None:
        self._look_at = time.monotonic() + _LOOK_INTERVAL
        self._shard.agenda.wake_all()

    def _wait(self, seconds: float) -> None:
        """Wait for the bell, for a delayed message's moment, or for the next look at everything."""
        until_look = self._look_at - time.monotonic()
        if until_look <= 0:
            self._look()
            return
        try:
            if self._line.listen():
                return
            until_due = self._shard.seconds_until_due
            pauses = [seconds, until_look] if until_due is None else [seconds, until_look, until_due]
            wait_for_any([self._waker.fileno(), *self._line.filenos], min(pauses))
            self._line.listen()
        except RedisUnavailable:
            # The next turn of the loop connects again, or says that it cannot.
            return
