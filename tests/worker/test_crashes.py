"""Processes die at any moment, and nothing is lost, nor blamed on the innocent."""

import contextlib
import os
import random
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from celeriac.exceptions import WorkerLostError
from tests.servers.redis_server import RedisServer
from tests.worker.conftest import wait_until

TASKS = """
@app.task
def mark(number, seconds=0):
    time.sleep(seconds)
    note("marks", number)
    return os.getpid()

@app.task
def die(how="kill"):
    note("died", os.getpid())
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        os._exit(7)
    import ctypes
    ctypes.string_at(0)

@app.task(acks_late=False)
def early(seconds):
    note("early", "began")
    time.sleep(seconds)

@app.task(reject_on_worker_lost=False)
def not_again():
    note("not_again", "began")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def children_of(worker) -> list[psutil.Process]:
    """Return the task children of a worker."""
    return [process for process in worker.descendants() if process.name().startswith("child-")]


@pytest.mark.parametrize("how", ["kill", "exit", "segfault"])
def test_a_task_that_kills_its_process_becomes_a_dead_letter_after_three_times(project, how: str) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=2)
    others = [tasks.mark.delay(number) for number in range(50)]
    poison = tasks.die.delay(how)
    with pytest.raises(WorkerLostError):
        poison.get(timeout=30)
    for other in others:
        other.get(timeout=30)
    assert len(tasks.lines("died")) == 3
    assert [letter.id for letter in tasks.app.broker.dead_letters()] == [poison.id]
    assert sorted(map(int, tasks.lines("marks"))) == list(range(50))
    assert tasks.mark.delay(99).get(timeout=30)


def test_a_killed_child_s_task_runs_again_at_once(project) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=2)
    result = tasks.mark.delay(1, 2)
    wait_until(lambda: children_of(worker), "children")
    time.sleep(0.5)
    for child in children_of(worker):
        child.kill()
    began = time.monotonic()
    result.get(timeout=30)
    assert time.monotonic() - began < 10
    assert tasks.lines("marks") == ["1"]


def test_of_several_tasks_in_a_dying_process_the_innocent_survive(project) -> None:
    tasks = project(TASKS)
    tasks.worker(executor="threads", concurrency=4)
    innocent = [tasks.mark.delay(number, 1.0) for number in range(3)]
    poison = tasks.die.delay()
    for result in innocent:
        result.get(timeout=60)
    with pytest.raises(WorkerLostError):
        poison.get(timeout=60)
    assert [letter.id for letter in tasks.app.broker.dead_letters()] == [poison.id]


def test_a_killed_node_s_tasks_run_on_another_node_and_never_beside_an_orphan(project) -> None:
    tasks = project(
        """
@app.task
def slow(number):
    note("log", f"{number} begins {time.time()} {os.getpid()}")
    while not (HERE / "may-end").exists():
        time.sleep(0.05)
        note(f"alive-{os.getpid()}", time.time())
    note("log", f"{number} ends")
"""
    )
    first = tasks.worker(concurrency=2)
    results = [tasks.slow.delay(number) for number in range(2)]
    wait_until(lambda: len(tasks.lines("log")) == 2, "both running")
    orphans = {line.split()[-1] for line in tasks.lines("log")}
    tasks.worker(concurrency=2)
    first.kill()
    wait_until(lambda: len(tasks.lines("log")) == 4, "both running again")
    (tasks.directory / "may-end").touch()
    for result in results:
        result.get(timeout=40)
    again = [line.split() for line in tasks.lines("log") if "begins" in line][2:]
    last_breath = max(float(tasks.lines(f"alive-{pid}")[-1]) for pid in orphans)
    assert len(again) == 2
    assert all(float(line[2]) > last_breath for line in again)


def is_alive(process: psutil.Process) -> bool:
    """Say whether it runs; a dead one that nobody has reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_large_messages_come_through_the_death_of_the_child_and_of_the_node_that_hold_them(
    project, engine: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        urls = {}
        if engine == "redis":
            server = stack.enter_context(RedisServer(tmp_path / "redis"))
            urls = {"broker": server.url, "backend": server.url}
        tasks = project(
            """
@app.task
def echo(number, text):
    note("begun", number)
    while not (HERE / "may-end").exists():
        time.sleep(0.05)
    return text
""",
            **urls,
        )
        texts = [f'{number} ünd "so"'.ljust(200_000, "x") for number in range(20)]
        results = [tasks.echo.delay(number, text) for number, text in enumerate(texts)]
        options = {"concurrency": 3, "settings": {"worker_lease": 3.0}}
        first = tasks.worker(**options)
        wait_until(lambda: len(tasks.lines("begun")) == 3, "three running")
        for child in children_of(first):
            child.kill()
        wait_until(lambda: len(tasks.lines("begun")) == 6, "three running again")
        first.kill()
        (tasks.directory / "may-end").touch()
        tasks.worker(**options)
        assert [result.get(timeout=60) for result in results] == texts
        wait_until(lambda: tasks.app.broker.size("celery").in_flight == 0, "all settled")


def test_children_die_with_their_node_even_while_c_code_holds_their_interpreter_lock(project) -> None:
    tasks = project(
        """
import ctypes
@app.task
def hold():
    note("held", os.getpid())
    ctypes.PyDLL(None).sleep(60)
"""
    )
    worker = tasks.worker(concurrency=1)
    tasks.hold.delay()
    wait_until(lambda: tasks.lines("held"), "held")
    family = worker.descendants()
    worker.kill()
    wait_until(lambda: not any(is_alive(process) for process in family), "all dead", patience=5)


@pytest.mark.parametrize("victim", ["celeriac-app", "fork-server"])
def test_the_node_survives_its_other_processes(project, victim: str) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=2)
    family = worker.descendants()
    running = tasks.mark.delay(1, 2)
    known = {"celeriac-app"} | {f"child-{number}" for number in range(10)}
    chosen = [
        process
        for process in family
        if (process.name() == victim if victim == "celeriac-app" else process.name() not in known)
    ]
    assert chosen, [process.name() for process in family]
    for process in chosen:
        process.kill()
    assert tasks.mark.delay(2).get(timeout=30)
    assert running.get(timeout=30)
    for child in children_of(worker):
        child.kill()
    assert tasks.mark.delay(3).get(timeout=30)
    assert tasks.lines("marks") == ["2", "1", "3"]


def test_a_task_acked_before_it_began_fails_with_its_process_and_is_not_run_again(project) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=1)
    result = tasks.early.delay(30)
    wait_until(lambda: tasks.lines("early"), "begun")
    for child in children_of(worker):
        child.kill()
    with pytest.raises(WorkerLostError):
        result.get(timeout=30)
    assert tasks.lines("early") == ["began"]
    assert tasks.app.broker.size("celery").in_flight == 0


def test_reject_on_worker_lost_false_is_a_failure_at_once(project) -> None:
    tasks = project(TASKS)
    tasks.worker(concurrency=1)
    with pytest.raises(WorkerLostError):
        tasks.not_again.delay().get(timeout=30)
    assert tasks.lines("not_again") == ["began"]


def test_the_late_result_of_a_node_that_was_stopped_is_refused(project) -> None:
    tasks = project(
        """
@app.task
def who():
    note("runs", os.getpid())
    time.sleep(1)
    return os.getpid()
"""
    )
    settings = {"settings": {"worker_lease": 3.0}}
    first = tasks.worker(concurrency=1, **settings)
    result = tasks.who.delay()
    wait_until(lambda: tasks.lines("runs"), "running on the first node")
    frozen = [psutil.Process(first.process.pid), *first.descendants()]
    for process in frozen:
        process.suspend()
    tasks.worker(concurrency=1, **settings)
    second_pid = result.get(timeout=30)
    for process in frozen:
        process.resume()
    wait_until(lambda: "Refused" in first.log or "lease had ended" in first.log, "the first node told")
    wait_until(lambda: tasks.app.broker.size("celery").in_flight == 0, "nothing in flight")
    assert len(tasks.lines("runs")) == 2
    assert result.get() == second_pid


@pytest.mark.timeout(300)
def test_random_kills_lose_nothing(project) -> None:
    kill_at_random(project(TASKS), rounds=40)


@pytest.mark.soak
def test_many_random_kills_lose_nothing(project) -> None:
    kill_at_random(project(TASKS), rounds=int(os.environ.get("CELERIAC_KILL_ROUNDS", "1000")))


def kill_at_random(tasks, *, rounds: int) -> None:
    """Kill children, the app process, the fork server and nodes at random, again and again; nothing may be lost."""
    seed = int(os.environ.get("CELERIAC_KILL_SEED", time.time()))
    chance = random.Random(seed)
    workers = [tasks.worker(concurrency=2), tasks.worker(concurrency=2)]
    sent = 0
    for _ in range(rounds):
        tasks.app.broker.publish([])
        for _ in range(10):
            tasks.mark.delay(sent, chance.choice([0, 0, 0.01, 0.05]))
            sent += 1
        time.sleep(chance.random() * 0.2)
        if chance.random() < 0.15:
            victim = chance.randrange(len(workers))
            workers[victim].kill()
            workers[victim] = tasks.worker(concurrency=2)
        else:
            family = chance.choice(workers).descendants()
            if family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    chance.choice(family).kill()
    expected = set(range(sent))
    dead = {letter.id for letter in tasks.app.broker.dead_letters(limit=1000)}
    wait_until(
        lambda: len(expected - set(map(int, tasks.lines("marks")))) <= len(dead),
        f"every task's effect (seed {seed})",
        patience=60,
    )
    wait_until(
        lambda: (size := tasks.app.broker.size("celery")).in_flight == size.ready == 0,
        f"nothing stuck (seed {seed})",
        patience=30,
    )
