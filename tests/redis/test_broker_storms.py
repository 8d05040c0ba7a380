"""Several consumers while connections break at random: every message ends once, and none is left behind."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from celeriac.brokers.base import Consumer, Outcome, QueueSize, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import in_thread, until
from tests.servers.redis_server import RedisServer

QUEUES = ("left", "right", "other")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), fsync="everysec") as server:
        yield server


class Worker:
    """Takes and ends what it gets, one way or another, whatever happens to its connection."""

    def __init__(self, broker: RedisBroker, number: int) -> None:
        self.consumer: Consumer = broker.consumer([Queue(queue) for queue in QUEUES], node=f"{number}@here", lease=60)
        self.random = random.Random(number)
        self.ended: list[str] = []
        self.refused = 0
        self.settled = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                if self.random.random() < 0.1:
                    self.consumer.renew()
                deliveries = self.consumer.receive(self.random.randint(1, 20), 0.05)
            except OperationalError:
                continue
            settlements = [
                Settlement(
                    delivery=delivery,
                    outcome=Outcome.REQUEUE if self.random.random() < 0.2 else Outcome.ACK,
                    follow_ups=(Message(id="follow-up", queue="follow-ups", headers={}),),
                )
                for delivery in deliveries
            ]
            if settlements:
                self._settle(settlements)

    def _settle(self, settlements: list[Settlement]) -> None:
        def is_settled() -> bool:
            try:
                refused = {id(settlement) for settlement in self.consumer.settle(settlements)}
            except OperationalError:
                return False
            self.refused += len(refused)
            self.settled += len(settlements) - len(refused)
            self.ended += [
                envelopes.decode(settlement.delivery.envelope).id
                for settlement in settlements
                if settlement.outcome is Outcome.ACK and id(settlement) not in refused
            ]
            return True

        until(is_settled)


def test_every_message_ends_once_while_connections_break(server: RedisServer) -> None:
    count = 3000
    broker = RedisBroker(server.url)
    workers = [Worker(broker, number) for number in range(3)]
    threads = [in_thread(worker.run) for worker in workers]
    client: Any = redis.Redis.from_url(server.url)
    eta = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    for start in range(0, count, 100):
        broker.publish(
            [
                Message(
                    id=str(number),
                    queue=QUEUES[number % 3],
                    headers={"task": "t", "id": str(number), **({"eta": eta} if number % 7 == 0 else {})},
                    priority=number % 10,
                )
                for number in range(start, start + 100)
            ]
        )
        victims = [each["id"] for each in client.client_list() if "evalsha" in each["cmd"]]
        for victim in random.sample(victims, min(1, len(victims))):
            client.client_kill_filter(_id=victim)
    until(lambda: sum(len(worker.ended) for worker in workers) >= count, timeout=30)
    for worker in workers:
        worker.is_over.set()
    for thread in threads:
        thread.join()
    ended = Counter(task_id for worker in workers for task_id in worker.ended)
    assert set(ended.values()) == {1}
    assert [worker.refused for worker in workers] == [0, 0, 0]
    assert all(broker.size(queue) == QueueSize() for queue in QUEUES)
    # What follows was published as often as something ended, however often that was said.
    assert client.llen("follow-ups") == sum(worker.settled for worker in workers)
    for worker in workers:
        worker.consumer.close()
    client.close()
    broker.close()
