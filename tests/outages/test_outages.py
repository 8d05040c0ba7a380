"""A node outlives every kind of outage of its server: it loses nothing, runs nothing twice, and says so once."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.outages.conftest import Fleet
from tests.outages.ground import RabbitGround
from tests.worker.conftest import Worker, wait_until

#: Seconds after the server's return within which a new task has run.
SOON = 10.0
#: Seconds a publish may take before it fails (``broker_publish_timeout``), and what a busy machine may add.
DEADLINE = 5.0 + 3.0
SILENCE = 30.0


def status_of(fleet: Fleet) -> subprocess.CompletedProcess[str]:
    """Run ``celeriac status`` as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "celeriac", "-b", fleet.ground.broker, "status", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"CELERIAC_BROKER_URL": ""},
    )


def expect_the_cure(fleet: Fleet) -> None:
    """Check that ``celeriac status`` says how to start the server that is away."""
    away = status_of(fleet)
    assert away.returncode == 69
    assert "systemctl start" in away.stderr


def expect_one_outage(fleet: Fleet, *workers: Worker) -> None:
    """Check that each node has said so once, in its log and in its status."""
    for worker in workers:
        wait_until(lambda worker=worker: "is back after" in worker.log, f"back: {worker.log}")
        assert worker.log.count("cannot be used") == 1, worker.log

    def reports() -> list[dict]:
        names = {worker.name for worker in workers}
        nodes = json.loads(status_of(fleet).stdout)["nodes"]
        outages = [node["report"]["last_outage"] for node in nodes if node["name"] in names]
        return [outage for outage in outages if outage and outage["seconds"] is not None]

    wait_until(lambda: len(reports()) == len(workers), "in the status")


def expect_that_it_works(fleet: Fleet, number: int = 1_000_000) -> None:
    """Check that a new task is run soon."""
    began = time.monotonic()
    fleet.tasks.mark.delay(number)
    fleet.wait_ended({number}, "a new task", patience=SOON)
    assert time.monotonic() - began < SOON


def expect_each_once(fleet: Fleet, numbers: set[int], *, maybe: set[int] = frozenset()) -> None:
    """Check that nothing was lost and nothing was run twice; of ``maybe`` nobody knows whether they were published."""
    fleet.wait_ended(numbers, "everything", patience=SOON)
    wait_until(lambda: fleet.size()[0] in {0, None}, "an empty queue", patience=SOON)
    begun = fleet.begun()
    assert [number for number, times in begun.items() if times > 1 and number not in maybe] == []
    assert set(begun) <= numbers | maybe | {1_000_000}


@pytest.mark.soak
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_of_the_server(fleet: Fleet, how: str) -> None:
    worker = fleet.worker(concurrency=2)
    long = [fleet.tasks.slow.delay(number, 4.0) for number in (500_000, 500_001)]
    wait_until(lambda: len(fleet.begun()) == len(long), "two tasks running")
    waiting = {fleet.tasks.mark.delay(number) and number for number in range(20)}
    getattr(fleet.ground.server, how)()
    wait_until(lambda: "cannot be used" in worker.log, "the outage noticed")
    expect_the_cure(fleet)
    fleet.ground.server.start()
    fleet.wait_ended(waiting | {500_000, 500_001}, patience=SOON)
    expect_each_once(fleet, waiting | {500_000, 500_001})
    expect_that_it_works(fleet)
    expect_one_outage(fleet, worker)


def test_two_nodes_and_a_killed_server(fleet: Fleet) -> None:
    workers = [fleet.worker(concurrency=2) for _ in range(2)]
    long = {500_000 + number for number in range(4)}
    for number in long:
        fleet.tasks.slow.delay(number, 6.0)
    wait_until(lambda: len(fleet.begun()) == len(long), "all slots taken")
    fleet.ground.server.kill()
    for worker in workers:
        wait_until(lambda worker=worker: "cannot be used" in worker.log, "the outage noticed")
    expect_the_cure(fleet)
    fleet.ground.server.start()
    expect_that_it_works(fleet)
    fleet.wait_ended(long, patience=SOON + 6)
    expect_each_once(fleet, long)
    expect_one_outage(fleet, *workers)


def silence(fleet: Fleet, seconds: float) -> None:
    """Drop all packets for so long, under load."""
    worker = fleet.worker(concurrency=2)
    running = fleet.tasks.slow.delay(500_000, seconds + 2)
    wait_until(fleet.begun, "running")
    with fleet.producer() as producer:
        wait_until(lambda: len(producer.confirmed) > 50, "under load")
        fleet.ground.proxy.silence()
        time.sleep(seconds)
        fleet.ground.proxy.end_silence()
        count = len(producer.confirmed)
        wait_until(lambda: len(producer.confirmed) > count + 50, "under load again", patience=SOON)
    assert producer.longest_failure < DEADLINE
    assert running is not None
    fleet.wait_ended({500_000}, patience=SOON)
    expect_each_once(fleet, producer.confirmed | {500_000}, maybe=producer.unknown)
    expect_that_it_works(fleet)
    assert worker.log.count("cannot be used") <= 1


def test_a_silent_server(fleet: Fleet) -> None:
    silence(fleet, 2.0)


@pytest.mark.soak
def test_a_server_silent_for_half_a_minute(fleet: Fleet) -> None:
    silence(fleet, SILENCE)


def test_connections_reset_in_the_middle_of_replies(fleet: Fleet) -> None:
    fleet.worker(concurrency=2)
    with fleet.producer(retry=False) as producer:
        for number in range(12):
            count = len(producer.confirmed)
            wait_until(lambda count=count: len(producer.confirmed) > count + 10, "under load")
            resets = fleet.ground.proxy.resets
            fleet.ground.proxy.reset_after(1 + 37 * number)
            wait_until(lambda resets=resets: fleet.ground.proxy.resets > resets, "reset")
    expect_each_once(fleet, producer.confirmed, maybe=producer.unknown)
    expect_that_it_works(fleet)


def test_a_full_server(fleet: Fleet) -> None:
    """It takes no more messages: publishers are told, and a node that has to publish a retry waits, and says so."""
    worker = fleet.worker(concurrency=2)
    sentence = "memory alarm" if isinstance(fleet.ground, RabbitGround) else "has reached its maxmemory"
    with fleet.producer(pause=0.02) as producer:
        wait_until(lambda: len(producer.confirmed) > 20, "under load")
        fleet.tasks.twice.delay(500_000, until="full")
        wait_until(lambda: 500_000 in fleet.begun(), "a task that will be tried again")
        fleet.ground.fill()
        (fleet.project.directory / "full").touch()
        wait_until(lambda: producer.refused or producer.unknown, "refused", patience=DEADLINE)
        wait_until(lambda: sentence in worker.log, "said in the log")
        wait_until(lambda: sentence in (said := status_of(fleet)).stdout + said.stderr, "in the status")
        fleet.ground.empty()
        count = len(producer.confirmed)
        wait_until(lambda: len(producer.confirmed) > count + 20, "under load again", patience=SOON)
    assert producer.longest_failure < DEADLINE
    fleet.wait_ended({500_000}, patience=SOON)
    assert fleet.begun()[500_000] == len(["the first time", "the retry"])
    expect_each_once(fleet, producer.confirmed, maybe=producer.unknown | {500_000})
    expect_that_it_works(fleet)
    wait_until(lambda: "is back after" in worker.log or "takes new messages again" in worker.log, "the end said")
    assert worker.log.count(sentence) == 1


def restarts(fleet: Fleet, count: int) -> None:
    """Kill or stop the server again and again under load: the worker never stops consuming."""
    fleet.worker(concurrency=2)
    with fleet.producer(pause=0.01, seconds=0.005, retry=False) as producer:
        for number in range(count):
            seen = len(producer.confirmed)
            wait_until(lambda seen=seen: len(producer.confirmed) > seen + 50, "under load", patience=SOON)
            if number % 2:
                fleet.ground.server.stop()
            else:
                fleet.ground.server.kill()
            fleet.ground.server.start()
            seen = max(producer.confirmed)
            wait_until(
                lambda seen=seen: any(number > seen for number in fleet.ended()), f"going on, {number}", patience=SOON
            )
    expect_each_once(fleet, producer.confirmed, maybe=producer.unknown)
    expect_that_it_works(fleet)


def test_some_restarts_in_a_row(fleet: Fleet) -> None:
    restarts(fleet, 2 if isinstance(fleet.ground, RabbitGround) else 4)


@pytest.mark.soak
def test_fifty_restarts_in_a_row(fleet: Fleet) -> None:
    restarts(fleet, int(os.environ.get("CELERIAC_RESTARTS", "50")))
