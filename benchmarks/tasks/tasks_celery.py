"""The tasks as Celery has them, on Redis or RabbitMQ with results in Redis."""

import os
import time
from collections.abc import Sequence
from typing import Any

import work
from celery import Celery, __version__

app = Celery("tasks_celery", broker=work.BROKER, backend=work.RESULT_BACKEND)
app.conf.task_ignore_result = not work.RESULTS
app.conf.task_default_queue = work.QUEUE
app.conf.worker_prefetch_multiplier = int(os.environ.get("BENCHMARK_PREFETCH", "4"))
VERSION = __version__
#: There is no way to publish many calls at once: a group sends one by one.
publish_many = None


@app.task
def add(left: int, right: int) -> int:
    return left + right


@app.task
def mark(name: str) -> None:
    work.note_mark(name)


@app.task
def waited(published_at: float) -> None:
    work.note_wait(published_at)


@app.task
def echo(value: Any) -> Any:
    work.note_done()
    return value


@app.task
def compute(seconds: float) -> None:
    work.compute(seconds)


@app.task
def sleep(seconds: float) -> None:
    time.sleep(seconds)
    work.note_done()


def publish(left: int, right: int) -> Any:
    return add.delay(left, right)


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        add.apply_async(call, countdown=work.LATER)


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


def fetch(result: Any) -> Any:
    return result.get(timeout=60)
