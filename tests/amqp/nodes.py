"""What tests of long tasks do with consumers, as a node would."""

import time

from celeriac.brokers.amqp.consumer import AmqpConsumer
from celeriac.brokers.base import Delivery
from celeriac.protocol.message import Message
from celeriac.testing.conformance.harness import until

__all__ = ["hold_on", "message", "receive_one", "stay"]


def message(task_id: str, queue: str, **changes: object) -> Message:
    fields = {"id": task_id, "queue": queue, "headers": {"task": "t", "id": task_id}, "body": b"[[], {}, {}]"}
    return Message(**(fields | changes))


def receive_one(consumer: AmqpConsumer) -> Delivery:
    return until(lambda: consumer.receive(1, 0.2))[0]


def stay(consumer: AmqpConsumer, seconds: float) -> None:
    """Do what a busy node does, which has no room for more."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert consumer.renew()
        assert consumer.receive(0, 0) == []
        consumer.recover()
        time.sleep(0.05)


def hold_on(consumer: AmqpConsumer) -> None:
    """Have the consumer's one delivery handed over now."""
    [flight] = consumer._flights
    flight.arrived_at = 0.0

    def is_held() -> bool:
        consumer._holder._next_look = 0.0
        return consumer.renew() and flight.held

    until(is_held)
