"""The thread that talks to the broker, when a queue takes nothing: the rest is not kept waiting."""

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from celeriac import states
from celeriac.backends.base import StoredResult
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.base import Consumer, Delivery, Outcome, Settlement
from celeriac.brokers.memory import MemoryBroker
from celeriac.exceptions import MessageRefused
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.worker.intake import Intake, Keep
from celeriac.worker.outages import Outages

FULL = "full"


class Limited(MemoryBroker):
    """A broker one of whose queues takes nothing, as one with a limit on RabbitMQ."""

    def publish(self, messages: Sequence[Message], *, timeout: float = 5.0) -> None:
        _refuse(messages)
        super().publish(messages, timeout=timeout)

    def consumer(self, *args: object, **options: object) -> Consumer:
        consumer = super().consumer(*args, **options)  # type: ignore[arg-type]
        settle = consumer.settle

        def settle_if_it_fits(settlements: Sequence[Settlement]) -> list[Settlement]:
            _refuse([message for settlement in settlements for message in settlement.follow_ups])
            return settle(settlements)

        consumer.settle = settle_if_it_fits  # type: ignore[method-assign]
        return consumer


def _refuse(messages: Sequence[Message]) -> None:
    if any(message.queue == FULL for message in messages):
        raise MessageRefused(f"The queue {FULL} is full.")


@pytest.fixture
def broker() -> Limited:
    return Limited("memory://intake")


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend("memory://intake")


@pytest.fixture
def intake(broker: Limited, backend: MemoryBackend) -> Iterator[Intake]:
    intake = Intake(broker, backend, [Queue("celery")], node="n@h", lease=12, status=lambda: b"", outages=Outages())
    intake.connect()
    intake.start()
    yield intake
    assert intake.stop(10)


def message(task_id: str, queue: str = "celery") -> Message:
    return Message(id=task_id, queue=queue, headers={"task": "t", "id": task_id})


def success(task_id: str) -> StoredResult:
    return StoredResult(task_id=task_id, state=states.SUCCESS, document=b"{}")


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_follow_up_that_is_refused_leaves_a_dead_letter_and_the_result(
    intake: Intake, broker: Limited, backend: MemoryBackend
) -> None:
    broker.publish([message("a"), message("b")])
    taken: list[Delivery] = []
    intake.want(2)

    def collect() -> bool:
        taken.extend(intake.collect().deliveries)
        return len(taken) == 2

    wait_until(collect)
    intake.settle(
        [
            Settlement(
                delivery=taken[0], outcome=Outcome.ACK, result=success("a"), follow_ups=(message("next", FULL),)
            ),
            Settlement(delivery=taken[1], outcome=Outcome.ACK, result=success("b")),
        ]
    )
    wait_until(lambda: set(backend.fetch(["a", "b"])) == {"a", "b"})
    [letter] = broker.dead_letters()
    assert letter.id == "a"
    assert letter.reason == "What was to follow the task cannot be published. The queue full is full."


def test_what_was_acked_before_keeps_its_result_at_least(
    intake: Intake, broker: Limited, backend: MemoryBackend
) -> None:
    intake.keep([Keep(success("c"), (message("next", FULL),)), Keep(success("d"), (message("after"),))])
    wait_until(lambda: set(backend.fetch(["c", "d"])) == {"c", "d"})
    assert [each.id for each in broker.peek("celery")] == ["after"]
