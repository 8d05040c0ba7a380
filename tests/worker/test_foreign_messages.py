"""Messages that celeriac did not write: Celery's older protocol, mixtures of both, and what is no task call at all."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from celeriac.exceptions import InvalidTaskError, NotRegistered
from celeriac.protocol.message import Message
from tests.worker.conftest import Project, wait_until

TASKS = """
@app.task
def add(x, y):
    return x + y

@app.task
async def add_later(x, y):
    return x + y

@app.task(acks_late=False)
def dies_acked_early():
    note("ran", "once")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def publish(project: Project, body: Any, *, headers: dict[str, Any] | None = None, id: str = "x") -> None:
    message = Message(id=id, queue="celery", headers=headers or {}, body=json.dumps(body).encode())
    project.app.broker.publish([message])


def old_call(project: Project, name: str, *args: Any, **fields: Any) -> dict[str, Any]:
    """Return the body of a call in Celery's message protocol 1, which says everything there."""
    return {
        "task": f"{project.name}.{name}",
        "id": name,
        "args": args,
        "kwargs": {},
        "retries": 0,
        "eta": None,
        "expires": None,
        "utc": True,
        "callbacks": None,
        "errbacks": None,
        "timelimit": [None, None],
        "taskset": None,
        "chord": None,
        **fields,
    }


def test_messages_of_protocol_1_are_run_as_they_say(project: Callable[[str], Project]) -> None:
    made = project(TASKS)
    made.worker()
    due = datetime.now(UTC) + timedelta(seconds=0.6)
    publish(made, old_call(made, "add", 1, 2))
    publish(made, old_call(made, "add_later", 3, 4))
    publish(made, old_call(made, "add", 5, 6, id="delayed", eta=due.isoformat()))
    publish(made, old_call(made, "add", 1, 2, id="expired", expires="2020-01-01T00:00:00+00:00"))
    publish(made, old_call(made, "dies_acked_early"))
    publish(made, {"args": [7, 8], "kwargs": {}}, headers={"task": f"{made.name}.add", "id": "mixed"}, id="mixed")
    for task_id, value in {"add": 3, "add_later": 7, "mixed": 15, "delayed": 11}.items():
        assert made.app.AsyncResult(task_id).get(timeout=30) == value
    assert made.app.AsyncResult("delayed").date_done >= due
    wait_until(lambda: made.app.AsyncResult("expired").state == "REVOKED", "revoked")
    wait_until(lambda: made.app.AsyncResult("dies_acked_early").state == "FAILURE", "failed")
    assert made.lines("ran") == ["once"], "what its task says of acknowledgement counts"


def test_what_cannot_be_run_is_kept_as_a_dead_letter_with_the_reason(project: Callable[[str], Project]) -> None:
    made = project(TASKS)
    made.worker()
    publish(made, old_call(made, "unheard_of"))
    strangers: list[Any] = [{"no": "task"}, "a text", None, [1, 2]]
    for number, body in enumerate(strangers):
        publish(made, body, id=f"stranger-{number}")
    with pytest.raises(NotRegistered):
        made.app.AsyncResult("unheard_of").get(timeout=30)
    [letter] = made.app.broker.find_dead_letters("unheard_of")
    assert letter.task == f"{made.name}.unheard_of"
    for number in range(len(strangers)):
        wait_until(lambda number=number: made.app.broker.find_dead_letters(f"stranger-{number}"), "kept")
        [letter] = made.app.broker.find_dead_letters(f"stranger-{number}")
        assert "is no task call: neither its headers nor its body name a task" in letter.reason


def test_a_part_of_a_chord_is_kept_and_not_run_because_nobody_would_call_the_body(
    project: Callable[[str], Project],
) -> None:
    made = project(TASKS)
    made.worker()
    body = {"task": f"{made.name}.add", "args": [], "kwargs": {}, "options": {}, "subtask_type": None}
    publish(made, old_call(made, "add", 1, 2, id="part", chord=body))
    with pytest.raises(InvalidTaskError, match="part of a chord"):
        made.app.AsyncResult("part").get(timeout=30)
    [letter] = made.app.broker.find_dead_letters("part")
    assert "send chords to queues that only Celery's workers take from" in letter.reason
