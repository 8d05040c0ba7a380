"""What a worker costs that has nothing to do, and how soon it works."""

import time
from collections.abc import Sequence

from benchmarks.figure import Figure
from benchmarks.side import Side

__all__ = ["resting"]

#: Seconds it may take until its first task has ended.
_PATIENCE = 30.0


def resting(sides: Sequence[Side], seconds: float) -> list[Figure]:
    """Measure start, idle CPU and memory with two children."""
    start = Figure(name="from the worker's start to its first task's end", unit="s", more_is_better=False, digits=2)
    idle = Figure(name="idle CPU of all processes", unit="% of a core", more_is_better=False, digits=2)
    memory = Figure(name="memory of all processes (PSS)", unit="MB", more_is_better=False)
    for side in sides:
        with side.project() as project:
            project.fill(1)
            with project.worker() as worker:
                while project.span() and time.monotonic() - worker.started_at < _PATIENCE:
                    time.sleep(0.005)
                    worker.check()
                start.add(side.name, time.monotonic() - worker.started_at)
                time.sleep(2.0)
                before, began = sum(worker.cpu().values()), time.monotonic()
                time.sleep(seconds)
                used = sum(worker.cpu().values()) - before
                idle.add(side.name, used / (time.monotonic() - began) * 100)
                memory.add(side.name, worker.memory())
    return [start, idle, memory]
