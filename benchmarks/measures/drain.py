"""How fast a worker with two children works off what waits: no-op tasks with two small integers."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.figure import Figure
from benchmarks.side import Side

__all__ = ["Drain", "drain", "growth", "rates"]

#: Seconds between two looks at what is left.
_LOOK = 0.01


class Drain(NamedTuple):
    """One backlog worked off, from the first task that ended to the last."""

    #: Tasks a second.
    rate: float
    #: Microseconds of CPU a task, by role of the process.
    cpu: dict[str, float]


def drain(side: Side, count: int, *, results: bool) -> Drain:
    """Let a new worker work off a backlog."""
    with side.project(results=results) as project:
        project.fill(count)
        with project.worker() as worker:
            left = waiting = project.span()
            while left == waiting:
                time.sleep(_LOOK)
                worker.check()
                left = project.span()
            began, cpu_before = time.monotonic(), worker.cpu()
            first = left
            while left:
                time.sleep(_LOOK)
                worker.check()
                left = project.span()
            seconds = time.monotonic() - began
            cpu_after = worker.cpu()
    used = {role: (cpu_after[role] - cpu_before[role]) / first * 1e6 for role in cpu_before}
    return Drain(first / seconds, used)


def rates(sides: Sequence[Side], count: int, rounds: int, *, results: bool) -> list[Figure]:
    """Measure the sides in turn, round by round."""
    name = f"drain, results {'stored' if results else 'off'}"
    rate = Figure(name=name, unit="tasks/s")
    cpu = Figure(name=f"{name}: CPU of all processes", unit="µs/task", more_is_better=False)
    node = Figure(name=f"{name}: CPU of the node process alone", unit="µs/task", more_is_better=False)
    for _ in range(rounds):
        for side in sides:
            found = drain(side, count, results=results)
            rate.add(side.name, found.rate)
            cpu.add(side.name, sum(found.cpu.values()))
            if side.has_node:
                node.add(side.name, found.cpu["node"])
    return [rate, cpu, node]


def growth(side: Side, backlogs: Sequence[int]) -> list[Figure]:
    """Measure whether a longer backlog makes a task more expensive."""
    figures = []
    for count in backlogs:
        found = drain(side, count, results=True)
        name = f"drain of {count:,} waiting tasks, results stored"
        figures.append(Figure(name=name, unit="tasks/s"))
        figures[-1].add(side.name, found.rate)
        figures.append(Figure(name=f"{name}: CPU", unit="µs/task", more_is_better=False))
        figures[-1].add(side.name, sum(found.cpu.values()))
    return figures
