"""How long a call waits: for its start on a worker with nothing to do, and for its result."""

from collections.abc import Iterator
from functools import partial

from benchmarks.measure import Column, Measure, NotMeasured, percentile
from benchmarks.pace import Pace
from benchmarks.side import Side
from benchmarks.sizes import Sizes

__all__ = ["BESIDE_LONG", "LATENCY", "MIXTURE", "ROUND_TRIP"]

#: Of so many calls one runs for a second, in the mixture.
_LONG_EVERY = 100
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "longest": 1.0}


def _latency(side: Side, sizes: Sizes, _: Pace, *, long_every: int = 0) -> Iterator[dict[str, float]]:
    with side.project() as project, project.worker():
        seconds = project.client("latency", sizes.latency, sizes.rate, long_every)["seconds"]
    yield {name: percentile(seconds, share) * 1e3 for name, share in _SHARES.items()}


def _round_trip(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
    if "fetch" not in pace.can:
        raise NotMeasured("no results")
    with side.project() as project, project.worker():
        seconds = project.client("round_trip", sizes.round_trip)["seconds"]
    yield {name: percentile(seconds, _SHARES[name]) * 1e3 for name in ("p50", "p99")}


def _beside_long(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
    # So few that the long one runs longer than they do: one that is stuck behind it stands out.
    count = min(sizes.beside_long, int(min(pace.drain, pace.publish) * sizes.long * 0.4))
    with side.project() as project, project.worker():
        found = project.client("beside_long", count, sizes.long)
    yield {"pause": found["pause"] * 1e3, "longest": found["longest"] * 1e3, "count": count}


LATENCY = Measure(
    name="latency",
    title="From publish to start, idle worker, 50 a second",
    columns=tuple(Column(name=name, unit=f"{name}, ms", digits=1) for name in ("p50", "p95", "p99")),
    look=_latency,
)
MIXTURE = Measure(
    name="mixture",
    title="The same while 1 % of the tasks take a second: how long the others wait",
    columns=tuple(Column(name=name, unit=f"{name}, ms", digits=1) for name in _SHARES),
    look=partial(_latency, long_every=_LONG_EVERY),
)
ROUND_TRIP = Measure(
    name="round-trip",
    title="Publish one call and wait for its result",
    columns=tuple(Column(name=name, unit=f"{name}, ms", digits=1) for name in ("p50", "p99")),
    look=_round_trip,
)
BESIDE_LONG = Measure(
    name="beside-long",
    title="One task of {long} s, and short ones published at once behind it",
    columns=(
        Column(name="pause", unit="longest time in which none of them started, ms", digits=1),
        Column(name="longest", unit="longest wait from publish to start, ms", digits=1),
        Column(name="count", unit="short ones", more_is_better=True, is_compared=False),
    ),
    look=_beside_long,
)
