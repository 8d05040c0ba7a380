"""Messages that a Celery producer put into a queue before their moment."""

import time
import uuid
from datetime import UTC, datetime

import pytest

from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.amqp_message import WAITED_UNTIL
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import until


@pytest.fixture
def broker(rabbit_url):
    broker = AmqpBroker(rabbit_url)
    yield broker
    broker.close()


@pytest.fixture
def queue() -> str:
    return f"early-{uuid.uuid4()}"


def publish(broker, queue: str, *delays: float) -> list[float]:
    """Publish messages with an eta so many seconds ahead, as Celery does; return their moments."""
    moments = [time.time() + delay for delay in delays]
    messages = []
    for number, moment in enumerate(moments):
        headers = {"task": "t", "id": str(number), "eta": datetime.fromtimestamp(moment, UTC).isoformat()}
        messages.append(Message(id=str(number), queue=queue, headers=headers, not_before=moment, body=b"[[], {}, {}]"))
    broker.publish(messages)
    return moments


def receive_one(consumer) -> Message:
    [delivery] = until(lambda: consumer.receive(1, 0.2))
    return envelopes.decode(delivery.envelope)


def test_the_last_second_is_waited_for_in_the_node_and_to_the_point(broker, queue):
    consumer = broker.consumer([Queue(queue)], node="one@test")
    moments = publish(broker, queue, 0.6, 0.3)
    for expected in ("1", "0"):
        message = receive_one(consumer)
        assert message.id == expected
        assert time.time() >= moments[int(expected)]
        # A copy would say so.
        assert WAITED_UNTIL not in message.headers
    consumer.close()


def test_others_are_not_held_up(broker, queue):
    consumer = broker.consumer([Queue(queue)], node="one@test")
    publish(broker, queue, 0.9, 90, -5)
    assert receive_one(consumer).id == "2"
    consumer.close()


def test_what_waits_in_the_node_goes_back_with_it(broker, queue):
    consumer = broker.consumer([Queue(queue)], node="one@test")
    publish(broker, queue, 0.9)
    until(lambda: consumer.receive(1, 0.05) or consumer._early.pause(60) < 60)
    consumer.close()
    other = broker.consumer([Queue(queue)], node="two@test")
    assert receive_one(other).id == "0"
    other.close()


def test_what_waits_longer_leaves_the_queue_and_comes_back_as_it_was(broker, queue):
    consumer = broker.consumer([Queue(queue)], node="one@test")
    [moment] = publish(broker, queue, 1.3)
    assert consumer.receive(1, 0.3) == []
    assert len(consumer._early._waiting) == 0
    message = receive_one(consumer)
    assert time.time() >= moment
    assert message.headers.pop(WAITED_UNTIL) >= moment
    assert message.headers.keys() == {"task", "id", "eta"}
    consumer.close()


def test_a_clock_that_is_behind_sends_nothing_round_and_round(broker, queue, monkeypatch):
    consumer = broker.consumer([Queue(queue)], node="one@test")
    publish(broker, queue, 1.2)
    until(lambda: not consumer.receive(1, 0.1) and not broker.size(queue).ready)
    real_time = time.time
    monkeypatch.setattr(time, "time", lambda: real_time() - 3600)
    assert receive_one(consumer).id == "0"
    consumer.close()


def test_as_many_as_celery_s_producers_like_may_be_early(broker, queue):
    consumer = broker.consumer([Queue(queue)], node="one@test")
    publish(broker, queue, *([1800.0] * 1000))
    until(lambda: consumer.receive(10, 0.2) or broker.size(queue).ready == 0)
    until(lambda: consumer.receive(10, 0.1) or not consumer._early._waiting)
    assert len(consumer._flights) == 0
    consumer.close()
