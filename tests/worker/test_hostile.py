"""Tasks that harm the process they run in: each has a visible end, and the tasks after it run."""

import json
import signal

import pytest

from celeriac.exceptions import SoftTimeLimitExceeded, WorkerLostError
from celeriac.protocol.message import Message
from tests.worker.conftest import wait_until

TASKS = """
import asyncio
from celeriac.exceptions import Reject

@app.task
def fine(number=0):
    return number

@app.task
async def fine_async(number=0):
    return number

@app.task
def closes_everything():
    note("ran", os.getpid())
    os.closerange(3, 1000)

@app.task
def says_what_no_frame_can_carry():
    note("ran", os.getpid())
    raise Reject("\\ud800", requeue=False)

@app.task
async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(60)

@app.task
async def cancels_everything():
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(60)

@app.task
async def exits_in_a_task_of_its_own():
    async def leave():
        sys.exit(3)
    await asyncio.create_task(leave())

@app.task
async def stops_the_loop():
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.1)
    return "and goes on"

@app.task
async def waits_for_a_file(name):
    note("ran", "waits")
    while not (HERE / name).exists():
        await asyncio.sleep(0.02)

class Unspeakable(Exception):
    def __repr__(self):
        raise SystemExit(9)
    __str__ = __repr__

@app.task
def raises_the_unspeakable():
    raise Unspeakable

@app.task
async def raises_the_unspeakable_async():
    raise Unspeakable

@app.task
def ignores_signals():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

@app.task(soft_time_limit=0.3, time_limit=20)
def long():
    time.sleep(60)

@app.task
def dies_beside_others():
    os._exit(9)

@app.task
async def forks_and_awaits():
    copy = os.fork()
    await asyncio.sleep(0.5)
    os.waitpid(copy, 0)

@app.task
async def notes_each_step(number):
    note("ran", number)
    while not (HERE / "forked").exists():
        await asyncio.sleep(0)
    for step in range(20):
        note(f"steps-{number}", step)
        await asyncio.to_thread(time.sleep, 0.001)
        await asyncio.sleep(0)

@app.task
async def forks_beside_others():
    (HERE / "forked").touch()
    copy = os.fork()
    await asyncio.sleep(0)
    os.waitpid(copy, 0)
"""


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_a_task_that_closes_all_descriptors_is_not_run_for_ever(project, executor: str) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1, executor=executor)
    poison = tasks.closes_everything.delay()
    with pytest.raises(WorkerLostError):
        poison.get(timeout=30)
    assert len(tasks.lines("ran")) == 3
    assert [letter.id for letter in tasks.app.broker.dead_letters()] == [poison.id]
    assert tasks.fine.delay(7).get(timeout=30) == 7


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_an_end_that_no_frame_can_carry_is_a_dead_letter(project, executor: str) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1, executor=executor)
    rejected = tasks.says_what_no_frame_can_carry.delay()
    assert tasks.fine.delay(7).get(timeout=30) == 7
    assert [letter.id for letter in tasks.app.broker.dead_letters()] == [rejected.id]
    assert len(tasks.lines("ran")) == 1


@pytest.mark.parametrize("name", ["cancels_itself", "cancels_everything", "exits_in_a_task_of_its_own"])
def test_a_coroutine_that_ends_what_runs_it_is_a_failure_and_harms_no_other(project, name: str) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    failing = getattr(tasks, name).delay()
    failing.get(timeout=30, propagate=False)
    assert failing.state == "FAILURE"
    assert tasks.fine_async.delay(7).get(timeout=30) == 7


def test_a_coroutine_that_stops_the_event_loop_stops_nothing(project) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    assert tasks.stops_the_loop.delay().get(timeout=30) == "and goes on"


def test_the_copy_of_a_child_that_a_coroutine_has_forked_takes_no_work(project) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    forking = tasks.forks_and_awaits.delay()
    results = [tasks.fine_async.delay(number) for number in range(50)]
    assert [result.get(timeout=30) for result in results] == list(range(50))
    forking.get(timeout=30)


def test_the_copy_of_a_child_that_a_coroutine_has_forked_takes_no_step_of_others(project) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    others = [tasks.notes_each_step.delay(number) for number in range(10)]
    wait_until(lambda: len(tasks.lines("ran")) == 10, "all begun")
    forking = tasks.forks_beside_others.delay()
    for result in [*others, forking]:
        result.get(timeout=30)
    steps = [tasks.lines(f"steps-{number}") for number in range(10)]
    assert steps == [[str(step) for step in range(20)]] * 10


def test_a_task_that_has_to_run_alone_does_not_hold_up_the_others_while_a_coroutine_waits(project) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    waiting = tasks.waits_for_a_file.delay("go")
    wait_until(lambda: tasks.lines("ran"), "a coroutine that waits")
    poison = tasks.dies_beside_others.delay()
    with pytest.raises(WorkerLostError):
        poison.get(timeout=30)
    assert tasks.fine.delay(7).get(timeout=30) == 7
    assert not waiting.ready()
    (tasks.directory / "go").touch()
    waiting.get(timeout=30)


def test_a_log_handler_that_raises_changes_nothing_for_tasks(project) -> None:
    source = """
    import logging
    from celeriac import signals

    class Broken(logging.Handler):
        def emit(self, record):
            raise RuntimeError("no")

    @signals.worker_process_init.connect(weak=False)
    def add_handler(**_):
        logging.getLogger("celeriac.worker.execution").addHandler(Broken())

    @app.task
    def fine():
        return 1

    @app.task
    async def fine_async():
        return 2
    """
    tasks = project(source)
    tasks.worker(concurrency=1)
    assert tasks.fine.delay().get(timeout=30) == 1
    assert tasks.fine_async.delay().get(timeout=30) == 2


def test_a_coroutine_runs_also_where_its_message_s_head_does_not_name_it(project) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    body = {"task": tasks.fine_async.name, "id": "old", "args": [3], "kwargs": {}}
    message = Message(id="old", queue="celery", headers={}, body=json.dumps(body).encode())
    tasks.app.broker.publish([message])
    assert tasks.app.AsyncResult("old").get(timeout=30) == 3


@pytest.mark.parametrize("name", ["raises_the_unspeakable", "raises_the_unspeakable_async"])
@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_an_exception_whose_representation_exits_is_a_failure(project, executor: str, name: str) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1, executor=executor)
    failing = getattr(tasks, name).delay()
    wait_until(failing.ready, "ended")
    assert failing.state == "FAILURE"
    assert not list(tasks.app.broker.dead_letters())
    assert tasks.fine.delay(7).get(timeout=30) == 7


def test_the_soft_limit_works_after_a_task_that_ignores_its_signal(project) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    tasks.ignores_signals.delay().get(timeout=30)
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.long.delay().get(timeout=30)


def test_the_first_coroutine_that_comes_with_a_reload_runs(project) -> None:
    tasks = project("""
    @app.task
    def fine():
        return 1
    """)
    worker = tasks.worker(concurrency=1)
    file = tasks.directory / f"{tasks.name}.py"
    file.write_text(file.read_text() + "\n@app.task\nasync def fresh():\n    return os.getpid()\n")
    before = tasks.fine.delay().get(timeout=30)
    worker.send_signal(signal.SIGHUP)
    wait_until(lambda: "Reloading" in worker.log, "reloading")
    name = f"{tasks.name}.fresh"
    # Until the reload is through, the task is unknown.
    result = wait_until(lambda: _try_again(tasks.app.send_task(name)), "run")
    assert before == 1
    assert result


def _try_again(result) -> object:
    value = result.get(timeout=10, propagate=False)
    return value if result.state == "SUCCESS" else None
