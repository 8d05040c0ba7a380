"""The producer of one measurement, run in the interpreter of the queue that is measured.

``python client.py MODULE COMMAND [NUMBER ...]`` imports the tasks, does one thing and prints one line of JSON. It needs
nothing but the standard library, because a peer's interpreter has no celeriac.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

#: Calls in one ``publish_many``.
_MANY = 10_000


def publish(tasks: Any, count: int) -> dict[str, Any]:
    """Publish so many calls one at a time."""
    tasks.publish(0, 1)
    return _timed(count, lambda: [tasks.publish(number, 1) for number in range(count)])


def publish_many(tasks: Any, count: int) -> dict[str, Any]:
    """Publish so many calls in bulk."""
    tasks.publish(0, 1)
    batches = [[(number, 1) for number in range(start, min(count, start + _MANY))] for start in range(0, count, _MANY)]
    return _timed(count, lambda: [tasks.publish_many(batch) for batch in batches])


def fill(tasks: Any, count: int) -> dict[str, Any]:
    """Publish so many calls (or one) by the fastest way there is."""
    tasks.publish(0, 1)
    found = (publish_many if tasks.publish_many else publish)(tasks, count - 2) if count > 2 else {}
    if "BENCHMARK_MARK" in os.environ:
        tasks.publish_mark()
    return found


def latency(tasks: Any, count: int, rate: float, long_every: int) -> dict[str, Any]:
    """Publish at a steady rate (a second); return what the short calls waited for their start, in seconds, sorted.

    Every so-manieth call runs for a second; 0: none.
    """
    tasks.fetch(tasks.publish_waited(0.0))
    results = []
    start = time.monotonic() + 0.1
    for number in range(count):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        is_long = bool(long_every) and number % long_every == 0
        result = tasks.publish_waited(1.0 if is_long else 0.0)
        if not is_long:
            results.append(result)
    return {"seconds": sorted(tasks.fetch(result) for result in results)}


def round_trip(tasks: Any, count: int) -> dict[str, Any]:
    """Publish a call and wait for its result, again and again; return the seconds, sorted."""
    tasks.fetch(tasks.publish(0, 1))
    seconds = []
    for number in range(count):
        began = time.monotonic()
        tasks.fetch(tasks.publish(number, 1))
        seconds.append(time.monotonic() - began)
    return {"seconds": sorted(seconds)}


def _timed(count: int, action: Callable[[], object]) -> dict[str, Any]:
    began, cpu = time.monotonic(), time.process_time()
    action()
    return {"rate": count / (time.monotonic() - began), "cpu": (time.process_time() - cpu) / count * 1e6}


def main() -> None:
    """Do what the command line says."""
    module, command, *numbers = sys.argv[1:]
    tasks = importlib.import_module(module)
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "fill": fill,
        "latency": latency,
        "publish": publish,
        "publish_many": publish_many,
        "round_trip": round_trip,
    }
    found = commands[command](tasks, *(int(number) for number in numbers))
    print(json.dumps({**found, "version": tasks.VERSION}))


if __name__ == "__main__":
    main()
