"""What the doctor says of a RabbitMQ, and what is given back to Celery there."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from celeriac.amqp.channel import Channel
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.amqp.examination import examine
from celeriac.brokers.base import Outcome, Settlement
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from tests.servers.shared import amqp_url


@pytest.fixture
def broker() -> Iterator[AmqpBroker]:
    broker = AmqpBroker(amqp_url())
    yield broker
    broker.close()


def sentences(broker: AmqpBroker, *queues: str) -> dict[str, str]:
    return {remark.sentence: remark.weight for remark in broker.examine(queues)}


def test_the_server_and_the_types_of_queues_are_told(broker: AmqpBroker, queue_name: str) -> None:
    assert [weight for sentence, weight in sentences(broker, queue_name).items() if "is RabbitMQ " in sentence] == [
        "ok"
    ]
    assert not any(queue_name in sentence for sentence in sentences(broker, queue_name)), "it is not there"
    broker.declare(Queue(queue_name))
    [classic] = [sentence for sentence in sentences(broker, queue_name) if queue_name in sentence]
    assert classic.startswith(f"The queue {queue_name} is classic: on one server's disk")


def test_a_quorum_queue_is_told_from_others(broker: AmqpBroker, queue_name: str) -> None:
    broker.declare(Queue(queue_name, queue_arguments={"x-queue-type": "quorum"}))
    other = AmqpBroker(amqp_url())
    found = sentences(other, queue_name)
    other.close()
    assert found[f"The queue {queue_name} is replicated, as quorum queues are."] == "ok"


@pytest.mark.parametrize(
    ("properties", "blocked", "words"),
    [
        ({"product": b"RabbitMQ", "version": b"3.8.9"}, "", "is RabbitMQ 3.8.9: celeriac needs 3.10 or newer"),
        ({"product": "LavinMQ", "version": "2.0"}, "", "is LavinMQ 2.0; celeriac is tested with RabbitMQ only"),
        ({}, "low on disk", "takes no messages at the moment (low on disk)"),
    ],
)
def test_what_the_server_says_of_itself_is_weighed(
    channel: Channel, properties: dict[str, Any], blocked: str, words: str
) -> None:
    channel.connection.server_properties = properties
    channel.connection.blocked = blocked
    assert any(words in remark.sentence for remark in examine(channel, [], is_classic=lambda _: True))


def test_dead_letters_and_what_is_delayed_come_to_celerys_queues(broker: AmqpBroker, queue_name: str) -> None:
    queue = Queue(queue_name)
    broker.declare(queue)
    headers = {"task": "t", "id": queue_name}
    later = Message(
        id=f"{queue_name}-later", queue=queue_name, headers=headers, body=b"x", not_before=time.time() + 1.2
    )
    broker.publish([Message(id=queue_name, queue=queue_name, headers=headers, body=b"x"), later])
    consumer = broker.consumer([queue], node="undertaker@here")
    [delivery] = consumer.receive(1, 5)
    consumer.settle([Settlement(delivery=delivery, outcome=Outcome.REJECT, reason="no")])
    consumer.close()
    other = AmqpBroker(amqp_url())
    assert other.give_back([f"{queue_name}-not-there"], dead=True).dead == 0
    given = other.give_back([queue_name], dead=True)
    assert (given.dead, given.left_waiting) == (1, None)
    deadline = time.monotonic() + 10
    while other.size(queue_name).ready != 2:
        assert time.monotonic() < deadline, "both are in the queue"
        time.sleep(0.02)
    other.close()
