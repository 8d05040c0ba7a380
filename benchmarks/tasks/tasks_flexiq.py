"""The tasks as flexiq has them, in an SQLite file."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import work
from flexiq import Queue

VERSION = version("flexiq")
# Its prefork pool would start whatever ``python`` is on the path.
os.environ["FLEXIQ_PYTHON"] = sys.executable
queue = Queue(
    db_path=work.BROKER.removeprefix("sqlite:///"),
    workers=int(os.environ["BENCHMARK_WORKERS"]),
    scheduler_batch_size=100,
    scheduler_poll_interval_ms=10,
)


@queue.task()
def add(left: int, right: int) -> int:
    return left + right


@queue.task()
def mark(name: str) -> None:
    work.note_mark(name)


@queue.task()
def waited(published_at: float) -> None:
    work.note_wait(published_at)


@queue.task()
def echo(value: Any) -> Any:
    work.note_done()
    return value


@queue.task()
def compute(seconds: float) -> None:
    work.compute(seconds)


@queue.task()
def sleep(seconds: float) -> None:
    time.sleep(seconds)
    work.note_done()


@queue.task()
async def coroutine(seconds: float) -> None:
    await asyncio.sleep(seconds)
    work.note_done()


def publish(left: int, right: int) -> Any:
    return add.delay(left, right)


def publish_many(calls: Sequence[tuple[int, int]]) -> None:
    add.map(calls)


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        add.apply_async(call, delay=work.LATER)


def publish_mark(name: str) -> None:
    mark.delay(name)


def publish_waited() -> None:
    waited.delay(time.monotonic())


def publish_payload(value: Any) -> None:
    echo.delay(value)


def publish_compute(seconds: float) -> None:
    compute.delay(seconds)


def publish_sleep(seconds: float) -> None:
    sleep.delay(seconds)


def publish_coroutine(seconds: float) -> None:
    coroutine.delay(seconds)


def fetch(job: Any) -> Any:
    return job.result(timeout=60, poll_interval=0.001, max_poll_interval=0.001)
