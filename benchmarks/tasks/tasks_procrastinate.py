"""The tasks as procrastinate has them. It keeps no results."""

import asyncio
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import work
from procrastinate import App, PsycopgConnector

VERSION = version("procrastinate")
fetch = None
app = App(connector=PsycopgConnector(conninfo=work.BROKER, max_size=11))
_OPENED: list[App] = []


@app.task(name="add")
async def add(left: int, right: int) -> int:
    return left + right


@app.task(name="mark")
async def mark(name: str) -> None:
    work.note_mark(name)


@app.task(name="waited")
async def waited(published_at: float) -> None:
    work.note_wait(published_at)


@app.task(name="sleep")
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _opened(task: Any) -> Any:
    """Return the task, of an app that has been opened; a worker opens it by itself."""
    if not _OPENED:
        _OPENED.append(app.open())
    return task


def publish(left: int, right: int) -> Any:
    return _opened(add).defer(left=left, right=right)


def publish_many(calls: Sequence[tuple[int, int]]) -> None:
    _opened(add).batch_defer(*({"left": left, "right": right} for left, right in calls))


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    later = _opened(add).configure(schedule_in={"seconds": work.LATER})
    later.batch_defer(*({"left": left, "right": right} for left, right in calls))


def publish_mark(name: str) -> None:
    _opened(mark).defer(name=name)


def publish_waited() -> None:
    _opened(waited).defer(published_at=time.monotonic())


def publish_sleep(seconds: float) -> None:
    _opened(sleep).defer(seconds=seconds)
