"""The tasks as Dramatiq has them, on Redis or RabbitMQ with results in Redis."""

import time
from collections.abc import Sequence
from typing import Any

import dramatiq
import work
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

VERSION = dramatiq.__version__
#: There is no way to publish many calls at once: a group sends one by one.
publish_many = None
broker = (
    RedisBroker(url=work.BROKER)
    if work.BROKER.startswith("redis")
    else RabbitmqBroker(url=work.BROKER.removesuffix("//"))
)
if work.RESULTS:
    broker.add_middleware(Results(backend=RedisBackend(url=work.RESULT_BACKEND)))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=work.QUEUE, **({"store_results": True} if work.RESULTS else {}))
def add(left: int, right: int) -> int:
    return left + right


@dramatiq.actor(queue_name=work.QUEUE)
def mark(name: str) -> None:
    work.note_mark(name)


@dramatiq.actor(queue_name=work.QUEUE)
def waited(published_at: float) -> None:
    work.note_wait(published_at)


@dramatiq.actor(queue_name=work.QUEUE, **({"store_results": True} if work.RESULTS else {}))
def echo(value: Any) -> Any:
    work.note_done()
    return value


@dramatiq.actor(queue_name=work.QUEUE, **({"store_results": True} if work.RESULTS else {}))
def compute(seconds: float) -> None:
    work.compute(seconds)


@dramatiq.actor(queue_name=work.QUEUE)
def sleep(seconds: float) -> None:
    time.sleep(seconds)
    work.note_done()


def publish(left: int, right: int) -> Any:
    return add.send(left, right)


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        add.send_with_options(args=call, delay=work.LATER * 1000)


def publish_mark(name: str) -> None:
    mark.send(name)


def publish_waited() -> None:
    waited.send(time.monotonic())


def publish_payload(value: Any) -> None:
    echo.send(value)


def publish_compute(seconds: float) -> None:
    compute.send(seconds)


def publish_sleep(seconds: float) -> None:
    sleep.send(seconds)


def fetch(message: Any) -> Any:
    return message.get_result(block=True, timeout=60_000)
