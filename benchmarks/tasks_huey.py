"""The tasks as Huey has them, on its SQLite storage. Run by the peer's interpreter, which has no celeriac."""

import os
import time
from typing import Any

import huey as package
from huey import SqliteHuey

VERSION = package.__version__
#: Its default waits for the disk at every commit, as celeriac's ``synchronous=full``; its other choice never waits.
_FSYNC = {"default": None, "off": False}[os.environ["BENCHMARK_FSYNC"]]
huey = SqliteHuey(
    filename=f"{os.environ['BENCHMARK_DIRECTORY']}/queue.sqlite3",
    results=os.environ["BENCHMARK_RESULTS"] != "off",
    fsync=_FSYNC,
)
#: There is no way to publish many calls at once.
publish_many = None


@huey.task()
def add(left: int, right: int) -> int:
    """Do nothing much."""
    return left + right


@huey.task()
def waited(published_at: float, seconds: float) -> float:
    """Return how long it took from publish to start, after ``seconds`` of work; both clocks are the machine's."""
    began = time.monotonic()
    time.sleep(seconds)
    return began - published_at


def publish(left: int, right: int) -> Any:
    """Publish one call."""
    return add(left, right)


def publish_waited(seconds: float) -> Any:
    """Publish one call that measures its own latency."""
    return waited(time.monotonic(), seconds)


def fetch(result: Any) -> Any:
    """Wait for a result."""
    return result.get(blocking=True, timeout=120)
