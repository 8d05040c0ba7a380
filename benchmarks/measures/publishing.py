"""How fast one process publishes, beside the store's own client doing the least that has to be done."""

from collections.abc import Sequence

from benchmarks.figure import Figure
from benchmarks.raw import RAW, raw_rate
from benchmarks.side import Side

__all__ = ["publishing"]


def publishing(sides: Sequence[Side], count: int, bulk: int, rounds: int, *, engine: str) -> list[Figure]:
    """Measure publishing one at a time, and in bulk where there is a way to."""
    rate = Figure(name="publish one at a time", unit="per second")
    cpu = Figure(name="publish one at a time: CPU", unit="µs", more_is_better=False)
    many = Figure(name="publish in bulk", unit="per second")
    many_cpu = Figure(name="publish in bulk: CPU", unit="µs", more_is_better=False)
    for _ in range(rounds):
        raw = raw_rate(engine, count)
        if raw is not None:
            rate.add(RAW[engine], raw)
        for side in sides:
            with side.project() as project:
                found = project.client("publish", count)
            rate.add(side.name, found["rate"])
            cpu.add(side.name, found["cpu"])
        own = sides[0]
        with own.project() as project:
            found = project.client("publish_many", bulk)
        many.add(own.name, found["rate"])
        many_cpu.add(own.name, found["cpu"])
    return [rate, cpu, many, many_cpu]
