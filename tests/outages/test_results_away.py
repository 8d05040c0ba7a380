"""Only the result store is away: what runs is kept, nothing is run twice, and whoever waits gets the result."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.redis_server import RedisServer
from tests.worker.conftest import Project, wait_until

TASKS = """
@app.task
def work(number, seconds):
    note("begun", number)
    time.sleep(seconds)
    return number
"""
#: Seconds of a node's lease in these tests, shorter than the outage.
LEASE = 3.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


def test_results_come_when_the_store_is_back(store: RedisServer, project: Callable[..., Project]) -> None:
    tasks = project(TASKS, backend=store.url)
    settings = {"worker_lease": LEASE}
    workers = [tasks.worker(concurrency=2, hostname=name, settings=settings) for name in ("one@here", "two@here")]
    results = [tasks.work.delay(number, 2.0) for number in range(4)]
    wait_until(lambda: len(tasks.lines("begun")) == len(results), "all running")
    store.kill()
    wait_until(lambda: any("cannot be used" in worker.log for worker in workers), "noticed")
    assert any("The result store cannot be used" in worker.log for worker in workers)
    lease_ends = [record.lease_until for record in tasks.app.broker.nodes()]
    wait_until(
        lambda: min(record.lease_until for record in tasks.app.broker.nodes()) > max(lease_ends) + LEASE,
        "leases renewed while the results are away",
    )
    store.start()
    assert [result.get(timeout=20) for result in results] == [0, 1, 2, 3]
    assert sorted(tasks.lines("begun")) == ["0", "1", "2", "3"]
    wait_until(lambda: tasks.app.broker.size("celery").in_flight == 0, "settled")
    for worker in workers:
        assert worker.log.count("cannot be used") <= 1
        assert "lease had ended" not in worker.log
