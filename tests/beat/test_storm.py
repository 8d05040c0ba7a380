"""Several schedulers, killed and stopped at random: each due moment is published once."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.beat.schedulers import Published, Schedulers, Stores, doubled
from tests.redis.key_space import own_keys
from tests.servers.vhost import virtual_host


@pytest.fixture(params=["sqlite", "redis", "rabbitmq"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/queue.sqlite3"
        yield Stores(url, url)
        return
    with own_keys() as url:
        if request.param == "redis":
            yield Stores(url, url)
            return
        with virtual_host(tmp_path) as broker:
            yield Stores(broker, url)


@pytest.fixture
def schedulers(stores: Stores, tmp_path: Path) -> Iterator[Schedulers]:
    schedulers = Schedulers(tmp_path, stores, entries=60, longest=3)
    yield schedulers
    schedulers.close()


def gaps(published: list[Published]) -> list[tuple[str, datetime]]:
    """Return the due moments, between an entry's first and its last, that are not there."""
    moments: dict[str, set[datetime]] = defaultdict(set)
    for run in published:
        moments[run.entry].add(datetime.fromisoformat(run.due))
    missing = []
    for entry, found in moments.items():
        step = timedelta(seconds=1 + int(entry.split()[1]) % 3)
        moment = min(found)
        while moment < max(found):
            moment += step
            if moment not in found:
                missing.append((entry, moment))
    return missing


def check(schedulers: Schedulers, seconds: float, seed: int) -> None:
    for _ in range(3):
        schedulers.start()
    schedulers.await_leader()
    schedulers.disturb(seconds, random.Random(seed))
    schedulers.await_idle()
    schedulers.end()
    published = schedulers.published()
    assert len({run.entry for run in published}) == 60, schedulers.logs
    assert not gaps(published), schedulers.logs
    if schedulers.app.timetable().publishes:
        assert not doubled(published), schedulers.logs
    # Twice under one id is one task, where nobody can claim and publish in one step.
    by_id = {run.id: run for run in published}
    assert len(by_id) == len(set(published))


def test_each_due_moment_is_published_once_whoever_is_killed_or_stopped(schedulers):
    check(schedulers, 9, seed=1)


def test_when_the_leader_dies_another_one_takes_over_and_nothing_is_missed(schedulers):
    schedulers.start()
    first = schedulers.await_leader()
    schedulers.start()
    schedulers.kill(first)
    assert schedulers.await_leader(other_than=first)
    schedulers.await_idle()
    schedulers.end()
    assert not gaps(schedulers.published())


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
def test_they_are_killed_and_stopped_for_minutes(schedulers, seed):
    check(schedulers, 120, seed)
