"""The tasks as tarsk has them, on Redis or RabbitMQ."""

import asyncio
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import work
from tarsk import App

VERSION = version("tarsk-redis" if work.BROKER.startswith("redis") else "tarsk-amqp")
#: There is no way to publish many calls at once.
publish_many = None
app = App(broker=work.BROKER)


@app.task(result_ttl=3600.0 if work.RESULTS else 0.0)
async def add(left: int, right: int) -> int:
    return left + right


@app.task()
async def mark(name: str) -> None:
    work.note_mark(name)


@app.task()
async def waited(published_at: float) -> None:
    work.note_wait(published_at)


@app.task(result_ttl=3600.0 if work.RESULTS else 0.0)
async def echo(value: Any) -> Any:
    work.note_done()
    return value


@app.task(result_ttl=3600.0 if work.RESULTS else 0.0)
async def compute(seconds: float) -> None:
    work.compute(seconds)


@app.task()
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)
    work.note_done()


def publish(left: int, right: int) -> Any:
    return add.send(left, right)


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        add.send_in(work.LATER, *call)


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


#: All of its tasks are coroutines.
publish_coroutine = publish_sleep


def fetch(task_id: str) -> Any:
    return app.result(task_id).get(timeout=60, poll=0.001)
