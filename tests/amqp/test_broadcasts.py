"""Broadcasts and questions to all nodes, over RabbitMQ."""

import threading
import uuid

import pytest

from celeriac.brokers.amqp.nodes import NodeAnswerer, ask_nodes
from celeriac.brokers.amqp.subscription import AmqpSubscription, outgoing_broadcast, require_exchange
from celeriac.brokers.base import Broadcast, Channel
from celeriac.exceptions import OperationalError
from celeriac.testing.conformance.harness import in_thread, until
from tests.servers.proxy import Proxy

EVENT = Broadcast(body=b"{}", routing_key="task.received", headers={"hostname": "a@b"})


@pytest.fixture
def topic(channel, queue_name):
    """A channel with topics of this test's own."""
    yield Channel(name=queue_name, topics=True, durable=True)
    channel.delete_exchange(queue_name)


def say(channel, where: Channel, what: Broadcast) -> None:
    channel.publish([outgoing_broadcast(where, what)], timeout=5)


def test_a_listener_s_queue_is_celery_s_and_ends_with_it(connect, channel, topic):
    subscription = AmqpSubscription(connect, topic, "task.#")
    say(channel, topic, EVENT)
    say(channel, topic, Broadcast(body=b"{}", routing_key="worker.online"))
    assert subscription.receive(5) == [EVENT]
    assert subscription.receive(0) == []
    subscription.close()
    subscription.close()
    assert subscription.receive(1) == []


def test_an_exchange_that_is_there_and_different_is_used_as_it_is(connect, channel, queue_name):
    channel.declare_exchange(queue_name, "topic", durable=False)
    where = Channel(name=queue_name, topics=True, durable=True)
    require_exchange(channel.connection, where)
    subscription = AmqpSubscription(connect, where, "#")
    say(channel, where, EVENT)
    assert subscription.receive(5) == [EVENT]
    subscription.close()
    channel.delete_exchange(queue_name)


def test_a_listener_is_woken_before_and_while_it_waits(connect, topic):
    subscription = AmqpSubscription(connect, topic, "#")
    subscription.wake()
    assert subscription.receive(60) == []
    thread = in_thread(lambda: subscription.receive(60))
    until(lambda: subscription.wake() or not thread.is_alive(), pause=0.02)
    subscription.close()


def test_after_a_lost_connection_a_listener_hears_again(location, channel, topic):
    from celeriac.amqp.connection import Connection
    from celeriac.amqp.location import Location

    port = location.servers[0].port
    with Proxy(port) as proxy:
        through = Location.from_url(f"amqp://guest:guest@127.0.0.1:{proxy.port}//", {})
        subscription = AmqpSubscription(lambda: Connection.open(through, name="test"), topic, "#")
        proxy.cut()

        def heard() -> bool:
            try:
                received = subscription.receive(0.2)
            except OperationalError:
                return False
            say(channel, topic, EVENT)
            return EVENT in received

        until(heard)
        subscription.close()


def test_every_node_that_is_driven_answers_with_its_status(connect):
    # Another run of the tests may ask its own nodes at the same time.
    host = uuid.uuid4()
    connections = [connect() for _ in range(3)]
    mouths = [connect().channel() for _ in connections]
    answerers = [
        NodeAnswerer(
            each,
            name=f"node{number}@{host}",
            lease=12.0,
            say=lambda answer, mouth=mouths[number]: mouth.publish([answer], timeout=5),
        )
        for number, each in enumerate(connections)
    ]
    answerers[1].status = b"busy"
    stop = threading.Event()

    def drive(connection, answerer) -> None:
        while not stop.is_set():
            connection.drive(0.05)
            answerer.answer()

    # The third one hangs.
    threads = [in_thread(drive, *pair) for pair in list(zip(connections, answerers, strict=True))[:2]]
    records = [record for record in ask_nodes(connect(), gathering=0.5) if record.name.endswith(f"@{host}")]
    stop.set()
    for thread in threads:
        thread.join()
    assert [(record.name, record.status) for record in records] == [
        (f"node0@{host}", b""),
        (f"node1@{host}", b"busy"),
    ]
