"""A RabbitMQ that takes no messages for lack of memory: publishers are told so, and nodes go on emptying its queues."""

import time

import pytest

from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.base import Consumer, Outcome, Settlement
from celeriac.exceptions import BrokerUnavailable, OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import until
from tests.servers.rabbit_server import RabbitServer

QUEUE = "alarms"

pytestmark = pytest.mark.timeout(120)


def message(task_id: str, queue: str = QUEUE) -> Message:
    return Message(id=task_id, queue=queue, headers={"task": "a.task", "id": task_id}, body=b"[]")


@pytest.fixture(scope="module")
def private_server(tmp_path_factory):
    with RabbitServer(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture
def broker(private_server):
    broker = AmqpBroker(private_server.url)
    yield broker
    broker.delete(QUEUE)
    broker.close()


@pytest.fixture
def alarm(private_server):
    """Raise it; it ends with the test."""
    yield private_server.raise_memory_alarm
    private_server.end_memory_alarm()


def test_while_memory_is_short_publishers_are_told_so_and_acks_count(private_server, broker, alarm):
    broker.publish([message("1"), message("2")])
    node = broker.consumer([Queue(QUEUE)], node="test@here")
    [first, second] = [until(lambda: node.receive(1, 1))[0] for _ in range(2)]
    alarm()

    # The first publish may be what makes the server block its connection, and is then in; nobody can tell.
    errors = [publish_error(broker, f"during {number}") for number in range(3)]
    assert all("RabbitMQ takes no messages at the moment (memory alarm)" in str(error) for error in errors[1:])

    # What follows a task has to wait, unless it is in before the server blocks this connection, too, as a busy server
    # does late; what has no successor is done.
    settlement = Settlement(delivery=first, outcome=Outcome.ACK, follow_ups=(message("next"),))
    is_settled = settled_unless_blocked(node, settlement)
    assert node.settle([Settlement(delivery=second, outcome=Outcome.ACK)]) == []
    assert node.renew()

    private_server.end_memory_alarm()
    assert is_settled or node.settle([settlement]) == []
    broker.publish([message("after")])
    names: list[str] = []

    def is_there() -> bool:
        names.extend(envelopes.decode(each.envelope).id for each in node.receive(10, 0.2))
        return {"next", "after"} <= set(names)

    until(is_there)
    assert not {"1", "2"} & set(names)
    node.close()


def settled_unless_blocked(node: Consumer, settlement: Settlement) -> bool:
    """Settle; return False if the alarm forbids it."""
    try:
        assert node.settle([settlement]) == []
    except OperationalError as error:
        if "memory alarm" not in str(error):
            raise
        return False
    return True


def publish_error(broker: AmqpBroker, task_id: str) -> BrokerUnavailable | None:
    started = time.monotonic()
    try:
        broker.publish([message(task_id)], timeout=0.5)
    except BrokerUnavailable as error:
        assert time.monotonic() - started < 5
        return error
    return None


def test_a_connection_made_during_the_alarm_is_told_as_well(private_server, alarm):
    alarm()
    broker = AmqpBroker(private_server.url)
    try:
        errors = [publish_error(broker, f"{number}") for number in range(2)]
        assert "memory alarm" in str(errors[1])
    finally:
        broker.close()


@pytest.mark.soak
def test_a_restart_under_way_loses_nothing_durable_and_runs_nothing_twice(private_server):
    broker = AmqpBroker(private_server.url)
    broker.publish([message(f"{number}", "restarts") for number in range(30)])
    node = broker.consumer([Queue("restarts")], node="test@here")
    running = [delivery for _ in range(3) for delivery in until(lambda: node.receive(1, 1))]
    private_server.kill()
    private_server.start()

    received: list[str] = []

    def is_done() -> bool:
        try:
            deliveries = node.receive(5, 0.2)
        except OperationalError:
            return False
        received.extend(envelopes.decode(each.envelope).id for each in deliveries)
        node.settle([Settlement(delivery=each, outcome=Outcome.ACK) for each in deliveries])
        return len(received) >= 27

    until(is_done, timeout=60)
    assert node.settle([Settlement(delivery=each, outcome=Outcome.ACK) for each in running]) == []
    assert sorted(received, key=int) == [f"{number}" for number in range(3, 30)]
    assert node.receive(5, 0.5) == []
    node.close()
    assert broker.size("restarts").ready == 0
    broker.delete("restarts")
    broker.close()
