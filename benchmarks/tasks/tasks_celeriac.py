"""The tasks as celeriac has them, and the verbs that ``client`` measures; the other modules here have the same ones."""

import os
import time
from collections.abc import Sequence
from typing import Any

import work

from celeriac import Celeriac, __version__


def _url(url: str) -> str:
    synchronous = os.environ.get("BENCHMARK_SYNCHRONOUS")
    return f"{url}?synchronous={synchronous}" if url.startswith("sqlite") and synchronous else url


app = Celeriac(
    "tasks_celeriac",
    broker=_url(work.BROKER),
    backend=_url(work.RESULT_BACKEND),
    task_ignore_result=not work.RESULTS,
    task_default_queue=work.QUEUE,
    include=["coroutines_celeriac"] if work.COROUTINES else [],
)
VERSION = __version__


@app.task
def add(left: int, right: int) -> int:
    """Do nothing much."""
    return left + right


@app.task
def mark(name: str) -> None:
    """Note when it ran."""
    work.note_mark(name)


@app.task
def waited(published_at: float) -> None:
    """Note how long it waited for its start."""
    work.note_wait(published_at)


@app.task
def echo(value: Any) -> Any:
    """Give back what it was given."""
    work.note_done()
    return value


@app.task
def compute(seconds: float) -> None:
    """Keep a processor busy for so long."""
    work.compute(seconds)


@app.task
def sleep(seconds: float) -> None:
    """Take so long."""
    time.sleep(seconds)
    work.note_done()


def publish(left: int, right: int) -> Any:
    """Publish one call."""
    return add.delay(left, right)


def publish_many(calls: Sequence[tuple[int, int]], queue: str | None = None) -> None:
    """Publish many calls at once."""
    if queue is None:
        add.delay_many(calls)
    else:
        add.delay_many(calls, queue=queue)


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    """Publish many calls that are not due."""
    add.delay_many(calls, countdown=work.LATER)


def publish_mark(name: str, queue: str | None = None) -> None:
    """Publish one call that notes when it runs."""
    mark.apply_async((name,), queue=queue)


def publish_waited() -> None:
    """Publish one call that notes how long it waits."""
    waited.delay(time.monotonic())


def publish_payload(value: Any) -> None:
    """Publish one call that carries something."""
    echo.delay(value)


def publish_compute(seconds: float) -> None:
    """Publish one call that computes for so long."""
    compute.delay(seconds)


def publish_sleep(seconds: float) -> None:
    """Publish one call that takes so long."""
    sleep.delay(seconds)


def publish_coroutine(seconds: float) -> None:
    """Publish one call of a coroutine that takes so long."""
    app.send_task("coroutines_celeriac.sleep", (seconds,))


def fetch(result: Any) -> Any:
    """Wait for a result."""
    return result.get(timeout=60)
