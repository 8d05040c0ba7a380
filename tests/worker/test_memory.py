"""A node that has done a million tasks keeps no more in memory than after the first hundred thousand."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers.redis_server import RedisServer
from tests.worker.conftest import Worker, wait_until

TASKS = """
app.conf.result_expires = 5

@app.task
def add(a, b):
    return a + b

@app.task(ignore_result=True)
def mark(name):
    note("marks", name)
"""

#: Calls in one round: a backlog that a node is done with in a few seconds.
ROUND = 10_000


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    with RedisServer(tmp_path / "redis", settings={"appendonly": "no"}) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


def megabytes(worker: Worker) -> float:
    """Return what all of a node's processes have, shared pages counted once."""
    family = [psutil.Process(worker.process.pid), *worker.descendants()]
    return sum(process.memory_full_info().pss for process in family) / 1e6


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_memory_is_flat_however_many_tasks_a_node_does(project, broker: str) -> None:
    tasks = project(TASKS, broker=broker)
    worker = tasks.worker(concurrency=2)

    def run(rounds: range) -> float:
        for number in rounds:
            tasks.add.delay_many([(each, 1) for each in range(ROUND)])
            tasks.mark.delay(str(number))
            wait_until(lambda number=number: str(number) in tasks.lines("marks"), f"round {number} done", 60)
        return megabytes(worker)

    # By then read-ahead has its full size, and SQLite's cache of pages is full.
    early = run(range(10))
    late = run(range(10, 100 if broker else 30))
    assert late < early * 1.02, f"{early:.1f} MB after 100,000 tasks, {late:.1f} MB after all"
