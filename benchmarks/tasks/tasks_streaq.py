"""The tasks as streaq has them."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

import msgpack
import streaq
import work
from streaq import Worker

VERSION = streaq.VERSION
# Its command has no switch for it: a line for each task, as no other writes here.
logging.disable(logging.INFO)
worker: Worker[None] = Worker(
    redis_url=work.BROKER,
    concurrency=32,
    serializer=msgpack.packb,
    deserializer=msgpack.unpackb,
    anyio_kwargs={"use_uvloop": True},
)
_TTL = 3600 if work.RESULTS else 0


@worker.task(ttl=_TTL)
async def add(left: int, right: int) -> int:
    return left + right


@worker.task(ttl=_TTL)
async def mark(name: str) -> None:
    work.note_mark(name)


@worker.task(ttl=_TTL)
async def waited(published_at: float) -> None:
    work.note_wait(published_at)


@worker.task(ttl=_TTL)
async def echo(value: Any) -> Any:
    work.note_done()
    return value


@worker.task(ttl=_TTL)
async def compute(seconds: float) -> None:
    work.compute(seconds)


@worker.task(ttl=_TTL)
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)
    work.note_done()


def connected() -> Any:
    """Be able to publish."""
    return worker


async def publish(left: int, right: int) -> Any:
    return await add.enqueue(left, right)


async def publish_many(calls: Sequence[tuple[int, int]]) -> None:
    await worker.enqueue_many([add.enqueue(*call) for call in calls])


async def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        await add.enqueue(*call).start(delay=work.LATER)


async def publish_mark(name: str) -> None:
    await mark.enqueue(name)


async def publish_waited() -> None:
    await waited.enqueue(time.monotonic())


async def publish_payload(value: Any) -> None:
    await echo.enqueue(value)


async def publish_compute(seconds: float) -> None:
    await compute.enqueue(seconds)


async def publish_sleep(seconds: float) -> None:
    await sleep.enqueue(seconds)


#: All of its tasks are coroutines.
publish_coroutine = publish_sleep


async def fetch(task: Any) -> Any:
    return (await task.result(timeout=60)).result
