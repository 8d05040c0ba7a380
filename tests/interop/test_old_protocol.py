"""Messages of protocol 1, as Celery before version 4 wrote them and later ones still can."""

import datetime as dt
import time
from decimal import Decimal

import pytest

from tests.interop.grounds import Grounds
from tests.interop.sides import Client, Side
from tests.interop.wire import Wire

pytestmark = pytest.mark.timeout(240)

VALUES = (Decimal("1.5"), dt.datetime(2026, 1, 2, tzinfo=dt.UTC), b"\xff", ["x"], None)


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def wire(request: pytest.FixtureRequest, grounds: Grounds) -> Wire:
    return grounds.wire(request.param)


@pytest.fixture(
    scope="module",
    params=[
        ("celery", "celeriac"),
        pytest.param(("celery", "celery"), marks=pytest.mark.soak),
    ],
    ids="-to-".join,
)
def sides(request: pytest.FixtureRequest) -> tuple[Side, Side]:
    both: tuple[Side, Side] = request.param
    return both


@pytest.fixture(scope="module")
def client(grounds: Grounds, wire: Wire, sides: tuple[Side, Side]) -> Client:
    return grounds.client(sides[0], wire, task_protocol=1)


@pytest.fixture(scope="module")
def queue(grounds: Grounds, wire: Wire, sides: tuple[Side, Side]) -> str:
    grounds.worker(sides[1], wire)
    return grounds.queue(sides[1], wire)


def test_arguments_arrive_and_the_result_comes_back(client: Client, queue: str) -> None:
    answer = client.value(client.send("echo", *VALUES, kwargs={"x": VALUES[0]}, queue=queue))
    assert (answer["args"], answer["kwargs"]) == (list(VALUES), {"x": VALUES[0]})


def test_a_task_knows_its_id_and_its_limits_and_waits_for_its_time(client: Client, queue: str) -> None:
    published = time.time()
    task_id = client.send("look", queue=queue, countdown=1, expires=600, time_limit=90, soft_time_limit=80)
    seen = client.value(task_id)
    assert (seen["id"], seen["timelimit"], seen["retries"]) == (task_id, [90, 80], 0)
    assert seen["at"] - published >= 0.95


def test_it_is_tried_again_and_fails_as_any_other(client: Client, queue: str) -> None:
    assert client.value(client.send("flaky", 1, queue=queue))["retries"] == 1
    found = client.result(client.send("fail", queue=queue))
    assert (found["state"], found["error"], found["args"]) == ("FAILURE", "OwnError", ("on purpose", 3))
