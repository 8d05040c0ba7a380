"""Runs of schedule entries beside RabbitMQ, where a run may be published twice under one id: it runs once."""

import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from celeriac.beat.calls import message_of_run
from celeriac.schedule_entry import ScheduleEntry
from tests.redis.key_space import own_keys
from tests.servers.shared import amqp_url
from tests.worker.conftest import Project, Worker, wait_until

TASKS = """
app.conf.update(task_default_queue="{queue}", task_default_exchange="{queue}", worker_lease=2)

@app.task(bind=True)
def work(self, name):
    note("begun", f"{{name}} {{self.request.hostname}}")
    while not (HERE / name).exists() and not (HERE / "all").exists():
        time.sleep(0.01)
    time.sleep(0.05)
    note("ended", name)
    return name

@app.task(ignore_result=True)
def quiet(name):
    note("begun", name)

@app.task(acks_late=False, ignore_result=True)
def hasty(name):
    note("begun", name)

@app.task(bind=True, max_retries=1)
def again(self, name):
    note("begun", f"{{name}} {{self.request.retries}}")
    if not self.request.retries:
        raise self.retry(countdown=0)
    return name

@app.task(bind=True, acks_on_failure_or_timeout=False)
def fragile(self, name):
    note("begun", name)
    if not (HERE / name).exists():
        raise ValueError(name)
    return name
"""


class Desk:
    """An app on RabbitMQ and Redis, and who publishes runs of its tasks."""

    def __init__(self, made: Project) -> None:
        self.made = made
        self.queue = made.app.conf.task_default_queue
        self.ids: list[str] = []

    def publish(self, task: str, name: str, copies: int = 1, run_id: str = "") -> str:
        """Publish the messages of one run; return its id."""
        run_id = run_id or str(uuid.uuid4())
        entry = ScheduleEntry(name=name, task=f"{self.made.name}.{task}", schedule={"every": 60}, args=(name,))
        message = message_of_run(self.made.app, entry, run_id=run_id, due=time.time(), once=True)
        self.made.app.publisher.declare([message])
        self.made.app.publisher.send_now([message] * copies, {})
        self.ids.append(run_id)
        return run_id

    def open(self, name: str) -> None:
        """Let the run of this name end."""
        (self.made.directory / name).touch()

    def get(self, run_id: str) -> object:
        return self.made.app.AsyncResult(run_id).get(timeout=30)

    def begun(self, name: str) -> int:
        return sum(line.split()[0] == name for line in self.made.lines("begun"))

    def ended(self) -> Counter[str]:
        return Counter(self.made.lines("ended"))

    def await_idle(self, workers: list[Worker]) -> None:
        """Wait until nothing is left with the broker, by stopping those who may have something."""
        wait_until(lambda: not self.made.app.broker.size(self.queue).ready, "taken")
        for worker in workers:
            worker.stop()
        assert self.made.app.broker.size(self.queue).ready == 0


@pytest.fixture
def desk(project: Callable[..., Project]) -> Iterator[Desk]:
    with own_keys() as results:
        made = project(TASKS.format(queue=f"test-{uuid.uuid4()}"), broker=amqp_url(), backend=results)
        desk = Desk(made)
        yield desk
        for worker in made.workers:
            worker.destroy()
        made.app.broker.delete(desk.queue)
        made.app.broker.purge_dead_letters(desk.ids)


def two_nodes_with_a_run(desk: Desk) -> tuple[Worker, Worker, str]:
    """Start two nodes; the first runs a run, and the second has another message of it."""
    first = desk.made.worker(concurrency=1, hostname="first@here")
    run_id = desk.publish("work", "a")
    wait_until(lambda: desk.begun("a"), "begun")
    second = desk.made.worker(concurrency=1, hostname="second@here")
    desk.publish("work", "a", run_id=run_id)
    wait_until(lambda: f"[{run_id}] is another node's and waits." in second.log, "put off")
    return first, second, run_id


def test_a_run_that_is_published_twice_runs_once(desk):
    first, second, run_id = two_nodes_with_a_run(desk)
    desk.open("a")
    assert desk.get(run_id) == "a"
    wait_until(lambda: f"[{run_id}] has ended already and does not run." in second.log, "ended")
    desk.await_idle([first, second])
    assert (desk.begun("a"), desk.ended()) == (1, {"a": 1})


def test_when_the_node_that_runs_it_is_killed_another_one_runs_it_again_and_once(desk):
    first, second, run_id = two_nodes_with_a_run(desk)
    first.kill()
    wait_until(lambda: desk.begun("a") == 2, "begun again")
    desk.open("a")
    assert desk.get(run_id) == "a"
    wait_until(lambda: f"[{run_id}] has ended already and does not run." in second.log, "ended")
    desk.await_idle([second])
    assert (desk.begun("a"), desk.ended()) == (2, {"a": 1})


def test_a_node_that_shuts_down_lets_another_one_have_what_waits(desk):
    first, second, run_id = two_nodes_with_a_run(desk)
    second.stop()
    assert desk.made.app.broker.size(desk.queue).ready == 1
    desk.open("a")
    assert desk.get(run_id) == "a"
    wait_until(lambda: f"[{run_id}] has ended already and does not run." in first.log, "ended")
    desk.await_idle([first])
    assert desk.begun("a") == 1


def test_a_node_that_shuts_down_gives_back_another_message_of_what_it_runs_and_nobody_begins_it(desk):
    first = desk.made.worker(concurrency=2, hostname="first@here")
    run_id = desk.publish("work", "a", copies=2)
    wait_until(lambda: desk.begun("a") and not desk.made.app.broker.size(desk.queue).ready, "both taken")
    first.send_signal(signal.SIGTERM)
    wait_until(lambda: desk.made.app.broker.size(desk.queue).ready == 1, "given back")
    second = desk.made.worker(concurrency=1, hostname="second@here")
    waits = f"[{run_id}] is another node's and waits."
    wait_until(lambda: waits in second.log or desk.begun("a") == 2, "asked for")
    desk.open("a")
    assert desk.get(run_id) == "a"
    wait_until(lambda: f"[{run_id}] has ended already and does not run." in second.log, "ended")
    assert first.process.wait(30) == 0
    desk.await_idle([second])
    assert (desk.begun("a"), desk.ended()) == (1, {"a": 1})


def test_it_runs_once_also_without_a_result_when_acked_early_and_when_tried_again(desk):
    worker = desk.made.worker(concurrency=1)
    ids = [desk.publish(name, name, copies=3) for name in ("quiet", "hasty", "again")]
    for run_id in ids:
        wait_until(lambda run_id=run_id: worker.log.count(f"[{run_id}] has ended already") == 2, "ended")
    assert desk.get(ids[2]) == "again"
    desk.await_idle([worker])
    assert Counter(desk.made.lines("begun")) == {"quiet": 1, "hasty": 1, "again 0": 1, "again 1": 1}


def test_a_run_that_has_become_a_dead_letter_runs_when_a_person_wants_it_to(desk):
    worker = desk.made.worker(concurrency=1)
    run_id = desk.publish("fragile", "a", copies=2)
    broker = desk.made.app.broker
    wait_until(lambda: f"[{run_id}] has ended already" in worker.log and broker.find_dead_letters(run_id), "dead")
    assert desk.begun("a") == 1
    desk.open("a")
    assert broker.retry_dead_letters([run_id]) == 1
    wait_until(lambda: desk.begun("a") == 2, "run again")
    wait_until(lambda: desk.made.app.AsyncResult(run_id).state == "SUCCESS", "successful")


def test_of_many_runs_published_twice_each_ends_once_though_a_node_is_killed(desk):
    desk.open("all")
    workers = [desk.made.worker(hostname=f"node-{number}@here") for number in range(3)]
    names = [f"run-{number}" for number in range(60)]
    ids = {name: str(uuid.uuid4()) for name in names}
    copies = names * 2
    random.Random(7).shuffle(copies)
    for name in copies[:80]:
        desk.publish("work", name, run_id=ids[name])
    wait_until(lambda: len(desk.made.lines("ended")) > 5, "running")
    workers[0].kill()
    for name in copies[80:]:
        desk.publish("work", name, run_id=ids[name])
    for name in names:
        assert desk.get(ids[name]) == name
    wait_until(lambda: sum(worker.log.count("has ended already") for worker in workers) >= 60, "acked")
    desk.await_idle(workers[1:])
    ended = desk.ended()
    assert set(ended) == set(names)
    # Of what the killed node had, it may have ended two without the time to say so.
    killed = {line.split()[0] for line in desk.made.lines("begun") if line.endswith(workers[0].name)}
    doubled = {name for name, count in ended.items() if count > 1}
    assert doubled <= killed
    assert len(doubled) <= 2
    begun = Counter(line.split()[0] for line in desk.made.lines("begun"))
    assert {name for name, count in begun.items() if count > 1} <= killed
