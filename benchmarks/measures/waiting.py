"""How long a call waits: for its start on a worker with nothing to do, and for its result."""

from collections.abc import Sequence

from benchmarks.figure import Figure, percentile
from benchmarks.side import Side

__all__ = ["latency", "round_trip"]

#: Of so many calls one runs for a second, in the mixture.
_LONG_EVERY = 100
_SHARES = {"p50": 0.5, "p99": 0.99, "longest": 1.0}


def latency(sides: Sequence[Side], count: int, rate: int, *, mixed: bool) -> list[Figure]:
    """Measure publish to start at a steady rate; mixed: while 1 % of the tasks run for a second each."""
    name = "1 % tasks of 1 s: others' wait for start" if mixed else f"publish to start, idle worker, {rate}/s"
    figures = {
        share: Figure(name=f"{name}, {share}", unit="ms", more_is_better=False, digits=1)
        for share in _SHARES
        if mixed or share != "longest"
    }
    for side in sides:
        with side.project() as project, project.worker():
            seconds = project.client("latency", count, rate, _LONG_EVERY if mixed else 0)["seconds"]
        for share, figure in figures.items():
            figure.add(side.name, percentile(seconds, _SHARES[share]) * 1e3)
    return list(figures.values())


def round_trip(sides: Sequence[Side], count: int) -> list[Figure]:
    """Measure publish to result, one call at a time."""
    figure = Figure(name="publish and get the result, p50", unit="ms", more_is_better=False, digits=1)
    for side in sides:
        with side.project() as project, project.worker():
            figure.add(side.name, percentile(project.client("round_trip", count)["seconds"], 0.5) * 1e3)
    return [figure]
