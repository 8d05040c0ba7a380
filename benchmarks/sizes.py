"""How much is measured."""

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Sizes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers of calls and of seconds. Where both are given, a side gets as many calls as it does in the seconds."""

    #: How often what varies most is repeated; a figure is the median of its rounds.
    rounds: int
    drain: int
    #: Before those that count: in them processes start and code gets warm.
    drain_warm_seconds: float
    drain_seconds: float
    publish: int
    publish_seconds: float
    bulk: int
    latency: int
    #: Publishes a second while latency is measured.
    rate: int = 50
    round_trip: int
    #: Seconds a worker is watched doing nothing.
    idle: float
    #: Tasks done before memory is looked at again, and those that wait for their time; not at all if that takes longer.
    memory: int
    delayed: int
    memory_seconds: float
    #: Measure variants too, and memory and growth for peers too.
    thorough: bool
    #: Seconds after which nothing more is begun on an engine.
    limit: float = float("inf")
    depths: tuple[int, ...]
    queues: tuple[int, ...]
    nodes: tuple[int, ...]


FULL = Sizes(
    rounds=3,
    drain=30_000,
    drain_warm_seconds=1.0,
    drain_seconds=2.0,
    publish=5_000,
    publish_seconds=2.0,
    bulk=50_000,
    latency=1_000,
    round_trip=300,
    idle=20.0,
    memory=50_000,
    delayed=100_000,
    memory_seconds=240.0,
    thorough=True,
    depths=(1_000, 10_000, 100_000, 1_000_000),
    queues=(1, 10, 200),
    nodes=(1, 2, 4),
)
QUICK = Sizes(
    rounds=1,
    drain=20_000,
    drain_warm_seconds=0.5,
    drain_seconds=1.0,
    publish=2_000,
    publish_seconds=0.7,
    bulk=20_000,
    latency=100,
    round_trip=50,
    idle=2.0,
    memory=5_000,
    delayed=5_000,
    memory_seconds=4.0,
    thorough=False,
    limit=285.0,
    depths=(1_000, 100_000),
    queues=(1, 50),
    nodes=(1, 2),
)
