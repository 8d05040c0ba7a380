"""Workers of Celery and of celeriac serve one site together."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.interop.grounds import SIDES, Grounds
from tests.interop.sides import Side, wait_until
from tests.interop.wire import Wire

pytestmark = pytest.mark.timeout(240)

SERVERS = ("redis", "rabbitmq")


@pytest.fixture(params=SERVERS)
def wire(request: pytest.FixtureRequest, grounds: Grounds) -> Wire:
    return grounds.wire(request.param)


def read_notes(path: Path) -> list[tuple[str, str]]:
    """Return what the tasks have left: their text and the side that ran them."""
    return re.findall(r"^(\S+) (\S+)$", path.read_text(), re.MULTILINE) if path.exists() else []


@pytest.mark.parametrize("publisher", SIDES)
def test_one_queue_is_served_by_both_and_every_task_runs_once(
    grounds: Grounds, wire: Wire, publisher: Side, tmp_path: Path
) -> None:
    for side in SIDES:
        grounds.worker(side, wire)
    notes = tmp_path / "notes"
    client = grounds.client(publisher, wire)
    calls = [(str(notes), f"task-{number}", 0.01) for number in range(200)]
    ids = client.send_many("leave_note", calls, queue=grounds.shared_queue(wire))
    for task_id in ids:
        client.value(task_id)
    done = read_notes(notes)
    assert sorted(text for text, _ in done) == sorted(text for _, text, _ in calls)
    assert min(Counter(side for _, side in done)[side] for side in SIDES) > 20


@pytest.mark.parametrize("publisher", SIDES)
def test_delayed_tasks_of_one_queue_run_once(grounds: Grounds, wire: Wire, publisher: Side, tmp_path: Path) -> None:
    for side in SIDES:
        grounds.worker(side, wire)
    notes = tmp_path / "notes"
    client = grounds.client(publisher, wire)
    calls = [(str(notes), f"task-{number}") for number in range(30)]
    ids = client.send_many("leave_note", calls, queue=grounds.shared_queue(wire), countdown=1)
    for task_id in ids:
        client.value(task_id)
    assert sorted(text for text, _ in read_notes(notes)) == sorted(text for _, text in calls)


def test_a_chain_of_celerys_runs_link_by_link_on_either_side(grounds: Grounds, wire: Wire) -> None:
    for side in SIDES:
        grounds.worker(side, wire)
    client = grounds.client("celery", wire)
    queues = [grounds.queue(side, wire) for side in ("celery", "celeriac", "celeriac", "celery")]
    ids = client.send_chain(*(("echo", (number,), queue) for number, queue in enumerate(queues)))
    nested: dict[str, object] = {"args": [0], "kwargs": {}}
    for number, task_id in enumerate(ids):
        if number:
            nested = {"args": [nested, number], "kwargs": {}}
        assert client.value(task_id) == nested
    workers = [client.result(task_id)["worker"] for task_id in ids]
    assert workers == [grounds.worker(side, wire).name for side in ("celery", "celeriac", "celeriac", "celery")]


@pytest.mark.parametrize(
    ("publisher", "runner"),
    [
        ("celery", "celeriac"),
        ("celeriac", "celery"),
        pytest.param("celery", "celery", marks=pytest.mark.soak, id="celery-alone"),
    ],
)
def test_the_urgent_tasks_of_the_other_side_come_first(
    grounds: Grounds, wire: Wire, publisher: Side, runner: Side, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    queue = wire.queue(f"{wire.name}-urgent-{runner}")
    client = grounds.client(publisher, wire, task_queue_max_priority=9)
    priorities = (6, 0, 9, 3, 0, 9)
    for number, priority in enumerate(priorities):
        client.send("leave_note", str(notes), f"{priority}-{number}", queue=queue, priority=priority)
    with grounds.another_worker(
        runner,
        wire,
        name="urgent",
        queues=[queue],
        concurrency=1,
        options=["--prefetch-multiplier", "1"],
        settings={"task_queue_max_priority": 9},
    ):
        wait_until(lambda: len(read_notes(notes)) == len(priorities), "all to run")
    # Redis: Celery's steps, 0 first. RabbitMQ: 9 first. Those of one priority in the order they were published.
    order = sorted(range(len(priorities)), key=lambda number: priorities[number], reverse=wire.urgent_is_high)
    assert [text for text, _ in read_notes(notes)] == [f"{priorities[number]}-{number}" for number in order]
