"""The tasks as Huey has them, on SQLite or Redis."""

import os
import time
from collections.abc import Sequence
from typing import Any

import huey as package
import work
from huey import RedisHuey, SqliteHuey

VERSION = package.__version__
if work.BROKER.startswith("redis"):
    huey = RedisHuey("benchmark", url=work.BROKER, results=work.RESULTS)
else:
    # Its default waits for the disk at every commit, as celeriac's ``synchronous=full``; its other choice never waits.
    fsync = {"default": None, "off": False}[os.environ["BENCHMARK_FSYNC"]]
    huey = SqliteHuey(filename=work.BROKER.removeprefix("sqlite:///"), results=work.RESULTS, fsync=fsync)
#: There is no way to publish many calls at once.
publish_many = None


@huey.task()
def add(left: int, right: int) -> int:
    return left + right


@huey.task()
def mark(name: str) -> None:
    work.note_mark(name)


@huey.task()
def waited(published_at: float) -> None:
    work.note_wait(published_at)


@huey.task()
def echo(value: Any) -> Any:
    work.note_done()
    return value


@huey.task()
def compute(seconds: float) -> None:
    work.compute(seconds)


@huey.task()
def sleep(seconds: float) -> None:
    time.sleep(seconds)
    work.note_done()


def publish(left: int, right: int) -> Any:
    return add(left, right)


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        add.schedule(args=call, delay=work.LATER)


def publish_mark(name: str) -> None:
    mark(name)


def publish_waited() -> None:
    waited(time.monotonic())


def publish_payload(value: Any) -> None:
    echo(value)


def publish_compute(seconds: float) -> None:
    compute(seconds)


def publish_sleep(seconds: float) -> None:
    sleep(seconds)


def fetch(result: Any) -> Any:
    # It asks again and again; by default every 50 ms at first, and less and less often.
    return result.get(blocking=True, timeout=60, max_delay=0.001)
