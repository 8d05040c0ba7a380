"""Celery's clients feed celeriac's workers, and celeriac's clients Celery's, over real servers; results come back."""

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tests.interop.grounds import Grounds
from tests.interop.line import Line, lines
from tests.interop.sides import wait_until

pytestmark = pytest.mark.timeout(240)

#: Seconds.
DELAY = 1.0

#: Every kind of value that kombu's JSON has a tag for, and the ones at the borders of JSON's own.
VALUES: tuple[Any, ...] = (
    dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 2, 3, 4, 5),
    dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    dt.date(2026, 1, 2),
    dt.time(3, 4, 5, 678),
    Decimal("1.50"),
    UUID(int=7),
    b"plain bytes",
    b"\xff\x00",
    "ключ \U0001f955 \x00",
    2**70,
    -0.0,
    1e308,
    True,
    None,
    [1, [2, {"a": None, "b": [Decimal(1)]}]],
    {"when": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "nested": {"id": UUID(int=8)}},
)


@pytest.fixture(scope="module", params=lines("redis", "rabbitmq", "rpc"))
def line(request: pytest.FixtureRequest, grounds: Grounds) -> Line:
    wire, direction = request.param
    return Line(grounds, grounds.wire(wire), direction)


#: For what needs a store of results: rpc:// sends them to the one who published the task, once.
with_a_store = pytest.mark.parametrize("line", lines("redis", "rabbitmq"), indirect=True)


@pytest.fixture(scope="module")
def slow(line: Line, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Calls that take their time, published together, so that they are waited for together."""
    notes = tmp_path_factory.mktemp("notes") / "notes"
    notes.touch()
    return SimpleNamespace(
        published=time.time(),
        notes=notes,
        countdown=line.send("look", countdown=DELAY),
        eta=line.send("look", eta=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=DELAY)),
        flaky=line.send("flaky", 2),
        give_up=line.send("give_up"),
        automatic=line.send("automatic", str(notes)),
        hard=line.send("sleep", 30, time_limit=1),
        soft=line.send("obey", 30, soft_time_limit=1, time_limit=20),
    )


def test_values_of_every_kind_arrive_and_come_back(line: Line, slow: SimpleNamespace) -> None:
    answer = line.run("echo", *VALUES, kwargs={"when": VALUES[0], "ключ": VALUES[-1]})
    assert [repr(value) for value in answer["args"]] == [repr(value) for value in VALUES]
    assert answer["kwargs"] == {"when": VALUES[0], "ключ": VALUES[-1]}


def test_values_are_of_the_same_kind_in_the_task(line: Line) -> None:
    assert line.run("kinds", *VALUES) == [[type(value).__name__, repr(value)] for value in VALUES]


@pytest.mark.parametrize(
    "options",
    [{"serializer": "pickle"}, {"compression": "zlib"}, {"compression": "bzip2"}],
    ids=lambda options: "-".join(options.values()),
)
def test_serializers_and_compressions_are_understood(line: Line, options: dict[str, str]) -> None:
    assert line.run("echo", "x" * 5000, **options)["args"] == ["x" * 5000]


def test_a_large_message_and_a_large_result_arrive_whole(line: Line) -> None:
    text = "карот" * 100_000
    assert line.run("echo", text)["args"] == [text]


def test_options_of_a_call_are_known_to_the_task(line: Line) -> None:
    task_id = line.send(
        "look",
        "seen",
        expires=600,
        time_limit=90,
        soft_time_limit=80,
        shadow="another name",
        headers={"x-tenant": 7},
        priority=3,
        argsrepr="hidden",
    )
    seen = line.client.value(task_id)
    assert (seen["id"], seen["root_id"], seen["parent_id"]) == (task_id, task_id, None)
    assert (seen["timelimit"], seen["shadow"], seen["argsrepr"]) == ([90, 80], "another name", "hidden")
    assert (seen["headers"], seen["priority"], seen["retries"]) == ({"x-tenant": 7}, 3, 0)
    assert seen["side"] == line.runner
    left = dt.datetime.fromisoformat(seen["expires"]) - dt.datetime.now(dt.UTC)
    assert 500 < left.total_seconds() <= 600


def test_the_result_says_who_ran_what(line: Line) -> None:
    found = line.result(line.send("look", "seen"))
    assert (found["name"], found["worker"], found["retries"]) == ("work.look", line.worker.name, 0)
    assert found["queue"] == line.queue
    assert abs(found["date_done"] - time.time()) < 60


def test_an_id_of_ones_own_is_kept(line: Line) -> None:
    task_id = f"own-{time.time_ns()}"
    assert line.send("echo", task_id=task_id) == task_id
    assert line.client.value(task_id) == {"args": [], "kwargs": {}}


def test_an_error_arrives_with_its_class_and_its_traceback(line: Line) -> None:
    own, key = line.result(line.send("fail")), line.result(line.send("fail", "key"))
    assert (own["state"], own["error"], own["module"], own["args"]) == (
        "FAILURE",
        "OwnError",
        "work",
        ("on purpose", 3),
    )
    assert 'raise OwnError("on purpose", 3)' in own["traceback"]
    assert (key["error"], key["module"], key["args"]) == ("KeyError", "builtins", ("absent",))


@with_a_store
def test_a_result_nobody_wants_is_not_stored(line: Line, tmp_path: Path) -> None:
    ignored = line.send("leave_note", str(tmp_path / "notes"), "ran", ignore_result=True)
    wait_until((tmp_path / "notes").exists, "the task to run")
    # The task after it has its result, so its own would be there.
    line.run("echo")
    assert line.client.state(ignored)["state"] == "PENDING"


@with_a_store
def test_progress_is_seen_while_the_task_runs(line: Line, tmp_path: Path) -> None:
    task_id = line.send("report", str(tmp_path / "go on"))
    wait_until(lambda: line.client.state(task_id) == {"state": "PROGRESS", "info": {"done": 7}}, "PROGRESS")
    (tmp_path / "go on").touch()
    assert line.client.value(task_id) == "reported"


@with_a_store
def test_a_link_runs_with_the_result(line: Line) -> None:
    linked = f"link-{time.time_ns()}"
    first = line.send("echo", 1, link=("work.echo", ("linked",), linked))
    assert line.client.value(linked)["args"] == [{"args": [1], "kwargs": {}}, "linked"]
    assert linked in line.result(first)["children"]


@with_a_store
def test_a_link_for_errors_is_told_the_id_or_the_error(line: Line, tmp_path: Path) -> None:
    told = f"errback-{time.time_ns()}"
    failed = line.send("fail", link_error=("work.told_the_id", (), told))
    assert line.client.value(told) == failed
    notes = tmp_path / "notes"
    failed = line.send("fail", link_error=("work.told_the_error", (str(notes),), f"{told}-2"))
    wait_until(notes.exists, "the link to be called")
    assert notes.read_text() == f"{failed} OwnError\n"


@with_a_store
def test_a_task_that_a_task_publishes_knows_its_parent(line: Line) -> None:
    parent = line.result(line.send("publish_child", "from a task"))
    child = line.client.value(parent["value"])
    assert child["root_id"] == child["parent_id"]
    assert parent["children"] == [parent["value"]]


def test_delayed_tasks_run_at_their_time(line: Line, slow: SimpleNamespace) -> None:
    for task_id in (slow.countdown, slow.eta):
        seen = line.client.value(task_id)
        assert DELAY - 0.05 <= seen["at"] - slow.published <= DELAY + line.wire.coarseness + 3
        assert seen["eta"] is not None


def test_a_task_that_is_tried_again_keeps_its_id_and_its_count(line: Line, slow: SimpleNamespace) -> None:
    assert line.client.value(slow.flaky) == {"retries": 2, "side": line.runner, "root": True}


def test_a_task_that_gives_up_fails_with_its_last_error(line: Line, slow: SimpleNamespace) -> None:
    found = line.result(slow.give_up)
    assert (found["state"], found["error"], found["args"]) == ("FAILURE", "OwnError", ("still not",))


def test_an_error_named_in_advance_is_tried_again_by_itself(line: Line, slow: SimpleNamespace) -> None:
    assert line.client.value(slow.automatic) == "done"
    assert slow.notes.read_text() == "tried\ntried\n"


def test_the_hard_limit_of_a_call_fails_the_task(line: Line, slow: SimpleNamespace) -> None:
    found = line.result(slow.hard)
    assert (found["state"], found["error"]) == ("FAILURE", "TimeLimitExceeded")


def test_the_soft_limit_of_a_call_is_raised_in_the_task(line: Line, slow: SimpleNamespace) -> None:
    assert line.client.value(slow.soft) == "ended softly"


@with_a_store
def test_a_task_that_came_too_late_is_not_run(line: Line, tmp_path: Path) -> None:
    late = line.send("leave_note", str(tmp_path / "notes"), "ran", expires=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    line.run("echo")
    if line.wire.drops_expired:
        # RabbitMQ may have dropped it, and then there is nobody to say so.
        assert line.client.state(late)["state"] in {"PENDING", "REVOKED"}
    else:
        found = line.result(late)
        assert (found["state"], found["error"]) == ("REVOKED", "TaskRevokedError")
    assert not (tmp_path / "notes").exists()
