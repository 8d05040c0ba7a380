"""Messages that waited for a queue which has been deleted meanwhile."""

import time
from collections.abc import Iterator

import pytest

from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.amqp.delaying import SINK
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import until
from tests.servers.vhost import virtual_host

#: More than the server forwards at a time.
MANY = 100


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmqpBroker]:
    """A broker with delay queues of its own, of the type that keeps what it cannot forward."""
    with virtual_host(tmp_path_factory.mktemp("rabbit")) as url:
        broker = AmqpBroker(url, options={"delay_queue_type": "quorum", "interop": False})
        yield broker
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
