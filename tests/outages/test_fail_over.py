"""A node whose Redis fails over, by Sentinel, goes on with the new master."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.outages.journal import NOTE, Journal
from tests.servers.redis_sentinel import RedisSentinels
from tests.worker.conftest import Project, wait_until

TASKS = f"""
app.conf.broker_transport_options = {{"master_name": "{RedisSentinels.service}"}}
app.conf.result_backend_transport_options = {{"master_name": "{RedisSentinels.service}"}}
{NOTE}
@app.task
def work(number, seconds=0.0):
    journal("begun", number)
    time.sleep(seconds)
    return number
"""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[RedisSentinels]:
    with RedisSentinels(tmp_path / "servers", count=1) as servers:
        yield servers


def test_a_fail_over(servers: RedisSentinels, project: Callable[..., Project]) -> None:
    tasks = project(TASKS, broker=servers.url)
    journal = Journal(tasks.directory)
    worker = tasks.worker(concurrency=2)
    running = [tasks.work.delay(number, 3.0) for number in range(2)]
    wait_until(lambda: len(journal.begun()) == len(running), "both running")
    servers.fail_over()
    assert tasks.work.apply_async((2,), retry_policy={"max_retries": 30}, timeout=20).get(timeout=20) == 2
    assert [result.get(timeout=20) for result in running] == [0, 1]
    assert {number: len(entries) for number, entries in journal.begun().items()} == {0: 1, 1: 1, 2: 1}
    assert "is back after" in worker.log
    assert worker.log.count("cannot be used") == 1
