"""The commands of ``client`` for queues whose verbs are coroutines: one event loop for the whole of a measurement."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from client import WARM, Found, Watch, calls, check
from payloads import PAYLOADS
from waits import longest_pause, read_waits, wait_for

#: Calls under way at once while a backlog is published.
_AT_ONCE = 50


async def publish(tasks: Any, count: int) -> Found:
    for number in range(WARM):
        await tasks.publish(number, 1)
    with Watch(count) as watch:
        for number in range(count):
            await tasks.publish(number, 1)
    return watch.found


async def publish_many(tasks: Any, count: int) -> Found:
    await tasks.publish_many([(number, 1) for number in range(WARM)])
    batches = list(calls(count))
    with Watch(count) as watch:
        for batch in batches:
            await tasks.publish_many(batch)
    return watch.found


async def fill_kind(tasks: Any, kind: int, warm: int, count: int) -> Found:
    publish_one, argument = PAYLOADS[kind].publisher(tasks), PAYLOADS[kind].argument
    for _ in range(warm):
        await publish_one(argument)
    with Watch(count) as watch:
        for _ in range(count):
            await publish_one(argument)
    return watch.found


async def fill(tasks: Any, warm: int, count: int, behind: int) -> Found:
    await _publish_fast(tasks, warm)
    await tasks.publish_mark("first")
    await _publish_fast(tasks, count)
    await tasks.publish_mark("last")
    await _publish_fast(tasks, behind)
    return {}


async def waves(tasks: Any, size: int, count: int) -> Found:
    for number in range(count):
        await _publish_fast(tasks, size)
        await tasks.publish_mark(f"wave-{number}")
        wait_for(f"mark-wave-{number}")
    return {}


async def later(tasks: Any, count: int) -> Found:
    for batch in calls(count):
        await tasks.publish_later(batch)
    return {}


async def latency(tasks: Any, count: int, rate: int, long_every: int) -> Found:
    for _ in range(10):
        await tasks.publish_waited()
    read_waits(10)
    short = 10
    start = time.monotonic() + 0.1
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        if long_every and number % long_every == 0:
            await tasks.publish_sleep(1.0)
        else:
            await tasks.publish_waited()
            short += 1
    return {"seconds": sorted(read_waits(short)[10:])}


async def beside_long(tasks: Any, count: int, seconds: int) -> Found:
    for _ in range(10):
        await tasks.publish_waited()
    read_waits(10)
    await tasks.publish_sleep(float(seconds))
    for _ in range(count):
        await tasks.publish_waited()
    return {"longest": read_waits(10 + count)[-1], "pause": longest_pause()}


async def round_trip(tasks: Any, count: int) -> Found:
    seconds = []
    for number in range(-10, count):
        began = time.monotonic()
        found = await tasks.fetch(await tasks.publish(number, 1))
        seconds.append(time.monotonic() - began)
        check(found, number)
    return {"seconds": sorted(seconds[10:])}


async def _publish_fast(tasks: Any, count: int) -> None:
    for batch in calls(count):
        if tasks.publish_many is not None:
            await tasks.publish_many(batch)
            continue
        # This is not measured, so many may be under way.
        for start in range(0, len(batch), _AT_ONCE):
            await asyncio.gather(*(tasks.publish(*call) for call in batch[start : start + _AT_ONCE]))


COMMANDS: dict[str, Callable[..., Awaitable[Found]]] = {
    command.__name__: command
    for command in (
        publish,
        publish_many,
        fill,
        fill_kind,
        waves,
        later,
        latency,
        beside_long,
        round_trip,
    )
}


async def _connected(tasks: Any, command: Callable[..., Awaitable[Found]], numbers: list[int]) -> Found:
    async with tasks.connected():
        return await command(tasks, *numbers)


def run(tasks: Any, name: str, numbers: list[int]) -> Found:
    """Do what ``client`` was asked for."""
    return _run(_connected(tasks, COMMANDS[name], numbers))


def _run(main: Coroutine[Any, Any, Found]) -> Found:
    """Run it in uvloop's event loop, the fastest there is, where the queue's environment has it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    found: Found = uvloop.run(main)
    return found
