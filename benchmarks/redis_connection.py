"""What a command costs on celeriac's connection and on redis-py's own: 800 bytes pushed one by one.

Needs a Redis server; the URL may be given: `python benchmarks/redis_connection.py redis://127.0.0.1:6379/15`.
"""

import statistics
import sys
import time
from collections.abc import Callable

import redis

from celeriac.redis.connecting import Connector
from celeriac.redis.connection import Connection
from celeriac.redis.location import Location

KEY = "celeriac-benchmark"
VALUE = b"x" * 800
CALLS = 2000
ROUNDS = 20


def measure(push: Callable[[], object]) -> tuple[float, float]:
    """Return microseconds a call: on the wall, and of this process's CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        push()
    return (time.perf_counter() - wall) / CALLS * 1e6, (time.process_time() - cpu) / CALLS * 1e6


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else "redis://127.0.0.1:6379/15"
    ours = Connection(Connector(Location.from_url(url, {})))
    theirs = redis.Redis.from_url(url)
    pushes: dict[str, Callable[[], object]] = {
        "celeriac": lambda: ours.call(b"LPUSH", KEY, VALUE),
        "redis-py": lambda: theirs.lpush(KEY, VALUE),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in pushes}
    for _ in range(ROUNDS):
        for name, push in pushes.items():
            found[name].append(measure(push))
        ours.call("DEL", KEY)
    for name, times in found.items():
        wall, cpu = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"{name}: {wall:.1f} us a call, {cpu:.1f} us of them our CPU")
    ours.close()
    theirs.close()


if __name__ == "__main__":
    main()
