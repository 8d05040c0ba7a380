"""A node to be killed: starts children as its arguments say, then waits.

Its stdout is inherited by its children and the fork server, so whoever reads it sees the end when the last of them is
gone.
"""

import json
import os
import sys
import time
from collections.abc import Callable

from celeriac.supervision.child_process import ChildProcess
from celeriac.supervision.fork_server import ForkServer
from celeriac.supervision.fresh_spawner import FreshSpawner
from celeriac.supervision.spawner import Spawner

SPAWNERS: dict[str, Callable[[], Spawner]] = {
    "fork server": ForkServer,
    "portable fork server": lambda: ForkServer(portable=True),
    "fresh": FreshSpawner,
    "portable fresh": lambda: FreshSpawner(portable=True),
}


def main() -> None:
    kind, target, count = sys.argv[1:]
    spawner = SPAWNERS[kind]()
    children: list[ChildProcess] = []
    words: list[str] = []
    reading, writing = os.pipe()
    for _ in range(int(count)):
        children.append(spawner.start(f"tests.supervision.targets:{target}", b"", fds=[writing]))
        words.append(os.read(reading, 100).decode())
    server = spawner.pid if isinstance(spawner, ForkServer) else None
    family = {"server": server, "children": [child.pid for child in children], "words": words}
    sys.stdout.write(json.dumps(family) + "\n")
    sys.stdout.flush()
    if count == "0":
        start_and_end_for_ever(spawner, f"tests.supervision.targets:{target}")
    time.sleep(60)


def start_and_end_for_ever(spawner: Spawner, target: str) -> None:
    children: list[ChildProcess] = []
    while True:
        children.append(spawner.start(target, b"x" * 100_000))
        if len(children) > 10:
            children.pop(0).close()


if __name__ == "__main__":
    main()
