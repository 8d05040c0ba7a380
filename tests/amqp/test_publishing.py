"""What a publisher is told of RabbitMQ's answers, and of a server that does not answer."""

import os
import uuid

import pytest

from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.base import QueueSize
from celeriac.exceptions import (
    BrokerUnavailable,
    EncodeError,
    ImproperlyConfigured,
    MessageRefused,
    OperationalError,
)
from celeriac.protocol.message import Message
from celeriac.queues import Exchange, Queue
from celeriac.testing.conformance.harness import in_thread, until
from tests.servers.proxy import Direction, Proxy
from tests.servers.shared import amqp_url

pytestmark = pytest.mark.filterwarnings("error")


def message(queue: str, **changes) -> Message:
    task_id = changes.pop("id", str(uuid.uuid4()))
    headers = {"task": "a.task", "id": task_id} | changes.pop("headers", {})
    return Message(**({"id": task_id, "queue": queue, "headers": headers, "body": b"[]"} | changes))


@pytest.fixture
def broker():
    broker = AmqpBroker(amqp_url())
    yield broker
    broker.close()


@pytest.fixture
def proxy():
    port = AmqpBroker(amqp_url()).location.servers[0].port
    with Proxy(port) as proxy:
        yield proxy


def ready(broker, queue_name, count: int) -> bool:
    return broker.size(queue_name) == QueueSize(ready=count, delayed=None, in_flight=None)


def test_a_queue_deleted_by_somebody_else_is_made_again_for_the_message(broker, queue_name):
    broker.publish([message(queue_name)])
    other = AmqpBroker(amqp_url())
    other.delete(queue_name)
    other.close()
    broker.publish([message(queue_name)])
    assert ready(broker, queue_name, 1)


def test_of_a_batch_that_does_not_fit_it_is_told_what_is_in(broker, queue_name):
    broker.declare(Queue(queue_name, queue_arguments={"x-max-length": 2, "x-overflow": "reject-publish"}))
    batch = [message(queue_name, id=f"{number}") for number in range(5)]
    with pytest.raises(MessageRefused, match="did not take 3 of 5 messages: the queue") as caught:
        broker.publish(batch)
    assert caught.value.published == ("0", "1")
    assert ready(broker, queue_name, 2)


def test_an_exchange_that_is_not_there_is_named(broker, queue_name):
    with pytest.raises(MessageRefused, match="for the exchange 'nowhere', which cannot be used"):
        broker.publish([message(queue_name, exchange="nowhere", routing_key="x")])
    broker.publish([message(queue_name)])


def test_a_message_that_goes_to_no_queue_comes_back(broker, queue_name):
    exchange = Exchange(f"{queue_name}-exchange", auto_delete=True)
    broker.declare(Queue(queue_name, exchange, "this key"))
    broker.publish([message(queue_name, exchange=exchange.name, routing_key="this key")])
    with pytest.raises(MessageRefused, match="NO_ROUTE"):
        broker.publish([message(queue_name, exchange=exchange.name, routing_key="another key")])
    assert ready(broker, queue_name, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"headers": {"big": 2**63}}, "The header 'big' .* 64"),
        ({"headers": {"n" * 256: 1}}, "255"),
        ({"headers": {"half": "\ud800"}}, "surrogate"),
        ({"headers": {"long": "x" * 200_000}}, "have 2001.. bytes"),
        ({"reply_to": "x" * 256}, "reply_to"),
    ],
)
def test_what_amqp_cannot_carry_keeps_its_whole_batch_back(broker, queue_name, changes, words):
    broker.declare(Queue(queue_name))
    with pytest.raises(EncodeError, match=words):
        broker.publish([message(queue_name), message(queue_name, **changes)])
    assert ready(broker, queue_name, 0)
    broker.publish([message(queue_name)])
    assert ready(broker, queue_name, 1)


def test_headers_of_64_bits_arrive(broker, queue_name):
    headers = {"least": -(2**63), "most": 2**63 - 1, "float": 1.5}
    broker.publish([message(queue_name, headers=headers)])
    consumer = broker.consumer([Queue(queue_name)], node="test")
    try:
        [delivery] = consumer.receive(1, 10)
        assert all(f"{name}".encode() in delivery.envelope for name in headers)
    finally:
        consumer.close()


def test_a_queue_that_exists_is_used_as_it_is(broker, queue_name):
    broker.declare(Queue(queue_name, queue_arguments={"x-max-length": 7}))
    other = AmqpBroker(amqp_url(), options={"default_queue_type": "quorum"})
    other.publish([message(queue_name)])
    other.close()
    assert ready(broker, queue_name, 1)


def test_priorities_on_a_quorum_queue_are_refused_with_a_sentence(broker, queue_name):
    with pytest.raises(ImproperlyConfigured, match="quorum queues have no such priorities"):
        broker.declare(Queue(queue_name, queue_arguments={"x-queue-type": "quorum"}, max_priority=9))


def test_an_idle_connection_that_was_reset_is_no_reason_to_fail(proxy, queue_name):
    broker = AmqpBroker(proxy.url(amqp_url()))
    broker.publish([message(queue_name)])
    proxy.cut()
    broker.publish([message(queue_name)])
    assert ready(broker, queue_name, 2)
    broker.close()


def test_a_server_that_falls_silent_leaves_the_publisher_its_deadline(proxy, queue_name):
    broker = AmqpBroker(proxy.url(amqp_url()))
    broker.publish([message(queue_name)])
    proxy.silence(Direction.TO_CLIENT)
    with pytest.raises(OperationalError, match="left 1 unanswered, which may or may not have arrived") as caught:
        broker.publish([message(queue_name)], timeout=0.5)
    assert caught.value.published == ()
    proxy.end_silence()
    broker.publish([message(queue_name)])
    assert ready(broker, queue_name, 3)
    broker.close()


def test_the_second_server_is_used_when_the_first_is_not_there(queue_name):
    broker = AmqpBroker(f"amqp://127.0.0.1:1//;{amqp_url()}")
    broker.publish([message(queue_name)])
    assert ready(broker, queue_name, 1)
    broker.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: "amqp://127.0.0.1:1//", "systemctl start rabbitmq-server' or 'docker run -d -p 5672:5672"),
        (lambda url: url.replace("//guest:guest@", "//guest:wrong@"), "refuses the user 'guest'"),
        (lambda url: url.rstrip("/") + "/no-such-vhost", "no virtual host 'no-such-vhost'"),
    ],
)
def test_a_server_that_cannot_be_used_is_explained(change, words):
    broker = AmqpBroker(change(amqp_url()))
    with pytest.raises(BrokerUnavailable, match=words) as caught:
        broker.open()
    assert "wrong" not in str(caught.value)


def test_a_forked_process_publishes_on_a_connection_of_its_own(broker, queue_name):
    broker.publish([message(queue_name)])
    child = os.fork()
    if not child:
        status = 1
        try:
            broker.publish([message(queue_name)])
            broker.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    broker.publish([message(queue_name)])
    assert ready(broker, queue_name, 3)


def test_more_threads_than_connections_take_turns(queue_name):
    broker = AmqpBroker(amqp_url(), options={"pool_limit": 2})
    threads = [in_thread(lambda: [broker.publish([message(queue_name)]) for _ in range(5)]) for _ in range(6)]
    for thread in threads:
        thread.join()
    until(lambda: ready(broker, queue_name, 30))
    broker.close()
