"""The tasks as procrastinate has them. It keeps no results."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import work
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

VERSION = version("procrastinate")
fetch = None
app = App(connector=PsycopgConnector(conninfo=work.BROKER))
_producer = ExitStack()


@app.task(name="add")
def add(left: int, right: int) -> int:
    return left + right


@app.task(name="mark")
def mark(name: str) -> None:
    work.note_mark(name)


@app.task(name="waited")
def waited(published_at: float) -> None:
    work.note_wait(published_at)


@app.task(name="sleep")
def sleep(seconds: float) -> None:
    time.sleep(seconds)


def _task(name: str, **options: Any) -> Any:
    """Return a task to be published by a connection without an event loop, opened when it is first needed."""
    if not hasattr(_producer, "app"):
        producer = app.with_connector(SyncPsycopgConnector(conninfo=work.BROKER))
        _producer.app = _producer.enter_context(producer.open())  # type: ignore[attr-defined]
    return _producer.app.configure_task(name, **options)  # type: ignore[attr-defined]


def publish(left: int, right: int) -> Any:
    return _task("add").defer(left=left, right=right)


def publish_many(calls: Sequence[tuple[int, int]]) -> None:
    _task("add").batch_defer(*({"left": left, "right": right} for left, right in calls))


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    later = _task("add", schedule_in={"seconds": work.LATER})
    later.batch_defer(*({"left": left, "right": right} for left, right in calls))


def publish_mark(name: str) -> None:
    _task("mark").defer(name=name)


def publish_waited() -> None:
    _task("waited").defer(published_at=time.monotonic())


def publish_sleep(seconds: float) -> None:
    _task("sleep").defer(seconds=seconds)
