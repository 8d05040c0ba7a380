"""What was published is run in the test's process, from its bytes to its settlement."""

import asyncio
from typing import Any

import pytest

from celeriac import Celeriac, signals
from celeriac.exceptions import Ignore, NotRegistered, Reject, ResultsDisabled
from celeriac.testing import TaskNotRunError, TaskRecorder


def states(runs: list[Any]) -> list[tuple[str, str]]:
    return [(run.task.rpartition(".")[2], run.state) for run in runs]


def test_nothing_runs_before_it_is_told_to(app: Celeriac, tasks: TaskRecorder) -> None:
    ran = []

    @app.task
    def note(value):
        ran.append(value)
        return {"got": value}

    result = note.delay((1, 2))
    assert ran == []
    assert result.state == "PENDING"
    [run] = tasks.run()
    assert ran == [[1, 2]]
    assert (run.task, run.id, run.args, run.state, run.value) == (
        "letters.note",
        result.id,
        [[1, 2]],
        "SUCCESS",
        {"got": [1, 2]},
    )
    assert result.get() == {"got": [1, 2]}
    assert tasks.run() == []


def test_waiting_for_what_nobody_has_run_is_an_error_at_once(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def note(): ...

    result = note.delay()
    with pytest.raises(TaskNotRunError, match="in a test nobody runs tasks but the test itself: call run"):
        result.get()
    with pytest.raises(TimeoutError):
        result.get(timeout=1000)
    with pytest.raises(TaskNotRunError):
        asyncio.run(result.aget())
    assert tasks.run()
    assert result.get() is None


def test_results_that_the_settings_switch_off_are_off(app: Celeriac, tasks: TaskRecorder) -> None:
    app.conf.result_backend = "disabled"

    @app.task
    def one():
        return 1

    result = one.delay()
    assert tasks.run()[0].value == 1
    with pytest.raises(ResultsDisabled):
        result.get()


def test_a_task_that_fails_fails_the_test_with_its_own_error(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def divide(by):
        return 1 / by

    result = divide.delay(0)
    later = divide.delay(1)
    with pytest.raises(ZeroDivisionError) as caught:
        tasks.run()
    assert caught.value.__notes__ == ["Raised by the task letters.divide(0), which this test ran."]
    assert caught.traceback[-1].name == "divide"
    assert result.state == "FAILURE"
    assert later.state == "PENDING"
    assert states(tasks.run()) == [("divide", "SUCCESS")]


def test_a_failure_that_is_expected_is_looked_at(app: Celeriac, tasks: TaskRecorder) -> None:
    cleaned = []

    @app.task
    def fail():
        raise ValueError("no")

    @app.task
    def clean(task_id):
        cleaned.append(task_id)

    result = fail.apply_async(link_error=clean.s())
    runs = tasks.run(raises=False)
    assert states(runs) == [("fail", "FAILURE"), ("clean", "SUCCESS")]
    assert str(runs[0].exception) == "no"
    assert cleaned == [result.id]
    with pytest.raises(ValueError, match="no"):
        result.get()


def test_what_follows_a_task_is_run_and_recorded(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def add(a, b):
        return a + b

    @app.task
    def double(a):
        add.delay(a, a)

    add.apply_async((1, 2), link=double.s())
    assert states(tasks.run()) == [("add", "SUCCESS"), ("double", "SUCCESS"), ("add", "SUCCESS")]
    tasks.assert_enqueued(add, [3, 3])
    assert tasks.published[2].parent_id == tasks.published[1].id
    assert len(tasks.published) == 3


def test_a_retry_runs_when_its_time_has_come_and_is_no_second_task(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task(bind=True, max_retries=5)
    def fetch(self):
        if self.request.retries < 2:
            raise self.retry(countdown=60)
        return self.request.retries

    result = fetch.delay()
    assert states(tasks.run()) == [("fetch", "RETRY")]
    tasks.advance(59)
    assert tasks.run() == []
    tasks.advance(2)
    assert states(tasks.run()) == [("fetch", "RETRY")]
    tasks.advance("1m")
    [run] = tasks.run()
    assert (run.state, run.retries) == ("SUCCESS", 2)
    assert result.get() == 2
    tasks.assert_enqueued(fetch, times=1)


def test_coroutines_are_run_too(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    async def add(a, b):
        await asyncio.sleep(0)
        return a + b

    result = add.delay(1, 2)
    tasks.run()
    assert result.get() == 3


def test_a_test_that_is_a_coroutine_runs_tasks_of_both_kinds(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    async def add(a, b):
        return a + b

    @app.task
    def multiply(a, b):
        return a * b

    async def test() -> tuple[int, int]:
        first, second = await add.adelay(2, 3), await multiply.adelay(2, 3)
        await tasks.arun()
        return await first, await second

    assert asyncio.run(test()) == (5, 6)


def test_tasks_can_ignore_and_reject(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def ignore():
        raise Ignore

    @app.task
    def reject():
        raise Reject("odd", requeue=False)

    ignore.delay()
    reject.delay()
    assert states(tasks.run()) == [("ignore", "IGNORED"), ("reject", "REJECTED")]
    assert [letter.task for letter in app.broker.dead_letters()] == ["letters.reject"]


def test_a_message_that_a_worker_could_not_run_fails_the_test(app: Celeriac, tasks: TaskRecorder) -> None:
    app.send_task("nobody.knows")
    with pytest.raises(NotRegistered, match=r"no task 'nobody\.knows' in this app"):
        tasks.run()


def test_task_modules_are_imported_as_a_worker_does(app: Celeriac, tasks: TaskRecorder, tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_letters.py").write_text(
        "from celeriac import shared_task\n@shared_task(name='late')\ndef late():\n    return 'here'\n"
    )
    app.conf.include = ["late_letters"]
    result = app.send_task("late")
    tasks.run()
    assert result.get() == "here"


def test_priorities_and_order_are_the_brokers(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def note(value): ...

    note.delay(1)
    note.apply_async((2,), priority=9)
    note.delay(3)
    assert [run.args for run in tasks.run()] == [[2], [1], [3]]


def test_a_task_that_publishes_itself_for_ever_is_stopped(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def again():
        again.delay()

    again.delay()
    with pytest.raises(AssertionError, match=r"After 50 runs .* the last was letters\.again: does it publish itself"):
        tasks.run(limit=50)


def test_signals_and_handlers_see_a_worker(app: Celeriac, tasks: TaskRecorder) -> None:
    seen = []

    class Telling(app.task_cls):  # type: ignore[name-defined]
        def on_success(self, retval, task_id, args, kwargs):
            seen.append(("on_success", retval, self.request.is_eager))

    @app.task(base=Telling)
    def one():
        return 1

    def before(*, task, **_):
        seen.append(("prerun", task.name))

    signals.task_prerun.connect(before)
    try:
        one.delay()
        tasks.run()
    finally:
        signals.task_prerun.disconnect(before)
    assert seen == [("prerun", "letters.one"), ("on_success", 1, False)]


def test_a_task_still_must_not_wait_for_another(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def one():
        return 1

    @app.task
    def wait():
        return one.delay().get()

    wait.delay()
    with pytest.raises(RuntimeError, match="task"):
        tasks.run()


def test_what_waits_can_be_dropped(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def note(): ...

    note.delay()
    tasks.clear()
    assert tasks.published == []
    assert tasks.run() == []
