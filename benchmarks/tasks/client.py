"""The producer of one measurement, run in the interpreter of the queue that is measured.

``python client.py MODULE COMMAND [NUMBER ...]`` imports the tasks, does one thing and prints one line of JSON. It needs
nothing but the standard library, because a peer's interpreter has no celeriac. Where a module's verbs are coroutines,
``client_async`` has the same commands.
"""

import importlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from payloads import PAYLOADS
from waits import longest_pause, read_waits, wait_for

#: Calls in one ``publish_many``.
MANY = 10_000
#: Calls before the clock runs: connections are made, code is warm.
WARM = 200

Found = dict[str, Any]


#: What not every queue can do.
VERBS = ("publish_many", "publish_later", "fetch", "publish_payload", "publish_coroutine")


def described(tasks: Any, found: Found) -> Found:
    """Add what is measured, and what it can do."""
    can = [verb for verb in VERBS if getattr(tasks, verb, None) is not None]
    return {**found, "version": tasks.VERSION, "can": can}


def publish(tasks: Any, count: int) -> Found:
    """Publish so many calls one at a time."""
    for number in range(WARM):
        tasks.publish(number, 1)
    with Watch(count) as watch:
        for number in range(count):
            tasks.publish(number, 1)
    return watch.found


def publish_many(tasks: Any, count: int) -> Found:
    """Publish so many calls in bulk."""
    tasks.publish_many([(number, 1) for number in range(WARM)])
    batches = list(calls(count))
    with Watch(count) as watch:
        for batch in batches:
            tasks.publish_many(batch)
    return watch.found


def fill_kind(tasks: Any, kind: int, warm: int, count: int) -> Found:
    """Publish a backlog of calls of a kind of ``payloads``: some to get warm, those that count."""
    publish_one, argument = PAYLOADS[kind].publisher(tasks), PAYLOADS[kind].argument
    for _ in range(warm):
        publish_one(argument)
    with Watch(count) as watch:
        for _ in range(count):
            publish_one(argument)
    return watch.found


def fill(tasks: Any, warm: int, count: int, behind: int) -> Found:
    """Publish a backlog by the fastest way there is: some to get warm, mark, those that count, mark, more behind."""
    _publish_fast(tasks, warm)
    tasks.publish_mark("first")
    _publish_fast(tasks, count)
    tasks.publish_mark("last")
    _publish_fast(tasks, behind)
    return {}


def fill_queues(tasks: Any, count: int, queues: int) -> Found:
    """Publish so many calls spread over so many queues, and a mark as the last of each."""
    for number in range(queues):
        name = f"{tasks.work.QUEUE}-{number}"
        for batch in calls(count // queues):
            tasks.publish_many(batch, name)
        tasks.publish_mark(f"last-{number}", name)
    return {}


def waves(tasks: Any, size: int, count: int) -> Found:
    """Publish so many calls as fast as possible, wait until a worker has done them, and so on, so many times."""
    for number in range(count):
        _publish_fast(tasks, size)
        tasks.publish_mark(f"wave-{number}")
        wait_for(f"mark-wave-{number}")
    return {}


def later(tasks: Any, count: int) -> Found:
    """Publish calls that are not due while this runs."""
    for batch in calls(count):
        tasks.publish_later(batch)
    return {}


def latency(tasks: Any, count: int, rate: int, long_every: int) -> Found:
    """Publish at a steady rate (a second); return what the short calls waited for their start, in seconds, sorted.

    Every so-manieth call runs for a second; 0: none.
    """
    for _ in range(10):
        tasks.publish_waited()
    read_waits(10)
    short = 10
    start = time.monotonic() + 0.1
    for number in range(count):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        if long_every and number % long_every == 0:
            tasks.publish_sleep(1.0)
        else:
            tasks.publish_waited()
            short += 1
    return {"seconds": sorted(read_waits(short)[10:])}


def beside_long(tasks: Any, count: int, seconds: int) -> Found:
    """Publish a call that takes so long and at once short ones behind it.

    Return the longest wait of a short one, and the longest time in which none of them started.
    """
    for _ in range(10):
        tasks.publish_waited()
    read_waits(10)
    tasks.publish_sleep(float(seconds))
    for _ in range(count):
        tasks.publish_waited()
    return {"longest": read_waits(10 + count)[-1], "pause": longest_pause()}


def round_trip(tasks: Any, count: int) -> Found:
    """Publish a call and wait for its result, again and again; return the seconds, sorted."""
    seconds = []
    for number in range(-10, count):
        began = time.monotonic()
        found = tasks.fetch(tasks.publish(number, 1))
        seconds.append(time.monotonic() - began)
        check(found, number)
    return {"seconds": sorted(seconds[10:])}


def check(found: Any, number: int) -> None:
    """Fail unless the result is right: a queue whose tasks fail is not fast."""
    if found != number + 1:
        raise ValueError(f"The result of {number} + 1 came back as {found!r}")


def calls(count: int) -> Iterator[list[tuple[int, int]]]:
    """Return the arguments of so many calls, in batches."""
    arguments = ((number, 1) for number in range(count))
    while batch := list(itertools.islice(arguments, MANY)):
        yield batch


class Watch:
    """Takes the time and the CPU time of what is done within it so many times."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.found: Found = {}

    def __enter__(self) -> Self:
        self._began, self._cpu = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        seconds, cpu = time.monotonic() - self._began, time.process_time() - self._cpu
        self.found = {"rate": self._count / seconds, "cpu": cpu / self._count * 1e6}


def _publish_fast(tasks: Any, count: int) -> None:
    if tasks.publish_many is None:
        for number in range(count):
            tasks.publish(number, 1)
    else:
        for batch in calls(count):
            tasks.publish_many(batch)


COMMANDS: dict[str, Callable[..., Found]] = {
    command.__name__: command
    for command in (
        publish,
        publish_many,
        fill,
        fill_kind,
        fill_queues,
        waves,
        later,
        latency,
        beside_long,
        round_trip,
    )
}


def main() -> None:
    """Do what the command line says."""
    module, command, *words = sys.argv[1:]
    tasks = importlib.import_module(module)
    numbers = [int(word) for word in words]
    if hasattr(tasks, "connected"):
        from client_async import run

        found = run(tasks, command, numbers)
    else:
        found = COMMANDS[command](tasks, *numbers)
    print(json.dumps(described(tasks, found)))


if __name__ == "__main__":
    main()
