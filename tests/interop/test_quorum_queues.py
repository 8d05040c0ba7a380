"""RabbitMQ's quorum queues, on which Celery leaves delayed tasks to the broker."""

import time

import pytest

from tests.interop.grounds import Grounds
from tests.interop.line import Line, lines

pytestmark = pytest.mark.timeout(240)

#: Seconds.
DELAY = 1.5


@pytest.fixture(scope="module", params=lines("quorum"))
def line(request: pytest.FixtureRequest, grounds: Grounds) -> Line:
    wire, direction = request.param
    return Line(grounds, grounds.wire(wire), direction)


def test_a_task_runs_and_an_error_comes_back(line: Line) -> None:
    assert line.run("echo", 1, kwargs={"two": 2}) == {"args": [1], "kwargs": {"two": 2}}
    found = line.result(line.send("fail"))
    assert (found["state"], found["error"], found["args"]) == ("FAILURE", "OwnError", ("on purpose", 3))


def test_a_delayed_task_waits_in_the_broker_and_runs_at_its_time(line: Line) -> None:
    published = time.time()
    seen = line.run("look", countdown=DELAY, expires=600, headers={"x-tenant": 7})
    # Celery cuts a delay to whole seconds, celeriac rounds it up.
    assert 1 <= seen["at"] - published <= DELAY + line.wire.coarseness + 3
    assert (seen["headers"], seen["retries"]) == ({"x-tenant": 7}, 0)


# Not by a worker of Celery's: with these queues it publishes the retry to the default queue, which nobody serves here.
@pytest.mark.parametrize("line", [("quorum", "to-celeriac")], indirect=True, ids=["quorum-to-celeriac"])
def test_a_task_is_tried_again_with_its_id_and_its_count(line: Line) -> None:
    assert line.run("flaky", 1) == {"retries": 1, "side": line.runner, "root": True}
