"""How much is measured."""

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Sizes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers of calls, and how often what varies most is repeated; a figure is the median of its rounds."""

    rounds: int
    drain: int
    publish: int
    bulk: int
    latency: int
    #: Publishes a second while latency is measured.
    rate: int = 50
    round_trip: int
    #: Seconds a worker is watched doing nothing.
    idle: float
    backlogs: tuple[int, ...]


FULL = Sizes(
    rounds=3,
    drain=10_000,
    publish=3_000,
    bulk=50_000,
    latency=1_000,
    round_trip=300,
    idle=20.0,
    backlogs=(1_000, 10_000, 100_000),
)
QUICK = Sizes(
    rounds=1,
    drain=5_000,
    publish=2_000,
    bulk=20_000,
    latency=250,
    round_trip=100,
    idle=5.0,
    backlogs=(1_000, 10_000),
)
