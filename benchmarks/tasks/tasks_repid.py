"""The tasks as repid has them; run as a script it is the worker, as repid's documentation has it. It has no results."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import uvloop
import work
from repid import RedisServer, Repid, Router

VERSION = version("repid")
#: It can neither publish many calls at once, nor delay them on Redis, nor keep results.
publish_many = None
publish_later = None
fetch = None
app = Repid()
app.servers.register_server("default", RedisServer(work.BROKER), is_default=True)
router = Router()


@router.actor
async def add(left: int, right: int) -> int:
    return left + right


@router.actor
async def mark(name: str) -> None:
    work.note_mark(name)


@router.actor
async def waited(published_at: float) -> None:
    work.note_wait(published_at)


@router.actor
async def echo(value: Any) -> Any:
    work.note_done()
    return value


@router.actor
async def compute(seconds: float) -> None:
    work.compute(seconds)


@router.actor
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)
    work.note_done()


app.include_router(router)


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """Be able to publish."""
    async with app.servers.default.connection():
        yield


async def _send(topic: str, **arguments: Any) -> None:
    await app.send_message_json(channel="default", payload=arguments, headers={"topic": topic})


async def publish(left: int, right: int) -> None:
    await _send("add", left=left, right=right)


async def publish_mark(name: str) -> None:
    await _send("mark", name=name)


async def publish_waited() -> None:
    await _send("waited", published_at=time.monotonic())


async def publish_payload(value: Any) -> None:
    await _send("echo", value=value)


async def publish_compute(seconds: float) -> None:
    await _send("compute", seconds=seconds)


async def publish_sleep(seconds: float) -> None:
    await _send("sleep", seconds=seconds)


#: All of its tasks are coroutines.
publish_coroutine = publish_sleep


async def main() -> None:
    """Work."""
    async with connected():
        await app.run_worker()


if __name__ == "__main__":
    uvloop.run(main())
