"""Nodes with ``--beat`` are killed and stopped, their servers restarted: each due moment is published once."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from celeriac.testing.conformance.harness import until
from tests.beat.clockwork import Clockwork, Stores
from tests.beat.nodes import Nodes
from tests.beat.storm import Storm, Weather
from tests.beat.taps import RabbitTap, RedisTap, SqliteTap, Tap
from tests.beat.verdict import Verdict, judge
from tests.servers.rabbit_server import RabbitServer
from tests.servers.redis_server import RedisServer

SECONDS = float(os.environ.get("CELERIAC_STORM_SECONDS", "600"))
SEED = int(os.environ.get("CELERIAC_STORM_SEED", time.time()))
NODES = ("one@here", "two@here", "three@here")


class Ground:
    """Stores of a test's own, which may be taken away, and the taps on them."""

    def __init__(self, engine: str, directory: Path, stack: ExitStack) -> None:
        self.engine = engine
        self.directory = directory
        self.servers: list[RedisServer | RabbitServer] = []
        self.redis = RedisServer(directory / "redis", fsync="everysec", settings=RedisTap.SETTINGS)
        file = f"sqlite:///{directory}/queue.sqlite3"
        self.stores = Stores(file, file)
        if engine != "sqlite":
            self.servers.append(stack.enter_context(self.redis))
            self.stores = Stores(self.redis.url, self.redis.url)
        if engine == "rabbitmq":
            rabbit = stack.enter_context(RabbitServer(directory / "rabbitmq"))
            self.servers.append(rabbit)
            self.stores = Stores(rabbit.url, self.redis.url)

    def tap(self, nodes: Nodes) -> Tap:
        """Begin to see what happens in the stores."""
        if self.engine == "sqlite":
            nodes.timetable.open()
            return SqliteTap(self.directory / "queue.sqlite3")
        claims = RedisTap(self.redis.directory)
        return claims if self.engine == "redis" else RabbitTap(nodes.app, claims)


@pytest.fixture(params=["sqlite", "redis", "rabbitmq"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    with ExitStack() as stack:
        yield Ground(request.param, tmp_path, stack)


@pytest.fixture
def weather_on(ground: Ground, tmp_path: Path) -> Iterator[Callable[..., Verdict]]:
    """Return what lets a storm rage over three nodes, and judges it."""
    made: list[Nodes] = []

    def rage(weather: Weather, *, entries: int, longest: int) -> Verdict:
        clockwork = Clockwork(tmp_path, ground.stores, entries=entries, longest=longest)
        nodes = Nodes(clockwork)
        made.append(nodes)
        tap = ground.tap(nodes)
        storm = Storm(nodes, ground.servers, weather, has_lock=ground.engine == "sqlite")
        for name in NODES:
            nodes.start(name)
        nodes.await_leader()
        until(lambda: nodes.timetable.count() == entries, timeout=60)
        begin = time.time()
        storm.rage()
        end = time.time() + 1
        nodes.await_claimed(end)
        namespace = nodes.timetable.namespace()
        nodes.end()
        published = tap.published()
        _run_out(nodes, set(published))
        verdict = judge(
            *(clockwork, namespace, tap.claimed(), published, clockwork.executions()),
            begin=begin,
            end=end,
            windows=storm.windows,
        )
        print(f"\n{ground.engine}, seed {weather.seed}, {dict(storm.events)}\n{verdict}")
        assert not verdict.faults, "\n".join([str(verdict), *storm.story, nodes.logs])
        return verdict

    yield rage
    for nodes in made:
        nodes.close()


def _run_out(nodes: Nodes, run_ids: set[str]) -> None:
    """Have a node that publishes nothing run what is left."""
    nodes.start("last@here", beat=False)
    until(lambda: run_ids <= nodes.clockwork.ended().keys(), timeout=120, pause=0.5)
    nodes.end()


def test_each_due_moment_is_published_once_whoever_is_killed_or_stopped(weather_on):
    weather = Weather(seconds=3, seed=1, pause=(0.2, 0.8), stop=(0.5, 3), away=(0, 0.5))
    verdict = weather_on(weather, entries=60, longest=3)
    assert verdict.published > 60


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_they_are_killed_and_stopped_for_minutes(weather_on):
    verdict = weather_on(Weather(seconds=SECONDS, seed=SEED), entries=10_000, longest=60)
    assert verdict.published > 500 * SECONDS
