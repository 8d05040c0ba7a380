"""Messages that waited for a queue which has been deleted meanwhile."""

import time
from collections.abc import Iterator

import pytest

from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.amqp.delaying import SINK
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import until

#: More than the server forwards at a time.
MANY = 100


@pytest.fixture
def broker(rabbit_url: str) -> Iterator[AmqpBroker]:
    """A broker whose delay queues are of the type that keeps what it cannot forward."""
    broker = AmqpBroker(rabbit_url, options={"delay_queue_type": "quorum", "interop": False})
    yield broker
    broker.delete("living")
    broker.close()


def delayed(queue: str, number: int) -> Message:
    task_id = f"{queue}-{number}"
    headers = {"task": "t", "id": task_id}
    return Message(id=task_id, queue=queue, headers=headers, body=b"[]", not_before=time.time() + 1)


def test_they_are_dropped_and_keep_nobody_else_waiting(broker: AmqpBroker) -> None:
    for name in ("deleted", "living"):
        broker.declare(Queue(name))
    broker.publish([delayed("deleted", number) for number in range(MANY)])
    broker.delete("deleted")
    broker.publish([delayed("living", 1)])
    until(lambda: broker.size("living").ready == 1)
    assert broker.size(SINK).ready == 0
