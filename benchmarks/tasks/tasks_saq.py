"""The tasks as SAQ has them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import uvloop
import work
from saq import Queue

VERSION = version("saq")
# Its command has no switch for the event loop: it takes what the policy makes.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
#: There is no way to publish many calls at once.
publish_many = None
queue = Queue.from_url(work.BROKER)
#: Seconds a job is kept with its result; -1: it is not stored.
_TTL = 3600 if work.RESULTS else -1


async def add(_: Any, *, left: int, right: int) -> int:
    return left + right


async def mark(_: Any, *, name: str) -> None:
    work.note_mark(name)


async def waited(_: Any, *, published_at: float) -> None:
    work.note_wait(published_at)


async def sleep(_: Any, *, seconds: float) -> None:
    await asyncio.sleep(seconds)


settings = {"queue": queue, "functions": [add, mark, waited, sleep], "concurrency": 32}


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """Be able to publish."""
    await queue.connect()
    yield
    await queue.disconnect()


async def publish(left: int, right: int) -> Any:
    return await queue.enqueue("add", left=left, right=right, ttl=_TTL)


async def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for left, right in calls:
        await queue.enqueue("add", left=left, right=right, scheduled=time.time() + work.LATER)


async def publish_mark(name: str) -> None:
    await queue.enqueue("mark", name=name, ttl=_TTL)


async def publish_waited() -> None:
    await queue.enqueue("waited", published_at=time.monotonic(), ttl=_TTL)


async def publish_sleep(seconds: float) -> None:
    await queue.enqueue("sleep", seconds=seconds, ttl=_TTL)


async def fetch(job: Any) -> Any:
    # To listen for its end is as fast, but now and then that stops at once, before the end.
    while not job.completed:
        await asyncio.sleep(0.001)
        await job.refresh()
    return job.result
