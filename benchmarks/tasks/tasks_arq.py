"""The tasks as arq has them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import msgpack
import uvloop
import work
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.worker import func

VERSION = version("arq")
# Its command has no switch for it: a line for each task, as no other writes here.
logging.disable(logging.INFO)
# Nor one for the event loop: it takes what the policy makes.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
#: There is no way to publish many calls at once.
publish_many = None
_pool: ArqRedis


async def add(_: dict[str, Any], left: int, right: int) -> int:
    return left + right


async def mark(_: dict[str, Any], name: str) -> None:
    work.note_mark(name)


async def waited(_: dict[str, Any], published_at: float) -> None:
    work.note_wait(published_at)


async def sleep(_: dict[str, Any], seconds: float) -> None:
    await asyncio.sleep(seconds)


class WorkerSettings:
    """Read by its command."""

    functions = tuple(func(task, keep_result=3600 if work.RESULTS else 0) for task in (add, mark, waited, sleep))
    redis_settings = RedisSettings.from_dsn(work.BROKER)
    job_serializer = msgpack.packb
    job_deserializer = msgpack.unpackb
    max_jobs = 100
    poll_delay = 0.01


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """Be able to publish."""
    global _pool  # noqa: PLW0603 - one for the life of the client
    settings = WorkerSettings
    _pool = await create_pool(
        settings.redis_settings, job_serializer=settings.job_serializer, job_deserializer=settings.job_deserializer
    )
    yield
    await _pool.aclose()


async def publish(left: int, right: int) -> Any:
    return await _pool.enqueue_job("add", left, right)


async def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        await _pool.enqueue_job("add", *call, _defer_by=timedelta(seconds=work.LATER))


async def publish_mark(name: str) -> None:
    await _pool.enqueue_job("mark", name)


async def publish_waited() -> None:
    await _pool.enqueue_job("waited", time.monotonic())


async def publish_sleep(seconds: float) -> None:
    await _pool.enqueue_job("sleep", seconds)


async def fetch(job: Any) -> Any:
    return await job.result(timeout=60, poll_delay=0.001)
