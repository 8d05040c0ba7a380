"""Moving back: what celeriac holds is given back, and Celery's workers run every task of it."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.interop.grounds import Grounds
from tests.interop.sides import Client, wait_until
from tests.interop.test_side_by_side import read_notes
from tests.interop.wire import Wire

pytestmark = pytest.mark.timeout(240)

#: Seconds: long enough for everything before Celery's worker to be over, on a busy machine.
DELAY = 8
#: Seconds a silent node is waited for.
LEASE = 2


@pytest.fixture(params=["redis", "rabbitmq"])
def wire(request: pytest.FixtureRequest, grounds: Grounds) -> Wire:
    return grounds.wire(request.param)


def give_back(grounds: Grounds, wire: Wire, *words: str) -> dict[str, Any]:
    """Give back, whoever else is running on these servers."""
    done = grounds.celeriac(wire, "give-back", "--json", "--force", *words)
    assert done.returncode == 0, done
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def is_running(grounds: Grounds, wire: Wire, node: str) -> bool:
    """Say whether the broker takes a node for running."""
    answer = json.loads(grounds.celeriac(wire, "status", "--json", "-d", node).stdout)
    return any(each["state"] == "running" for each in answer["nodes"])


def test_celery_runs_all_that_celeriac_held(grounds: Grounds, wire: Wire, tmp_path: Path) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    queue = wire.queue(f"{wire.name}-given-back")
    client: Client = grounds.client("celeriac", wire)
    with grounds.another_worker(
        "celeriac", wire, name="leaving", queues=[queue], concurrency=1, settings={"worker_lease": LEASE}
    ) as worker:
        client.send("refuse_on", "celeriac", str(notes), "dead", queue=queue)
        client.send("leave_note", str(notes), "first", queue=queue)
        delayed = [
            client.send("leave_note", str(notes), f"delayed-{number}", queue=queue, countdown=DELAY)
            for number in range(3)
        ]
        wait_until(lambda: read_notes(notes), "the first to run")
        running = client.send("wait_and_note", str(gate), str(notes), "killed", queue=queue)
        waiting = [client.send("leave_note", str(notes), f"waiting-{number}", queue=queue) for number in range(3)]
        wait_until(lambda: client.state(running)["state"] == "STARTED", "it to have begun")
        refused = grounds.celeriac(wire, "give-back", queue)
        assert refused.returncode == 2, refused
        assert worker.name in refused.stderr
        worker.kill()
    wait_until(lambda: not is_running(grounds, wire, worker.name), "its lease to end")
    given = give_back(grounds, wire, queue, "--dead")
    assert given["dead"] == 1
    if wire.name == "redis":
        # What the killed one had taken may have been given back already, by the node of another test's worker.
        assert given["delayed"] == 3
    again = give_back(grounds, wire, queue, "--dead")
    assert (again["delayed"], again["in_flight"], again["dead"]) == (0, 0, 0), "it can be repeated"
    gate.touch()
    with grounds.another_worker("celery", wire, name="coming", queues=[queue], concurrency=2):
        expected = ["dead", "killed", *(f"{kind}-{number}" for kind in ("delayed", "waiting") for number in range(3))]
        wait_until(lambda: len(read_notes(notes)) > len(expected), "all to run")
        for task_id in (running, *delayed, *waiting):
            assert client.result(task_id)["state"] == "SUCCESS"
    done = read_notes(notes)
    assert done[0] == ("first", "celeriac")
    assert sorted(done[1:]) == sorted((text, "celery") for text in expected)


@pytest.mark.soak
def test_what_celerys_last_worker_held_is_run_by_celeriacs(grounds: Grounds, wire: Wire, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    queue = wire.queue(f"{wire.name}-given-back")
    client = grounds.client("celery", wire)
    with grounds.another_worker("celery", wire, name="last", queues=[queue]) as worker:
        delayed = [client.send("leave_note", str(notes), f"task-{n}", queue=queue, countdown=DELAY) for n in range(9)]
        wait_until(lambda: worker.log.count("received") == len(delayed), "the worker to hold them")
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(30)
    with grounds.another_worker("celeriac", wire, name="first", queues=[queue]):
        for task_id in delayed:
            assert client.result(task_id)["state"] == "SUCCESS"
    assert sorted(read_notes(notes)) == [(f"task-{n}", "celeriac") for n in range(9)]


@pytest.mark.soak
def test_a_chord_of_celerys_is_kept_and_given_back_whole(grounds: Grounds, tmp_path: Path) -> None:
    wire = grounds.wire("redis")
    queue = wire.queue(f"{wire.name}-given-back")
    client = grounds.client("celery", wire)
    with grounds.another_worker("celeriac", wire, name="keeping", queues=[queue], settings={"worker_lease": LEASE}):
        body = client.send_chord(("echo", (1,)), ("echo", (2,)), body="echo", queue=queue)
        wait_until(
            lambda: grounds.celeriac(wire, "dead", "list").stdout.count("part of a chord") == 2, "both to be kept"
        )
    assert give_back(grounds, wire, queue, "--dead")["dead"] == 2
    with grounds.another_worker("celery", wire, name="finishing", queues=[queue]):
        parts = [{"args": [number], "kwargs": {}} for number in (1, 2)]
        assert client.value(body) == {"args": [parts], "kwargs": {}}
