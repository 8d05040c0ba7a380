"""The run: measures what was asked for, side by side, and prints one table."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks import machine
from benchmarks.figure import Figure, table
from benchmarks.measures.drain import growth, rates
from benchmarks.measures.publishing import publishing
from benchmarks.measures.resting import resting
from benchmarks.measures.waiting import latency, round_trip
from benchmarks.raw import RAW
from benchmarks.side import ENGINES, Side, sides
from benchmarks.sizes import FULL, QUICK, Sizes

__all__ = ["main"]

#: Whose ratios are shown, and under which name.
_PAIRS = {
    "Huey, defaults of both": ("celeriac", "Huey"),
    "Huey, both wait for the disk": ("celeriac, synchronous=full", "Huey"),
    "Huey, fsync off": ("celeriac", "Huey, fsync off"),
    "Celery": ("celeriac", "Celery"),
    **{raw: ("celeriac", raw) for raw in RAW.values()},
}

_PLACES = {
    "sqlite": "one SQLite file",
    "redis": "a Redis server of their own that keeps nothing on disk, results in another database of it",
    "rabbitmq": "classic durable queues of RabbitMQ, results in Redis",
}


def _measures(all_sides: Sequence[Side], sizes: Sizes, engine: str) -> dict[str, Callable[[], list[Figure]]]:
    # A variant differs in how long a commit waits for the disk: it is measured where commits follow each other.
    main_sides = [side for side in all_sides if not side.variant]
    return {
        "drain": lambda: rates(all_sides, sizes.drain, sizes.rounds, results=True),
        "drain-off": lambda: rates(all_sides, sizes.drain, sizes.rounds, results=False),
        "publish": lambda: publishing(all_sides, sizes.publish, sizes.bulk, sizes.rounds, engine=engine),
        "latency": lambda: latency(main_sides, sizes.latency, sizes.rate, mixed=False),
        "mixture": lambda: latency(main_sides, sizes.latency, sizes.rate, mixed=True),
        "round-trip": lambda: round_trip(main_sides, sizes.round_trip),
        "rest": lambda: resting(main_sides, sizes.idle),
        "growth": lambda: growth(main_sides[0], sizes.backlogs),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    names = list(_measures([], FULL, "sqlite"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure celeriac beside its peers.")
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"what to measure: {', '.join(names)}; or all")
    parser.add_argument("--engine", choices=ENGINES, default="sqlite", help="where the messages lie")
    parser.add_argument("--quick", action="store_true", help="fewer tasks and one round: less exact, a minute or two")
    parser.add_argument("--million", action="store_true", help="let growth go up to a million waiting tasks")
    parser.add_argument("--rounds", type=int, help="how often drain and publish are repeated")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.measures if name not in names]
    if unknown:
        parser.error(f"there is no measure {unknown[0]!r}; there are: {', '.join(names)}")
    found = sides(options.engine)
    if len({side.module for side in found}) == 1:
        print("CELERIAC_PEER_PYTHON names no interpreter with peers, so celeriac is measured alone.", file=sys.stderr)
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    if options.million:
        sizes = replace(sizes, backlogs=(*sizes.backlogs, 1_000_000))
    _print(found, sizes, options.measures or names, options.engine)


def _print(found: Sequence[Side], sizes: Sizes, names: Sequence[str], engine: str) -> None:
    print(machine.describe())
    print(f"{_versions(found)}; 2 children each, on {_PLACES[engine]}; {machine.load()} before", flush=True)
    measures = _measures(found, sizes, engine)
    figures = []
    for name in names:
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        figures += measures[name]()
    columns = [side.name for side in found]
    columns += [raw for raw in RAW.values() if any(raw in figure.values for figure in figures)]
    pairs = {name: pair for name, pair in _PAIRS.items() if set(pair) <= set(columns)}
    print(f"\n{table(figures, columns, pairs)}\n")
    print(f"Medians of {sizes.rounds} rounds (drain, publish); {machine.load()} after.")
    print(
        "Ratios above 1: celeriac is ahead. Each is the median of the rounds' own ratios, in which noise cancels out."
    )


def _versions(found: Sequence[Side]) -> str:
    versions = {}
    for side in found:
        if not side.variant:
            with side.project() as project:
                versions[side.name] = project.client("publish", 1)["version"]
    return ", ".join(f"{name} {version}" for name, version in versions.items())


if __name__ == "__main__":
    main()
