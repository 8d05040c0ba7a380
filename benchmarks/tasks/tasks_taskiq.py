"""The tasks as taskiq has them, on Redis or RabbitMQ with results in Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import work
from taskiq.serializers import ORJSONSerializer
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

VERSION = version("taskiq")
#: There is no way to publish many calls at once, and its delays need a scheduler beside the worker.
publish_many = None
publish_later = None


def _broker() -> Any:
    if work.BROKER.startswith("redis"):
        return ListQueueBroker(work.BROKER)
    exchange = Exchange(name=f"{work.QUEUE}-exchange")
    dead = Queue(name=f"{work.QUEUE}-dead")
    return AioPikaBroker(
        work.BROKER, qos=100, exchange=exchange, task_queues=[Queue(name=work.QUEUE)], dead_letter_queue=dead
    )


broker = _broker().with_serializer(ORJSONSerializer())
if work.RESULTS:
    broker = broker.with_result_backend(
        RedisAsyncResultBackend(work.RESULT_BACKEND, result_ex_time=3600, serializer=ORJSONSerializer())
    )


@broker.task
async def add(left: int, right: int) -> int:
    return left + right


@broker.task
async def mark(name: str) -> None:
    work.note_mark(name)


@broker.task
async def waited(published_at: float) -> None:
    work.note_wait(published_at)


@broker.task
async def echo(value: Any) -> Any:
    work.note_done()
    return value


@broker.task
async def compute(seconds: float) -> None:
    work.compute(seconds)


@broker.task
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)
    work.note_done()


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """Be able to publish."""
    await broker.startup()
    yield
    await broker.shutdown()


async def publish(left: int, right: int) -> Any:
    return await add.kiq(left, right)


async def publish_mark(name: str) -> None:
    await mark.kiq(name)


async def publish_waited() -> None:
    await waited.kiq(time.monotonic())


async def publish_payload(value: Any) -> None:
    await echo.kiq(value)


async def publish_compute(seconds: float) -> None:
    await compute.kiq(seconds)


async def publish_sleep(seconds: float) -> None:
    await sleep.kiq(seconds)


#: All of its tasks are coroutines.
publish_coroutine = publish_sleep


async def fetch(handle: Any) -> Any:
    return (await handle.wait_result(check_interval=0.001, timeout=60)).return_value
