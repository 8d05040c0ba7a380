"""The workers and clients that the interop tests share: started when first wanted, ended with the run."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.interop.sides import Client, Flower, Interpreters, Side, Worker
from tests.interop.wire import PREFIX, Wire, wire_named

SIDES: tuple[Side, Side] = ("celery", "celeriac")
#: The queue that both sides' workers take from.
SHARED = "shared"


class Grounds:
    """Where both sides meet. For each wire a worker and a client of each side; they start together."""

    def __init__(self, peer: str, directory: Path) -> None:
        self._interpreters = Interpreters(peer)
        self._directory = directory
        self._wires: dict[str, Wire] = {}
        self._workers: dict[tuple[str, Side], Worker] = {}
        self._clients: dict[tuple[str, Side], Client] = {}
        self._more: list[Client | Flower] = []

    def wire(self, name: str) -> Wire:
        """Return a wire; its servers are there."""
        if name not in self._wires:
            self._wires[name] = wire_named(name)
        return self._wires[name]

    def queue(self, side: Side, wire: Wire) -> str:
        """Return the queue that only this side's worker takes from."""
        return wire.queue(f"{wire.name}-{side}")

    def shared_queue(self, wire: Wire) -> str:
        return wire.queue(f"{wire.name}-{SHARED}")

    def worker(self, side: Side, wire: Wire) -> Worker:
        """Return that side's worker, ready."""
        self._begin(wire)
        return self._workers[wire.name, side].wait_ready()

    def client(self, side: Side, wire: Wire, **settings: Any) -> Client:
        """Return that side's client; with settings, one of its own."""
        if settings:
            client = Client(self._interpreters, side, wire, settings)
            self._more.append(client)
            return client
        self._begin(wire)
        return self._clients[wire.name, side]

    @contextlib.contextmanager
    def another_worker(self, side: Side, wire: Wire, *, name: str, **options: Any) -> Iterator[Worker]:
        """Start one more worker for a while."""
        worker = Worker(self._interpreters, side, wire, self._directory, name=f"{wire.name}-{name}-{side}", **options)
        try:
            yield worker.wait_ready()
        finally:
            worker.stop()

    def celeriac(self, wire: Wire, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of celeriac's for the project's app."""
        return subprocess.run(
            [*self._interpreters.command("celeriac"), "-m", "celeriac", "-A", "work", *words],
            cwd=self._directory,
            env=self._interpreters.environment("celeriac", wire, {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def flower(self, wire: Wire) -> str:
        """Start Flower; return its address, where it will listen soon."""
        flower = Flower(self._interpreters, wire, self._directory)
        self._more.append(flower)
        return flower.address

    def close(self) -> None:
        """End all that was started, and delete every queue and key of this run."""
        for worker in self._workers.values():
            worker.begin_to_stop()
        for worker in self._workers.values():
            worker.stop()
        used = {name for name, _ in self._clients}
        for name in used:
            wire = self._wires[name]
            self._clients[name, "celery"].sweep(PREFIX, [wire.queue(suffix) for suffix in self._suffixes(wire)])
        for process in [*self._clients.values(), *self._more]:
            process.close()

    def _suffixes(self, wire: Wire) -> list[str]:
        kinds = (*SIDES, SHARED, "urgent-celery", "urgent-celeriac", "given-back")
        return ["default", "bytes", *(f"{wire.name}-{kind}" for kind in kinds)]

    def _begin(self, wire: Wire) -> None:
        if (wire.name, "celery") in self._clients:
            return
        for side in SIDES:
            queues = [self.queue(side, wire), self.shared_queue(wire)]
            self._workers[wire.name, side] = Worker(
                self._interpreters, side, wire, self._directory, queues=queues, name=f"{wire.name}-{side}"
            )
            self._clients[wire.name, side] = Client(self._interpreters, side, wire)
