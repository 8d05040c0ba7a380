"""The tasks as celeriac has them, and the verbs that ``client`` measures, named as in ``tasks_huey``."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celeriac import Celeriac, __version__


def _url(name: str) -> str:
    url = os.environ[name]
    synchronous = os.environ.get("BENCHMARK_SYNCHRONOUS")
    return f"{url}?synchronous={synchronous}" if url.startswith("sqlite") and synchronous else url


app = Celeriac(
    "tasks_celeriac",
    broker=_url("BENCHMARK_BROKER"),
    backend=_url("BENCHMARK_RESULT_BACKEND"),
    task_ignore_result=os.environ["BENCHMARK_RESULTS"] == "off",
    task_default_queue=os.environ.get("BENCHMARK_QUEUE", "celery"),
)
VERSION = __version__


@app.task
def add(left: int, right: int) -> int:
    """Do nothing much."""
    return left + right


@app.task
def waited(published_at: float, seconds: float) -> float:
    """Return how long it took from publish to start, after ``seconds`` of work; both clocks are the machine's."""
    began = time.monotonic()
    time.sleep(seconds)
    return began - published_at


@app.task
def mark() -> None:
    """Say that the backlog has been worked off."""
    Path(os.environ["BENCHMARK_MARK"]).touch()


def publish_mark() -> Any:
    """Publish the end of a backlog."""
    return mark.delay()


def publish(left: int, right: int) -> Any:
    """Publish one call."""
    return add.delay(left, right)


def publish_many(calls: Sequence[tuple[int, int]]) -> None:
    """Publish many calls at once."""
    add.delay_many(calls)


def publish_waited(seconds: float) -> Any:
    """Publish one call that measures its own latency."""
    return waited.delay(time.monotonic(), seconds)


def fetch(result: Any) -> Any:
    """Wait for a result."""
    return result.get(timeout=120)
