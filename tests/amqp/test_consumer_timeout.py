"""Deliveries that are under way longer than the server allows."""

import time

import pytest

from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.base import Outcome, Settlement
from celeriac.protocol import envelope as envelopes
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import until
from tests.amqp.impatient_server import ImpatientServer
from tests.amqp.nodes import hold_on, message, receive_one, stay
from tests.servers.rabbit_server import RabbitServer

#: Seconds: the server's patience.
TIMEOUT = 3.0

pytestmark = [pytest.mark.timeout(300), pytest.mark.soak]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ImpatientServer(tmp_path_factory.mktemp("rabbitmq"), patience=TIMEOUT) as server:
        yield server


@pytest.fixture
def make_broker(server):
    brokers: list[AmqpBroker] = []

    def make(**options) -> AmqpBroker:
        broker = AmqpBroker(server.url, options={"consumer_timeout": TIMEOUT, **options})
        brokers.append(broker)
        return broker

    yield make
    for broker in brokers:
        broker.close()


def test_a_node_that_hands_nothing_over_loses_its_deliveries(make_broker):
    """The server does as it says: without this the other tests here would prove nothing."""
    broker = make_broker(consumer_timeout=0)
    broker.publish([message("a", "cut")])
    consumer = broker.consumer([Queue("cut")], node="one@test")
    receive_one(consumer)
    deadline = time.monotonic() + 3 * TIMEOUT
    while consumer.renew():
        assert time.monotonic() < deadline, "The server has cut nobody off."
        if not any(line.is_open for line in consumer._lines):
            break
        time.sleep(0.05)
    consumer.close()


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_delivery_is_neither_cut_nor_doubled_however_long_its_task_runs(make_broker, queue_type):
    name = f"long-{queue_type}"
    broker = make_broker(default_queue_type=queue_type)
    broker.publish([message("a", name, priority=3, reply_to="r", expires_at=time.time() + 3)])
    holder = broker.consumer([Queue(name)], node="one@test")
    delivery = receive_one(holder)
    other = make_broker().consumer([Queue(name)], node="two@test")
    deadline = time.monotonic() + 1.6 * TIMEOUT
    while time.monotonic() < deadline:
        stay(holder, 0.2)
        assert other.receive(1, 0.1) == []
    [flight] = holder._flights
    assert flight.held
    assert holder.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
    holder.close()
    assert other.receive(1, 1.0) == []
    other.close()


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_server_that_is_killed_while_deliveries_are_held_loses_nothing(server, make_broker, queue_type):
    # The queue's own type counts, and not the one that new queues get.
    queue = Queue(f"killed-{queue_type}", queue_arguments={"x-queue-type": queue_type})
    broker = make_broker()
    broker.declare(queue)
    broker.publish([message("a", queue.name)])
    consumer = broker.consumer([queue], node="one@test")
    delivery = receive_one(consumer)
    hold_on(consumer)
    server.kill()
    server.start()
    consumer.cut_off()
    consumer.close()
    other = make_broker().consumer([queue], node="two@test")
    # RabbitMQ's at-least-once dead-lettering may try again after three minutes only.
    again = until(lambda: other.renew() and other.receive(1, 0.2), timeout=220)
    assert envelopes.decode(again[0].envelope) == envelopes.decode(delivery.envelope)
    other.close()


def test_with_a_timeout_of_a_minute_a_task_of_three_minutes_is_run_once(tmp_path):
    with RabbitServer(tmp_path, settings={"consumer_timeout": "60000"}) as server:
        broker = AmqpBroker(server.url, options={"consumer_timeout": 60.0})
        broker.publish([message("a", "minutes")])
        consumer = broker.consumer([Queue("minutes")], node="one@test")
        delivery = receive_one(consumer)
        other = broker.consumer([Queue("minutes")], node="two@test")
        deadline = time.monotonic() + 190
        while time.monotonic() < deadline:
            stay(consumer, 0.5)
            assert other.receive(1, 0.2) == []
            other.renew()
        assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
        consumer.close()
        assert other.receive(1, 1.0) == []
        other.close()
        broker.close()
