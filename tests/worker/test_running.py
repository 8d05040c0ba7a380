"""Tasks run: of both kinds, in every executor, fast beside slow, and whatever they do to their process."""

import json
import signal
import sqlite3
import time

import pytest

from celeriac.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from celeriac.protocol.message import Message
from tests.worker.conftest import wait_until

BASIC = """
import asyncio

@app.task
def add(a, b):
    return a + b

@app.task
def nap(seconds):
    time.sleep(seconds)
    return os.getpid()

@app.task
async def async_nap(seconds):
    await asyncio.sleep(seconds)
    return seconds

@app.task(bind=True)
def about(self):
    return {"pid": os.getpid(), "hostname": self.request.hostname, "queue": self.request.delivery_info["routing_key"]}
"""


@pytest.mark.parametrize("executor", ["processes", "threads", "solo"])
def test_def_and_async_tasks_run_side_by_side(project, executor: str) -> None:
    tasks = project(BASIC)
    tasks.worker(executor=executor, concurrency=2)
    results = [tasks.add.delay(number, 1) for number in range(50)]
    waits = [tasks.async_nap.delay(0.01) for _ in range(50)]
    assert [result.get(timeout=30) for result in results] == list(range(1, 51))
    assert [result.get(timeout=30) for result in waits] == [0.01] * 50


def test_coroutines_do_not_wait_for_each_other_nor_for_def_tasks(project) -> None:
    tasks = project(BASIC)
    tasks.worker(concurrency=1)
    blocker = tasks.nap.delay(5)
    began = time.monotonic()
    results = [tasks.async_nap.delay(0.5) for _ in range(60)]
    for result in results:
        result.get(timeout=30)
    assert not blocker.ready(), "60 naps of half a second took as long as the task beside them"
    assert time.monotonic() - began < 30


def test_a_coroutine_that_blocks_its_loop_does_not_strand_the_others(project) -> None:
    tasks = project(
        BASIC
        + """
@app.task
async def block():
    time.sleep(15)
"""
    )
    worker = tasks.worker(concurrency=2)
    blocking = tasks.block.delay()
    for result in [tasks.async_nap.delay(0.01) for _ in range(40)]:
        result.get(timeout=10)
    assert not blocking.ready()
    worker.send_signal(signal.SIGQUIT)


def test_the_request_says_where_it_runs(project) -> None:
    tasks = project(BASIC)
    worker = tasks.worker(hostname="tester@%h")
    about = tasks.about.delay().get(timeout=30)
    assert about["hostname"].startswith("tester@")
    assert about["pid"] in [process.pid for process in worker.descendants()]
    assert about["queue"] == "celery"


def test_a_worker_takes_only_from_its_queues(project) -> None:
    tasks = project(BASIC)
    tasks.worker(queues=["urgent"])
    ignored = tasks.add.delay(1, 1)
    assert tasks.add.apply_async((2, 2), queue="urgent").get(timeout=30) == 4
    assert not ignored.ready()
    assert tasks.app.broker.size("celery").ready == 1


def test_short_tasks_read_ahead_behind_a_long_one_run_elsewhere(project) -> None:
    tasks = project(BASIC)
    tasks.worker(concurrency=2)
    for result in [tasks.nap.delay(0) for _ in range(300)]:
        result.get(timeout=30)
    # The pace of ``nap`` is known as fast now, so some of these are read ahead behind the long one.
    long = tasks.nap.delay(20)
    short = [tasks.nap.delay(0) for _ in range(300)]
    for result in short:
        result.get(timeout=10)
    assert not long.ready()


def test_a_task_that_holds_the_interpreter_lock_in_c_delays_nobody(project) -> None:
    tasks = project(
        BASIC
        + """
import ctypes

@app.task(name="nap_or_hold")
def nap_or_hold(seconds):
    if seconds:
        note("held", os.getpid())
        ctypes.PyDLL(None).sleep(int(seconds))
"""
    )
    worker = tasks.worker(concurrency=2)
    for result in [tasks.nap_or_hold.delay(0) for _ in range(300)]:
        result.get(timeout=30)
    held = tasks.nap_or_hold.delay(12)
    short = [tasks.nap_or_hold.delay(0) for _ in range(300)]
    for result in short:
        result.get(timeout=10)
    assert not held.ready()
    worker.send_signal(signal.SIGQUIT)


def test_a_big_argument_and_a_big_result(project) -> None:
    tasks = project(
        """
@app.task
def double(text):
    return text * 2
"""
    )
    tasks.worker()
    assert tasks.double.delay("x" * 3_000_000).get(timeout=60) == "x" * 6_000_000


def test_the_soft_limit_is_raised_in_the_task_and_the_hard_one_ends_it(project) -> None:
    tasks = project(
        """
import asyncio
from celeriac.exceptions import SoftTimeLimitExceeded

@app.task(soft_time_limit=0.5)
def soft():
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        return "cleaned up"

@app.task(soft_time_limit=0.5)
async def async_soft():
    try:
        await asyncio.sleep(30)
    except SoftTimeLimitExceeded:
        return "cleaned up"

@app.task(soft_time_limit=0.3)
def uncaught():
    while True:
        time.sleep(0.01)

@app.task(time_limit=1)
def hard():
    note("hard", "ran")
    while True:
        try:
            time.sleep(30)
        except BaseException:
            pass

@app.task
def quick():
    return 1

@app.task
def nap(seconds):
    time.sleep(seconds)
"""
    )
    tasks.worker(concurrency=2)
    assert tasks.soft.delay().get(timeout=30) == "cleaned up"
    assert tasks.async_soft.delay().get(timeout=30) == "cleaned up"
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.uncaught.delay().get(timeout=30)
    with pytest.raises(TimeLimitExceeded):
        tasks.hard.delay().get(timeout=30)
    assert tasks.quick.delay().get(timeout=30) == 1
    assert tasks.lines("hard") == ["ran"], "a task that ran into its hard limit is not run again"
    with pytest.raises(TimeLimitExceeded):
        tasks.nap.apply_async((20,), time_limit=0.4).get(timeout=30)


def test_soft_limits_in_threads(project) -> None:
    tasks = project(
        """
@app.task(soft_time_limit=0.3)
def spin():
    while True:
        time.sleep(0.01)
"""
    )
    tasks.worker(executor="threads", concurrency=3)
    for result in [tasks.spin.delay() for _ in range(3)]:
        with pytest.raises(SoftTimeLimitExceeded):
            result.get(timeout=30)


def test_children_are_replaced_after_their_number_of_tasks(project) -> None:
    tasks = project(BASIC)
    tasks.worker(concurrency=1, max_tasks_per_child=5)
    pids = [tasks.nap.delay(0).get(timeout=30) for _ in range(23)]
    assert len(set(pids)) >= 5
    assert max(pids.count(pid) for pid in set(pids)) <= 5


def test_a_child_above_its_memory_ceiling_is_replaced_while_its_task_goes_on(project) -> None:
    tasks = project(
        """
hoard = []

@app.task
def leak(mebibytes):
    hoard.append(bytearray(os.urandom(1024)) * (mebibytes * 1024))
    time.sleep(3)
    return os.getpid()

@app.task
def who():
    return os.getpid()
"""
    )
    worker = tasks.worker(concurrency=1, max_memory_per_child=100 * 1024)
    first = tasks.leak.delay(110)
    wait_until(lambda: "above its ceiling" in worker.log, "the ceiling noticed during the task")
    assert not first.ready()
    pid = first.get(timeout=30)
    assert tasks.who.delay().get(timeout=30) != pid


def test_what_a_task_does_to_its_process_is_survived(project) -> None:
    tasks = project(
        """
import subprocess, threading

@app.task
def leave():
    sys.exit(3)

@app.task
def interrupt():
    raise KeyboardInterrupt

@app.task
def fork():
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return pid

@app.task
def fork_and_go_on():
    os.fork()
    return os.getpid()

@app.task
def shout():
    print("hello from a task")
    subprocess.run(["echo", "hello from a subprocess"])
    return threading.current_thread().name

@app.task
def recurse():
    recurse()

@app.task
def add(a, b):
    return a + b
"""
    )
    worker = tasks.worker(concurrency=1)
    with pytest.raises(SystemExit):
        tasks.leave.delay().get(timeout=30)
    with pytest.raises(KeyboardInterrupt):
        tasks.interrupt.delay().get(timeout=30)
    with pytest.raises(RecursionError):
        tasks.recurse.delay().get(timeout=30)
    assert tasks.shout.delay().get(timeout=30) == "MainThread"
    assert tasks.fork_and_go_on.delay().get(timeout=30) in [process.pid for process in worker.descendants()]
    grandchild = tasks.fork.delay().get(timeout=30)
    assert tasks.add.delay(1, 2).get(timeout=30) == 3
    assert "hello from a task" in worker.log
    assert worker.stop() == 0
    import os

    os.kill(grandchild, signal.SIGKILL)


def test_messages_nobody_can_read_are_kept_and_stop_nobody(project) -> None:
    tasks = project(BASIC)
    tasks.worker()
    broker = tasks.app.broker
    broken = [
        Message(id="1", queue="celery", headers={}, body=b"\xff\x00 no task"),
        Message(id="2", queue="celery", headers={"task": "no.such.task", "id": "2"}, body=b"[[], {}, {}]"),
        Message(id="3", queue="celery", headers={"task": 5, "id": ["x"]}, body=b"[[], {}, {}]"),
        Message(id="4", queue="celery", headers={"task": tasks.add.name, "id": "4"}, body=b"[1]"),
        Message(id="5", queue="celery", headers={"task": tasks.add.name, "id": "5", "celeriac-crashes": "x"}),
        Message(
            id="6",
            queue="celery",
            headers={"task": tasks.add.name, "id": "6"},
            content_type="application/x-python-serialize",
            content_encoding="binary",
            body=b"cos\nsystem\n(S'true'\ntR.",
        ),
        Message(id="7", queue="celery", headers={"task": tasks.add.name, "id": "7", "timelimit": "soon", "eta": 7}),
    ]
    broker.publish(broken)
    assert tasks.add.delay(1, 2).get(timeout=30) == 3
    wait_until(lambda: len(broker.dead_letters()) == len(broken), "all unreadable messages kept as dead letters")
    assert all(letter.reason for letter in broker.dead_letters())
    assert tasks.add.delay(3, 2).get(timeout=30) == 5


def test_delayed_tasks_run_when_they_are_due_and_expired_ones_never(project) -> None:
    tasks = project(BASIC)
    tasks.worker()
    later = tasks.add.apply_async((1, 1), countdown=1.5)
    expired = tasks.add.apply_async((1, 1), expires=-1)
    assert tasks.add.delay(2, 2).get(timeout=30) == 4
    assert later.state == "PENDING"
    assert later.get(timeout=30) == 2
    assert expired.state == "REVOKED"


def test_a_retried_task_comes_back_under_its_id(project) -> None:
    tasks = project(
        """
@app.task(bind=True, default_retry_delay=0.2, max_retries=3)
def flaky(self, fails):
    note("attempts", f"{self.request.id} {self.request.retries}")
    if self.request.retries < fails:
        raise self.retry(exc=ConnectionError("not yet"))
    return "done"
"""
    )
    tasks.worker()
    result = tasks.flaky.delay(2)
    assert result.get(timeout=30) == "done"
    assert tasks.lines("attempts") == [f"{result.id} {number}" for number in range(3)]
    failing = tasks.flaky.delay(9)
    with pytest.raises(ConnectionError):
        failing.get(timeout=30)


def test_the_started_state_is_seen_while_the_task_runs(project) -> None:
    tasks = project(
        """
@app.task(track_started=True)
def nap():
    time.sleep(2)
"""
    )
    tasks.worker()
    result = tasks.nap.delay()
    wait_until(lambda: result.state == "STARTED", "STARTED")
    assert result.get(timeout=30) is None
    assert result.state == "SUCCESS"


def test_log_lines_carry_the_task_s_name_and_id(project) -> None:
    tasks = project(
        BASIC
        + """
from celeriac.utils.log import get_task_logger
logger = get_task_logger(__name__)

@app.task
def speak():
    logger.warning("hello from inside")
    raise ValueError("wrong")
"""
    )
    worker = tasks.worker(log_json=True)
    result = tasks.speak.delay()
    with pytest.raises(ValueError, match="wrong"):
        result.get(timeout=30)
    lines = [json.loads(line) for line in worker.log.splitlines()]
    about = [line for line in lines if line.get("task_id") == result.id]
    assert {line["task_name"] for line in about} == {tasks.speak.name}
    assert [line["level"] for line in about] == ["INFO", "WARNING", "ERROR"]
    assert "hello from inside" in about[1]["message"]
    assert "ValueError: wrong" in about[2]["message"]


def test_an_app_imported_in_the_fork_server(project) -> None:
    tasks = project(BASIC + 'app.conf.worker_preload_app = True\nnote("imports", os.getpid())\n')
    tasks.worker(concurrency=2)
    assert tasks.add.delay(1, 2).get(timeout=30) == 3
    assert len(tasks.lines("imports")) == 3, "here, in the app process, in the fork server, but not in each child"


def test_an_app_that_leaves_a_thread_is_refused_by_name_when_it_is_to_be_preloaded(project) -> None:
    tasks = project(
        BASIC
        + """
import threading
app.conf.worker_preload_app = True
if "pytest" not in sys.modules:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""
    )
    with pytest.raises(AssertionError, match=tasks.name):
        tasks.worker()


def test_a_worker_recovers_when_its_store_has_been_locked_for_a_while(project) -> None:
    tasks = project(BASIC)
    worker = tasks.worker(concurrency=2)
    assert tasks.add.delay(1, 2).get(timeout=30) == 3
    results = [tasks.nap.delay(0.5) for _ in range(4)]
    lock = sqlite3.connect(tasks.directory / "queue.sqlite3", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    wait_until(lambda: "cannot be used" in worker.log, "the outage said")
    lock.execute("ROLLBACK")
    lock.close()
    for result in results:
        assert result.get(timeout=30)
    wait_until(lambda: "is back" in worker.log, "the return said")
    assert worker.log.count("cannot be used") == 1


def test_a_reload_replaces_the_code_and_finishes_what_runs(project) -> None:
    tasks = project(
        """
@app.task
def version():
    return 1

@app.task
def nap():
    time.sleep(2)
    return "slept"
"""
    )
    worker = tasks.worker(concurrency=2)
    assert tasks.version.delay().get(timeout=30) == 1
    running = tasks.nap.delay()
    path = tasks.directory / f"{tasks.name}.py"
    path.write_text(path.read_text().replace("return 1", "return 22"))
    worker.send_signal(signal.SIGHUP)
    wait_until(lambda: tasks.version.delay().get(timeout=30) == 22, "new code")
    assert running.get(timeout=30) == "slept"
