"""Shutdown: what runs is finished or given back, and nobody is left behind."""

import signal

import psutil

from tests.worker.conftest import wait_until

TASKS = """
@app.task
def nap(seconds):
    note("naps", "begins")
    time.sleep(seconds)
    note("naps", "ends")
    return "slept"
"""


def test_a_warm_shutdown_finishes_what_runs_and_gives_back_the_rest(project) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=1)
    running = tasks.nap.delay(2)
    wait_until(lambda: tasks.lines("naps"), "begun")
    waiting = [tasks.nap.delay(0) for _ in range(20)]
    family = worker.descendants()
    assert worker.stop(signal.SIGTERM) == 0
    assert running.get(timeout=5) == "slept"
    assert tasks.app.broker.size("celery").ready == len(waiting)
    assert not any(process.is_running() for process in family)
    assert tasks.app.broker.nodes() == [] or all(node.gone for node in tasks.app.broker.nodes())


def test_what_outlasts_the_warm_shutdown_is_given_back(project) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=1, shutdown_timeout=1)
    tasks.nap.delay(60)
    wait_until(lambda: tasks.lines("naps"), "begun")
    assert worker.stop(signal.SIGTERM) == 0
    size = tasks.app.broker.size("celery")
    assert (size.ready, size.in_flight) == (1, 0)


def test_a_second_signal_stops_at_once(project) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=1, shutdown_timeout=300)
    tasks.nap.delay(60)
    wait_until(lambda: tasks.lines("naps"), "begun")
    worker.send_signal(signal.SIGINT)
    wait_until(lambda: "warm shutdown" in worker.log, "warm shutdown")
    assert worker.process.poll() is None
    assert worker.stop(signal.SIGINT, patience=10) == 0
    assert tasks.app.broker.size("celery").ready == 1


def test_sigquit_is_a_cold_shutdown(project) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=2)
    tasks.nap.delay(60)
    wait_until(lambda: tasks.lines("naps"), "begun")
    family = worker.descendants()
    assert worker.stop(signal.SIGQUIT, patience=10) == 0
    assert tasks.app.broker.size("celery").ready == 1
    psutil.wait_procs(family, timeout=3)
    assert not any(process.is_running() for process in family)


def test_a_task_given_back_by_a_shutdown_is_not_counted_as_a_crash(project) -> None:
    tasks = project(TASKS)
    tasks.nap.delay(60)
    for attempt in range(1, 5):
        worker = tasks.worker(concurrency=1)
        wait_until(lambda attempt=attempt: len(tasks.lines("naps")) == attempt, "begun again")
        worker.stop(signal.SIGQUIT, patience=10)
    assert tasks.app.broker.dead_letters() == []
    assert tasks.app.broker.size("celery").ready == 1


def test_a_signal_to_every_process_of_the_service_is_still_a_warm_shutdown(project) -> None:
    tasks = project(TASKS)
    worker = tasks.worker(concurrency=1)
    running = tasks.nap.delay(2)
    wait_until(lambda: tasks.lines("naps"), "begun")
    for process in [*worker.descendants(), psutil.Process(worker.process.pid)]:
        process.terminate()
    assert worker.process.wait(30) == 0
    assert running.get(timeout=5) == "slept"
    assert tasks.lines("naps") == ["begins", "ends"]


def test_a_task_can_end_processes_of_its_own(project) -> None:
    tasks = project(
        """
import multiprocessing

@app.task
def use_a_process():
    helper = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    helper.start()
    helper.terminate()
    helper.join(10)
    return helper.exitcode
"""
    )
    tasks.worker(concurrency=1)
    assert tasks.use_a_process.delay().get(timeout=30) == -signal.SIGTERM
