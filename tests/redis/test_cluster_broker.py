"""The broker on a Cluster: queues on different nodes, slots that move, a node that is away."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from celeriac.brokers.base import Consumer, Delivery, Outcome, QueueSize, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import in_thread, until
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def broker(nodes: RedisCluster) -> Iterator[RedisBroker]:
    url = f"redis+cluster://{urlsplit(nodes.url).netloc}?global_keyprefix={uuid.uuid4().hex}-"
    with closing(RedisBroker(url)) as broker:
        yield broker


def message(task_id: str, queue: str) -> Message:
    return Message(id=task_id, queue=queue, headers={"task": "t", "id": task_id})


def received(consumer: Consumer, count: int) -> list[Delivery]:
    deliveries: list[Delivery] = []

    def is_enough() -> bool:
        try:
            deliveries.extend(consumer.receive(100, 0.5))
        except OperationalError:
            return False
        return len(deliveries) >= count

    until(is_enough)
    return deliveries


def ids(deliveries: list[Delivery]) -> list[str]:
    return sorted(envelopes.decode_head(delivery.envelope).id for delivery in deliveries)


def settle_all(consumer: Consumer, deliveries: list[Delivery]) -> None:
    settlements = [Settlement(delivery=delivery, outcome=Outcome.ACK) for delivery in deliveries]

    def is_settled() -> bool:
        try:
            return consumer.settle(settlements) == []
        except OperationalError:
            return False

    until(is_settled)


def slot_of(nodes: RedisCluster, queue: str) -> str:
    return nodes.nodes[0].ask("CLUSTER", "KEYSLOT", f"{{{queue}}}")[1:-2].decode()


def owner_of(broker: RedisBroker, nodes: RedisCluster, queue: str) -> RedisServer:
    address = broker._server.pool_of(f"{{{queue}}}".encode()).connector.address
    assert address is not None
    return next(node for node in nodes.nodes if node.port == address.port)


def move(nodes: RedisCluster, slot: str, source: RedisServer, target: RedisServer) -> None:
    """Move a slot with all its keys, as ``redis-cli --cluster reshard`` does."""
    name_of = {node: node.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode() for node in (source, target)}
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", name_of[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", name_of[target])
    while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, "10").split(b"\r\n")[2:-1:2]:
        for key in keys:
            source.ask("MIGRATE", "127.0.0.1", str(target.port), key.decode("latin-1"), "0", "5000")
    for node in [target, source, *[each for each in nodes.nodes if each not in (source, target)]]:
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", name_of[target])


def test_a_consumer_takes_from_queues_on_every_node_in_turn(broker: RedisBroker, nodes: RedisCluster) -> None:
    queues = [f"q{number}" for number in range(30)]
    assert {owner_of(broker, nodes, queue) for queue in queues} == set(nodes.nodes)
    broker.publish([message(f"{queue}-{number}", queue) for queue in queues for number in range(5)])
    consumer = broker.consumer([Queue(queue) for queue in queues], node="one@here")
    first = consumer.receive(30, 5)
    assert len({delivery.queue for delivery in first}) == 30
    rest = received(consumer, 120)
    settle_all(consumer, first + rest)
    assert all(broker.size(queue) == QueueSize() for queue in queues)
    consumer.close()


def test_a_consumer_goes_along_when_the_keys_of_its_queue_move(broker: RedisBroker, nodes: RedisCluster) -> None:
    source = owner_of(broker, nodes, "moving")
    target = next(node for node in nodes.nodes if node is not source)
    consumer = broker.consumer([Queue("moving")], node="one@here")
    broker.publish([message("a", "moving"), message("b", "moving")])
    taken = consumer.receive(1, 5)
    move(nodes, slot_of(nodes, "moving"), source, target)
    # What was taken before is in the record that has moved too.
    settle_all(consumer, taken)
    assert ids(received(consumer, 1)) == ["b"]
    deliveries: list[Delivery] = []
    thread = in_thread(lambda: deliveries.extend(received(consumer, 1)))
    broker.publish([message("c", "moving")])
    thread.join()
    assert ids(deliveries) == ["c"]
    assert consumer.renew()
    consumer.close()
    assert broker.size("moving").ready == 2


def test_while_a_node_is_away_the_queues_on_the_others_go_on(broker: RedisBroker, nodes: RedisCluster) -> None:
    queues = [f"q{number}" for number in range(12)]
    lost = nodes.nodes[2]
    here = [queue for queue in queues if owner_of(broker, nodes, queue) is not lost]
    away = [queue for queue in queues if queue not in here]
    broker.publish([message(f"{queue}-before", queue) for queue in queues])
    consumer = broker.consumer([Queue(queue) for queue in queues], node="one@here")
    taken = received(consumer, len(queues))
    broker.publish([message(f"{queue}-waiting", queue) for queue in away])
    lost.kill()
    try:
        broker.publish([message(f"{queue}-during", queue) for queue in here])
        assert ids(received(consumer, len(here))) == sorted(f"{queue}-during" for queue in here)
    finally:
        lost.start()
        nodes.wait_ready()
    settle_all(consumer, taken)
    assert ids(received(consumer, len(away))) == sorted(f"{queue}-waiting" for queue in away)
    consumer.close()
