"""How much is measured."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

__all__ = ["COMPARISON", "FULL", "QUICK", "Sizes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers of calls and of seconds. Where both are given, a side gets as many calls as it does in the seconds."""

    #: How often what varies most is repeated; a figure is the median of its rounds.
    rounds: int
    #: The same of publishing, which takes only seconds and varies with whatever else the processors do.
    publish_rounds: int
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
    #: The long task among many short ones, seconds, and the number of those.
    long: int
    beside_long: int
    #: The share of the counts in ``payloads``.
    payloads: float
    #: Measure variants too, all sides in nearly everything, and memory and growth for peers too.
    thorough: bool
    #: Of revisions of celeriac; its first rows are then compared as a whole.
    is_comparison: bool = False
    #: Peers beside those that the targets name, where only the strongest are measured.
    strongest: int
    #: Seconds after which one look at a side is given up.
    patience: float
    #: Seconds after which nothing more is begun on an engine but what concerns celeriac.
    limit: Mapping[str, float]
    #: Tasks that one node does, one after the other; its memory is looked at after so many.
    soak: tuple[int, ...]
    depths: tuple[int, ...]
    queues: tuple[int, ...]
    nodes: tuple[int, ...]


FULL = Sizes(
    rounds=3,
    publish_rounds=5,
    drain=30_000,
    drain_warm_seconds=0.7,
    drain_seconds=1.5,
    publish=5_000,
    publish_seconds=1.2,
    bulk=50_000,
    latency=400,
    round_trip=200,
    idle=6.0,
    memory=50_000,
    delayed=100_000,
    memory_seconds=45.0,
    long=10,
    beside_long=10_000,
    payloads=1.0,
    thorough=True,
    strongest=3,
    patience=100.0,
    limit={"redis": 1_320.0, "rabbitmq": 720.0, "sqlite": 560.0, "postgresql": 560.0},
    soak=(10_000, 100_000, 1_000_000),
    depths=(1_000, 10_000, 100_000, 1_000_000),
    queues=(1, 10, 200),
    nodes=(1, 2, 4),
)
QUICK = Sizes(
    rounds=1,
    publish_rounds=1,
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
    long=3,
    beside_long=3_000,
    payloads=0.4,
    thorough=False,
    strongest=1,
    patience=30.0,
    limit=dict.fromkeys(("redis", "rabbitmq", "sqlite", "postgresql"), 215.0),
    soak=(10_000, 100_000),
    depths=(1_000, 100_000),
    queues=(1, 50),
    nodes=(1, 2),
)
#: Of one revision beside another.
COMPARISON = replace(QUICK, rounds=7, publish_rounds=7, publish=4_000, latency=100, is_comparison=True)
