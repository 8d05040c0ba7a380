"""Taking from many queues of a file: a few of them at a time, and each in its turn."""

from collections import Counter
from collections.abc import Iterator

import pytest

from celeriac.brokers.base import Consumer
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol.message import Message
from celeriac.routing import Queue

_NAMES = [f"queue-{number}" for number in range(40)]


@pytest.fixture
def consumer(broker: SqliteBroker) -> Iterator[Consumer]:
    consumer = broker.consumer([Queue(name) for name in _NAMES], node="node@test")
    yield consumer
    consumer.close()


def publish(broker: SqliteBroker, names: list[str], *, each: int) -> None:
    broker.publish([Message(id=f"{name}-{number}", queue=name, headers={}) for name in names for number in range(each)])


def take(consumer: Consumer, limit: int) -> Counter[str]:
    return Counter(delivery.queue for delivery in consumer.receive(limit, 0))


def test_a_take_comes_to_eight_full_queues_and_the_next_one_to_the_next_eight(
    broker: SqliteBroker, consumer: Consumer
) -> None:
    publish(broker, _NAMES, each=10)
    takes = [take(consumer, 64) for _ in range(5)]
    assert [set(taken.values()) for taken in takes] == [{8}] * 5
    assert Counter(name for taken in takes for name in taken) == dict.fromkeys(_NAMES, 1)


def test_a_large_take_comes_to_more_queues(broker: SqliteBroker, consumer: Consumer) -> None:
    publish(broker, _NAMES, each=40)
    assert take(consumer, 512) == dict.fromkeys(_NAMES[:16], 32)


def test_where_eight_queues_have_too_little_the_same_take_comes_to_others(
    broker: SqliteBroker, consumer: Consumer
) -> None:
    publish(broker, _NAMES, each=1)
    assert take(consumer, 64) == dict.fromkeys(_NAMES, 1)


def test_a_queue_that_has_more_gives_what_those_beside_it_have_not(broker: SqliteBroker, consumer: Consumer) -> None:
    publish(broker, _NAMES[:3], each=2)
    publish(broker, _NAMES[7:8], each=100)
    assert take(consumer, 64) == {**dict.fromkeys(_NAMES[:3], 2), "queue-7": 58}


def test_two_full_queues_have_the_odd_message_in_turn(broker: SqliteBroker, consumer: Consumer) -> None:
    publish(broker, _NAMES[:2], each=6)
    taken = take(consumer, 3)
    assert set(taken.values()) == {1, 2}
    assert taken + take(consumer, 3) == dict.fromkeys(_NAMES[:2], 3)


def test_one_slot_comes_to_every_queue_before_it_comes_to_one_again(broker: SqliteBroker, consumer: Consumer) -> None:
    publish(broker, _NAMES, each=2)
    for _ in range(2):
        assert sum((take(consumer, 1) for _ in _NAMES), Counter()) == dict.fromkeys(_NAMES, 1)


def test_an_added_queue_has_its_turn_and_a_cancelled_one_none(broker: SqliteBroker, consumer: Consumer) -> None:
    publish(broker, ["added", *_NAMES], each=1)
    take(consumer, 5)
    consumer.cancel_queue("queue-20")
    consumer.add_queue(Queue("added"))
    taken = take(consumer, 64)
    assert taken["added"] == 1
    assert "queue-20" not in taken
