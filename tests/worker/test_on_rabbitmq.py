"""What a worker does on RabbitMQ about queues that are not there, or full."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from celeriac.queues import Queue
from tests.servers.shared import amqp_url
from tests.worker.conftest import Project, wait_until

TASKS = """
app.conf.update(broker_url="{url}", task_default_queue="{queue}", task_default_exchange="{queue}")

@app.task
def give(value):
    note("gave", value)
    return value

@app.task
def take(value):
    note("took", value)
"""


@pytest.fixture
def made(project: Callable[[str], Project]) -> Iterator[Project]:
    """A project on the shared RabbitMQ, with results in a file and a queue that nobody else uses."""
    made = project(TASKS.format(url=amqp_url(), queue=f"test-{uuid.uuid4()}"))
    made.ids = []
    yield made
    for suffix in ("", "-next", "-full"):
        made.app.broker.delete(made.app.conf.task_default_queue + suffix)
    made.app.broker.purge_dead_letters(made.ids)


def give(made: Project, value: str, queue: str) -> str:
    """Publish a task whose callback goes to that queue."""
    result = made.give.apply_async((value,), link=made.take.si(value).set(queue=queue))
    made.ids.append(result.id)
    return result.id


def test_what_follows_a_task_finds_queues_that_are_not_there_and_one_that_is_full_holds_nobody_up(
    made: Project,
) -> None:
    full, missing = (made.app.conf.task_default_queue + suffix for suffix in ("-full", "-next"))
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    made.app.broker.declare(Queue(full, queue_arguments=arguments))
    worker = made.worker()
    first, second = give(made, "fits", full), give(made, "not", full)
    wait_until(lambda: made.app.broker.find_dead_letters(second) or made.app.broker.find_dead_letters(first), "dead")
    assert "What was to follow the task cannot be published." in worker.log
    for task_id in (first, second):
        assert made.app.AsyncResult(task_id).get(timeout=30)
    assert made.app.AsyncResult(give(made, "others", missing)).get(timeout=30) == "others"
    wait_until(lambda: made.app.broker.size(missing).ready == 1, "published")
