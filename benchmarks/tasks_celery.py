"""The tasks as Celery has them. Run by the peer's interpreter, which has no celeriac; see ``tasks_celeriac``."""

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, __version__

app = Celery("tasks_celery", broker=os.environ["BENCHMARK_BROKER"], backend=os.environ["BENCHMARK_RESULT_BACKEND"])
app.conf.task_ignore_result = os.environ["BENCHMARK_RESULTS"] == "off"
app.conf.task_default_queue = os.environ.get("BENCHMARK_QUEUE", "celery")
VERSION = __version__
#: There is no way to publish many calls at once.
publish_many = None


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


def publish(left: int, right: int) -> Any:
    """Publish one call."""
    return add.delay(left, right)


def publish_mark() -> Any:
    """Publish the end of a backlog."""
    return mark.delay()


def publish_waited(seconds: float) -> Any:
    """Publish one call that measures its own latency."""
    return waited.delay(time.monotonic(), seconds)


def fetch(result: Any) -> Any:
    """Wait for a result."""
    return result.get(timeout=120)
