"""The tasks as Huey has them, on SQLite or Redis. Run by the peer's interpreter, which has no celeriac."""

import os
import time
from pathlib import Path
from typing import Any

import huey as package
from huey import RedisHuey, SqliteHuey

VERSION = package.__version__
_BROKER = os.environ["BENCHMARK_BROKER"]
_RESULTS = os.environ["BENCHMARK_RESULTS"] != "off"
if _BROKER.startswith("redis"):
    huey = RedisHuey("benchmark", url=_BROKER, results=_RESULTS)
else:
    # Its default waits for the disk at every commit, as celeriac's ``synchronous=full``; its other choice never waits.
    fsync = {"default": None, "off": False}[os.environ["BENCHMARK_FSYNC"]]
    huey = SqliteHuey(filename=_BROKER.removeprefix("sqlite:///"), results=_RESULTS, fsync=fsync)
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


@huey.task()
def mark() -> None:
    """Say that the backlog has been worked off."""
    Path(os.environ["BENCHMARK_MARK"]).touch()


def publish_mark() -> Any:
    """Publish the end of a backlog."""
    return mark()


def publish(left: int, right: int) -> Any:
    """Publish one call."""
    return add(left, right)


def publish_waited(seconds: float) -> Any:
    """Publish one call that measures its own latency."""
    return waited(time.monotonic(), seconds)


def fetch(result: Any) -> Any:
    """Wait for a result."""
    return result.get(blocking=True, timeout=120)
