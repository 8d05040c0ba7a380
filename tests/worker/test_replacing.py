"""Runs that later runs take the place of (``overlap="replace"``): they are stopped wherever they are."""

import os
import signal
import uuid
from collections.abc import Callable, Iterator

import pytest

from celeriac.beat.beat import Beat
from celeriac.beat.by_hand import run_by_hand
from celeriac.exceptions import TaskRevokedError
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import schedule
from tests.redis.key_space import own_keys
from tests.servers.shared import amqp_url
from tests.worker.conftest import Project, Worker, wait_until

TASKS = """
import asyncio
from celeriac.signals import task_revoked
app.conf.update(task_default_queue="{queue}", task_default_exchange="{queue}", worker_lease=2)
app.conf.worker_async_concurrency = 2

@task_revoked.connect
def tell(request, terminated, signum, expired, **_):
    note("revoked", f"{{request.id}} {{terminated}} {{signum}} {{expired}}")

def work_until_let_go(run_id):
    note("begun", run_id)
    while not (HERE / run_id).exists():
        time.sleep(0.01)
    note("ended", run_id)

@app.task(bind=True)
def work(self):
    work_until_let_go(self.request.id)

@app.task(bind=True, acks_late=False)
def work_acked_early(self):
    work_until_let_go(self.request.id)

@app.task(bind=True)
async def wait(self):
    note("begun", self.request.id)
    try:
        while not (HERE / self.request.id).exists():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        note("cancelled", self.request.id)
        raise
    note("ended", self.request.id)

@app.task(bind=True)
async def stubborn(self):
    note("begun", self.request.id)
    while not (HERE / self.request.id).exists():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            note("cancelled", self.request.id)
    note("ended", self.request.id)

@app.task(time_limit=0.5)
def hang():
    time.sleep(60)

@app.task(bind=True, max_retries=None)
def again(self):
    note("begun", self.request.id)
    raise self.retry(countdown=2 if self.request.retries else 0)
"""


class Desk:
    """An app, its timetable, and a scheduler that looks when it is told to."""

    def __init__(self, made: Project) -> None:
        self.made = made
        self.timetable = made.app.timetable()
        self.beat = Beat(made.app, self.timetable, name="beat")

    def enter(self, task: str) -> None:
        """Have an entry for a task."""
        plain = schedule(3600).to_dict()
        task = f"{self.made.name}.{task}"
        self.timetable.save(ScheduleEntry(name="report", task=task, schedule=plain, overlap="replace"), None)

    def run(self) -> str:
        """Let the entry be due; return the id of the run that is published for it."""
        self.timetable.resume("report", self.timetable.now() - 0.1)
        before = len(self.timetable.history("report"))

        def is_published() -> bool:
            self.beat.turn()
            return len(self.timetable.history("report")) > before

        wait_until(is_published, "published")
        return self.timetable.history("report", 1)[0].id

    def open(self, run_id: str) -> None:
        (self.made.directory / run_id).touch()

    def await_begun(self, run_id: str) -> None:
        wait_until(lambda: run_id in self.made.lines("begun"), "begun")

    def state(self, run_id: str) -> str:
        return self.made.app.AsyncResult(run_id).state

    def await_success(self, run_id: str) -> None:
        self.open(run_id)
        wait_until(lambda: self.state(run_id) == "SUCCESS", "successful")

    def revoked(self, run_id: str) -> str:
        """Wait until a run is told to be revoked; return what is told."""
        line = wait_until(lambda: [each for each in self.made.lines("revoked") if each.startswith(run_id)], "revoked")
        assert self.state(run_id) == "REVOKED"
        return line[0].partition(" ")[2]


@pytest.fixture(params=["sqlite", "redis", "rabbitmq"])
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def desk(project: Callable[..., Project], engine: str) -> Iterator[Desk]:
    queue = f"test-{uuid.uuid4()}"
    with own_keys() as url:
        urls = {"sqlite": {}, "redis": {"broker": url}, "rabbitmq": {"broker": amqp_url(), "backend": url}}[engine]
        made = project(TASKS.format(queue=queue), **urls)
        desk = Desk(made)
        yield desk
        for worker in made.workers:
            worker.destroy()
        desk.timetable.close()
        made.app.broker.delete(queue)


def test_a_def_task_is_killed_and_the_later_run_begins(desk):
    desk.enter("work")
    desk.made.worker(concurrency=1)
    first = desk.run()
    desk.await_begun(first)
    second = desk.run()
    assert desk.revoked(first) == f"True {signal.SIGKILL:d} False"
    desk.await_success(second)
    assert desk.made.lines("ended") == [second]
    with pytest.raises(TaskRevokedError, match=f"replaced by run {second}"):
        desk.made.app.AsyncResult(first).get(timeout=5)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_so_is_one_whose_message_was_acked_before_it_began(desk):
    desk.enter("work_acked_early")
    desk.made.worker(concurrency=1)
    first = desk.run()
    desk.await_begun(first)
    second = desk.run()
    assert desk.revoked(first) == f"True {signal.SIGKILL:d} False"
    desk.await_success(second)


@pytest.mark.parametrize("engine", ["redis"])
def test_a_coroutine_is_cancelled_and_those_beside_it_go_on(desk):
    desk.enter("wait")
    desk.made.worker(concurrency=1)
    # With the first run there is no slot left.
    other = desk.made.wait.delay()
    desk.await_begun(other.id)
    first = desk.run()
    desk.await_begun(first)
    second = desk.run()
    assert desk.revoked(first) == "True None False"
    desk.await_success(second)
    desk.await_success(other.id)
    assert desk.made.lines("cancelled") == [first]
    assert sorted(desk.made.lines("begun")) == sorted([first, second, other.id])


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_coroutine_whose_child_is_killed_for_another_task_while_it_is_cancelled_does_not_begin_again(desk):
    desk.enter("stubborn")
    desk.made.worker(concurrency=1)
    first = desk.run()
    desk.await_begun(first)
    second = desk.run()
    wait_until(lambda: desk.made.lines("cancelled") == [first], "cancelled")
    desk.made.hang.delay()
    assert desk.revoked(first) == f"True {signal.SIGKILL:d} False"
    desk.await_success(second)
    assert desk.made.lines("begun").count(first) == 1


@pytest.mark.parametrize("engine", ["sqlite", "rabbitmq"])
def test_a_run_that_has_not_begun_does_not(desk):
    desk.enter("work")
    first, second = desk.run(), desk.run()
    desk.made.worker(concurrency=1)
    assert desk.revoked(first) == "False None False"
    desk.await_success(second)
    assert desk.made.lines("begun") == [second]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_run_that_has_ended_stays_as_it_is(desk):
    desk.enter("work")
    desk.made.worker(concurrency=1)
    first = desk.run()
    desk.await_success(first)
    second = desk.run()
    desk.await_success(second)
    assert desk.state(first) == "SUCCESS"
    assert desk.made.lines("revoked") == []


@pytest.mark.parametrize("engine", ["sqlite", "rabbitmq"])
def test_when_its_node_dies_it_does_not_run_elsewhere(desk):
    desk.enter("work")
    one = desk.made.worker(concurrency=1)
    first = desk.run()
    desk.await_begun(first)
    one.send_signal(signal.SIGSTOP)
    second = desk.run()
    one.kill()
    desk.made.worker(concurrency=1)
    # The only slot is the second one's until then.
    desk.await_success(second)
    desk.revoked(first)
    assert desk.made.lines("begun") == [first, second]


@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_a_node_that_was_stopped_ends_it_when_it_wakes_and_its_result_is_refused(desk):
    desk.enter("work")
    worker = desk.made.worker(concurrency=1)
    first = desk.run()
    desk.await_begun(first)
    worker.send_signal(signal.SIGSTOP)
    second = desk.run()
    desk.open(first)
    wait_until(lambda: desk.made.lines("ended") == [first], "ended though it was replaced")
    worker.send_signal(signal.SIGCONT)
    desk.await_success(second)
    worker.stop()
    assert desk.state(first) == "REVOKED"


@pytest.mark.parametrize("engine", ["redis"])
def test_what_is_tried_again_and_again_is_stopped_between_two_attempts_too(desk):
    desk.enter("again")
    worker: Worker = desk.made.worker(concurrency=1)
    first = desk.run()
    wait_until(lambda: desk.made.lines("begun").count(first) == 2, "tried again")
    second = run_by_hand(desk.made.app, desk.timetable, "report")
    assert desk.revoked(first) == "False None False"
    desk.await_begun(second)
    assert desk.made.lines("begun").count(first) == 2
    assert worker.process.poll() is None
    os.kill(worker.process.pid, signal.SIGTERM)
