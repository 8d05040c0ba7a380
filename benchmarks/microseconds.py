"""``python -m benchmarks.microseconds``: what each part of a no-op task on Redis costs, in microseconds of CPU.

Each part runs by itself in this process, many times in short runs, of which the quickest counts: other work on the
machine touches it little. What is measured is the celeriac that is imported: ``PYTHONPATH=elsewhere/src`` measures
another version. The parts that talk to the server include the system calls of this side, and not the server's work.
"""

import argparse
import gc
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.stores import RedisStore, temporary_directory
from celeriac import Celeriac
from celeriac.app.task import Task
from celeriac.brokers.base import Consumer, Delivery, Outcome, Settlement
from celeriac.execution import Execution
from celeriac.routing import Queue
from celeriac.worker import conclusion
from celeriac.worker.assignment import LaneKind, assign
from celeriac.worker.board import Board
from celeriac.worker.dispatcher import Dispatcher, Placement
from celeriac.worker.frames import Done, Frame, FrameReader, TaskFacts, Work, pack
from celeriac.worker.load import LaneLoad
from celeriac.worker.outbox import Outbox
from celeriac.worker.pace import Pace
from celeriac.worker.soft_limit import MainThreadLimit
from celeriac.worker.workbench import Workbench

__all__ = ["main"]

#: Tasks in one run: a batch as a node takes it in a drain.
BATCH: Final = 250


class _Lane:
    """A child as far as the dispatcher looks at it, with room for a batch."""

    exclusive = False
    accepts_work = True
    allowance = 1 << 30

    def __init__(self) -> None:
        self.loads = (LaneLoad(1), LaneLoad(0))


class _Parts:
    """The least that each part has taken for a task."""

    def __init__(self) -> None:
        self.least: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        used = (time.process_time() - began) / BATCH * 1e6
        self.least[name] = min(used, self.least.get(name, used))


class _Way:
    """The whole way of a batch: producer, node and child, one after the other."""

    def __init__(self, app: Celeriac, task: Task[..., Any], consumer: Consumer) -> None:
        self._task = task
        self._consumer = consumer
        self._facts = {task.name: TaskFacts(is_async=False, acks_late=True, reject_on_worker_lost=None)}
        self._sent: list[bytes] = []
        self._outbox = Outbox(lambda frames: self._sent.append(pack(frames)))
        self._bench = Workbench(app, hostname="here", board=Board.create(1), outbox=self._outbox)
        self._limit = MainThreadLimit()

    def go(self, parts: _Parts) -> None:
        """Have a batch go the way."""
        calls = [(number, 1) for number in range(BATCH)]
        with parts("publish, one by one"):
            for left, right in calls:
                self._task.delay(left, right)
        placements, packed = self._place(parts, self._take(parts))
        self._settle(parts, self._run(parts, packed), placements)
        with parts("publish, in bulk"):
            self._task.delay_many(calls)
        again = self._take(_Parts())
        self._consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK) for delivery in again])

    def _take(self, parts: _Parts) -> list[Delivery]:
        with parts("node: taking, Redis's answer into deliveries"):
            deliveries = self._consumer.receive(BATCH, 1.0)
        assert len(deliveries) == BATCH
        return deliveries

    def _place(self, parts: _Parts, deliveries: Sequence[Delivery]) -> tuple[list[Placement[_Lane]], bytes]:
        pace = Pace()
        pace.observe(self._task.name, 2e-5)
        dispatcher, lanes = Dispatcher(pace, runs_async=False), [_Lane(), _Lane()]
        now = time.monotonic()
        with parts("node: reading the head"):
            assignments = [assign(delivery, self._facts, has_async_lanes=False) for delivery in deliveries]
        with parts("node: choosing a child, making the work"):
            for assignment in assignments:
                dispatcher.add(assignment)
            placements = dispatcher.place(lanes, now)
            packed = pack([_work(placement) for placement in placements])
        assert len(placements) == BATCH
        return placements, packed

    def _run(self, parts: _Parts, packed: bytes) -> bytes:
        with parts("child: from the bytes of the work to those of its end"):
            works = _unpacked(packed)
            for work in works:
                assert isinstance(work, Work)
                self._outbox.before_task()
                self._bench.run(0, work, self._limit)
            self._outbox.flush()
        sent, self._sent[:] = b"".join(self._sent), []
        with parts("child: … of it reading the call, making the request"):
            prepared = [self._bench.prepare(work) for work in works if isinstance(work, Work)]
        executions = [each for each in prepared if isinstance(each, Execution)]
        with parts("child: … of it the task with all around it, and its result's document"):
            reports = [execution.run() for execution in executions]
        assert len(reports) == BATCH
        return sent

    def _settle(self, parts: _Parts, sent: bytes, placements: Sequence[Placement[_Lane]]) -> None:
        given = {placement.sequence: placement for placement in placements}
        pace = Pace()
        with parts("node: reading the ends, making the settlements"):
            settlements = []
            for frame in _unpacked(sent):
                assert isinstance(frame, Done)
                placement = given[frame.sequence]
                assignment = placement.workplace.loads[LaneKind.DEF].remove(frame.sequence)
                assert assignment is not None
                pace.observe(frame.task_name, frame.runtime)
                settlements.append(conclusion.settlement(assignment, frame))
        with parts("node: settling, with the result"):
            refused = self._consumer.settle(settlements)
        assert len(settlements) == BATCH
        assert not refused


def _work(placement: Placement[_Lane]) -> Work:
    delivery = placement.assignment.delivery
    return Work(
        sequence=placement.sequence,
        envelope=delivery.envelope,
        execution=delivery.execution,
        redelivered=delivery.redelivered,
    )


def _unpacked(packed: bytes) -> list[Frame]:
    """Return the frames in the bytes of one or more batches."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(packed))
        ours.sendall(packed)
        ours.close()
        reader, frames = FrameReader(theirs), []
        while not reader.closed:
            frames += reader.read()
    return frames


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microseconds", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="how often each part runs")
    parser.add_argument("--results-off", action="store_true", help="store no results")
    options = parser.parse_args(arguments)
    with temporary_directory() as directory:
        store = RedisStore(Path(directory))
        try:
            for name, least in _measure(store, options.runs, results=not options.results_off).items():
                print(f"{least:6.1f}  {name}")
        finally:
            store.close()


def _measure(store: RedisStore, runs: int, *, results: bool) -> dict[str, float]:
    broker, backend = store.urls()
    app = Celeriac("microseconds", broker=broker, backend=backend, task_ignore_result=not results)

    @app.task
    def add(left: int, right: int) -> int:
        return left + right

    consumer = app.broker.consumer([Queue("celery")], node="here", results=app.backend)
    way, parts = _Way(app, add, consumer), _Parts()
    # As in a node and in a child.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    for _ in range(runs):
        way.go(parts)
    consumer.close()
    app.close()
    return parts.least


if __name__ == "__main__":
    main()
