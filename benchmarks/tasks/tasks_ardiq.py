"""The tasks as ardiq has them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import uvloop
import work
from ardiq import Ardiq

VERSION = version("ardiq")
# Its command has no switch for the event loop: it takes what the policy makes.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
app = Ardiq(work.BROKER, "benchmark", concurrency=100, result_ttl_ms=3_600_000 if work.RESULTS else 0)


@app.task()
async def add(left: int, right: int) -> int:
    return left + right


@app.task()
async def mark(name: str) -> None:
    work.note_mark(name)


@app.task()
async def waited(published_at: float) -> None:
    work.note_wait(published_at)


@app.task()
async def echo(value: Any) -> Any:
    work.note_done()
    return value


@app.task()
async def compute(seconds: float) -> None:
    work.compute(seconds)


@app.task()
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)
    work.note_done()


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """Be able to publish; it connects by itself."""
    yield


async def publish(left: int, right: int) -> Any:
    return await add.enqueue(left, right)


async def publish_many(calls: Sequence[tuple[int, int]]) -> None:
    await app.enqueue_many([add.prepare(*call) for call in calls])


async def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    later = add.options(delay_ms=work.LATER * 1000)
    await app.enqueue_many([later.prepare(*call) for call in calls])


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


async def fetch(job: Any) -> Any:
    return (await job.result(timeout=60)).value
