"""The backend for Django's task framework: a site's tasks, enqueued here and run by a real worker."""

import asyncio
import importlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import django
import pytest

from celeriac.django.task_priorities import priority_of, step_of
from tests.django.postoffice import run_in_site
from tests.django.task_site import FRAMEWORK, Site, require_framework, wait_until

require_framework()

from django.test import override_settings  # noqa: E402 - Django is there, but maybe not its task framework

from celeriac import local  # noqa: E402 - the same
from celeriac.app import shared  # noqa: E402 - the same
from celeriac.backends.base import StoredResult  # noqa: E402 - the same
from celeriac.django.site_app import make_site_app  # noqa: E402 - the same
from celeriac.exceptions import TimeLimitExceeded, WorkerLostError  # noqa: E402 - the same
from celeriac.protocol.result_document import ResultDocument, encode_document  # noqa: E402 - the same

framework = importlib.import_module(FRAMEWORK)
errors = importlib.import_module(f"{FRAMEWORK}.exceptions")
Status = framework.TaskResultStatus


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def tasks(site: Site) -> Iterator[ModuleType]:
    """The site's tasks, in this process, with the site's app and TASKS."""
    sys.path.insert(0, str(site.folder))
    os.environ["FOLDER"] = str(site.folder)
    settings: Any = importlib.import_module("garden.settings")
    previous, finalizers = local._apps.current, list(shared._finalizers)
    app = make_site_app()
    app.conf.update(settings.CELERIAC)
    local.set_current_app(app)
    with override_settings(TASKS=settings.TASKS):
        yield importlib.import_module("flowers.tasks")
    app.close()
    local.set_current_app(previous)
    shared._finalizers[:] = finalizers
    sys.path.remove(str(site.folder))
    for module in ("garden.settings", "garden", "flowers.tasks", "flowers"):
        sys.modules.pop(module, None)
    del os.environ["FOLDER"]


#: What is enqueued before there is a worker, in this order.
PRIORITIES = {"low": -100, "usual": 0, "high": 100, "higher than usual": 1, "lower than usual": -1}


@pytest.fixture(scope="module")
def waiting(tasks: ModuleType) -> dict[str, Any]:
    """Results of calls that were enqueued before there was a worker."""
    results = {name: tasks.water.using(priority=priority).enqueue(name) for name, priority in PRIORITIES.items()}
    # Read while nobody can have run them.
    for result in results.values():
        result.refresh()
    return results


@pytest.fixture(scope="module")
def worker(site: Site, waiting: dict[str, Any]) -> Iterator[Any]:
    worker = site.start_worker()
    yield worker
    worker.stop()
    print(worker.log)


def finished(result: Any) -> Any:
    """Return a result when its task has ended."""

    def is_finished() -> bool:
        result.refresh()
        return result.is_finished

    wait_until(is_finished, f"finished: {result}")
    return result


def test_an_id_is_known_and_ready_before_there_is_a_worker(tasks: ModuleType, waiting: dict[str, Any]) -> None:
    result = waiting["high"]
    assert (result.status, result.attempts, result.errors) == (Status.READY, 0, [])
    assert abs((datetime.now(UTC) - result.enqueued_at).total_seconds()) < 60
    assert result.started_at is result.finished_at is result.last_attempted_at is None
    assert (result.args, result.kwargs, result.backend) == (["high"], {}, "default")
    assert (result.task.priority, result.task.func) == (100, tasks.water.func)
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value


def test_tasks_run_by_their_priority(site: Site, waiting: dict[str, Any], worker: Any) -> None:
    for result in waiting.values():
        finished(result)
    assert site.lines("watered")[:5] == ["high", "higher than usual", "usual", "lower than usual", "low"]


def test_a_task_is_running_then_successful_and_its_value_is_what_json_makes_of_it(
    site: Site, tasks: ModuleType, worker: Any
) -> None:
    held = tasks.hold.enqueue("gate")
    wait_until(lambda: "gate" in site.lines("held"), "held")
    held.refresh()
    assert held.status == Status.RUNNING
    assert held.started_at == held.last_attempted_at
    assert held.enqueued_at <= held.started_at <= datetime.now(UTC)
    assert held.attempts == 1
    assert held.finished_at is None
    site.release("gate")
    assert finished(held).return_value == "done"
    assert held.finished_at >= held.started_at

    result = finished(tasks.water.enqueue("rose", litres=2))
    assert (result.status, result.errors) == (Status.SUCCESSFUL, [])
    assert result.return_value == {"plant": "rose", "litres": [2, 2]}
    assert result.kwargs == {"litres": 2}


def test_a_failed_task_tells_its_error(tasks: ModuleType, worker: Any) -> None:
    result = finished(tasks.wither.enqueue())
    assert (result.status, result.attempts) == (Status.FAILED, 1)
    [error] = result.errors
    assert error.exception_class is ValueError
    assert "no water" in error.traceback
    assert "in wither" in error.traceback
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


def test_a_value_that_json_has_not_fails_the_task(tasks: ModuleType, worker: Any) -> None:
    [error] = finished(tasks.odd.enqueue()).errors
    assert error.exception_class is TypeError


def test_each_attempt_and_its_error_is_kept(tasks: ModuleType, worker: Any) -> None:
    result = finished(tasks.flaky.enqueue("flaky"))
    assert (result.status, result.return_value, result.attempts) == (Status.SUCCESSFUL, 3, 3)
    assert [error.exception_class for error in result.errors] == [ConnectionError, ConnectionError]
    assert ["try 1" in result.errors[0].traceback, "try 2" in result.errors[1].traceback] == [True, True]
    assert len(set(result.worker_ids)) == 1
    assert result.started_at < result.last_attempted_at


def test_a_killed_process_is_one_attempt_and_the_record_goes_on(tasks: ModuleType, worker: Any) -> None:
    result = finished(tasks.deadly.enqueue("deadly"))
    assert (result.status, result.return_value, result.attempts) == (Status.SUCCESSFUL, "survived", 2)
    assert len(set(result.worker_ids)) == 2
    [error] = result.errors
    assert error.exception_class is WorkerLostError
    assert result.worker_ids[0] in error.traceback
    assert result.enqueued_at < result.started_at < result.last_attempted_at


def test_a_task_killed_for_its_time_limit_keeps_its_record(tasks: ModuleType, worker: Any) -> None:
    result = finished(tasks.endless.enqueue())
    assert (result.status, result.attempts) == (Status.FAILED, 1)
    assert [error.exception_class for error in result.errors] == [TimeLimitExceeded]
    assert result.enqueued_at is not None


def test_run_after_is_kept_to(tasks: ModuleType, worker: Any) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=1)
    result = tasks.water.using(run_after=moment, queue_name="slow").enqueue("late")
    result = finished(result)
    assert result.started_at >= moment
    assert (result.task.run_after, result.task.queue_name) == (moment, "slow")
    assert tasks.water.get_result(result.id).task == result.task


def test_coroutines_run_beside_each_other_and_fail_like_others(site: Site, tasks: ModuleType, worker: Any) -> None:
    async def enqueue() -> list[Any]:
        return [await tasks.bloom.aenqueue(0.2) for _ in range(3)]

    results = asyncio.run(enqueue())
    assert [finished(result).return_value for result in results] == ["open"] * 3
    [error] = finished(tasks.rot.enqueue()).errors
    assert error.exception_class is LookupError

    async def read() -> Any:
        result = await tasks.bloom.aget_result(results[0].id)
        await result.arefresh()
        return result.return_value

    assert asyncio.run(read()) == "open"


def test_a_context_knows_its_attempt(site: Site, tasks: ModuleType, worker: Any) -> None:
    result = finished(tasks.grow.enqueue(until=2))
    assert result.return_value == 2
    assert site.lines("grown") == [f"1 RUNNING {result.id}", f"2 RUNNING {result.id}"]
    assert finished(tasks.climb.enqueue(3)).return_value == [1, 3]


def test_signals_are_sent_when_a_task_starts_and_when_it_has_finished(
    site: Site, tasks: ModuleType, worker: Any
) -> None:
    signals = importlib.import_module(f"{FRAMEWORK}.signals")
    enqueued = []

    def receive(sender: type, task_result: Any, **_: object) -> None:
        enqueued.append((sender.__name__, task_result.id, task_result.status))

    signals.task_enqueued.connect(receive)
    results = [tasks.water.enqueue("signal"), tasks.rot.enqueue()]
    signals.task_enqueued.disconnect(receive)
    assert enqueued == [("TaskBackend", result.id, Status.READY) for result in results]
    for result in results:
        finished(result)
    for result in results:
        told = [line.partition(" ")[2] for line in site.lines("signals") if line.startswith(result.id)]
        assert told == ["RUNNING 1 TaskBackend", f"{result.status} 1 TaskBackend"]


def test_an_unknown_id_and_another_tasks_id_are_errors(tasks: ModuleType, worker: Any) -> None:
    with pytest.raises(errors.TaskResultDoesNotExist, match="no-such-id"):
        tasks.water.get_result("no-such-id")
    result = finished(tasks.water.enqueue("lily"))
    with pytest.raises(errors.TaskResultMismatch, match=r"flowers\.tasks\.water"):
        tasks.hold.get_result(result.id)
    assert framework.default_task_backend.get_result(result.id).return_value["plant"] == "lily"


def test_a_call_made_by_celeriacs_own_means_can_be_read_too(tasks: ModuleType, worker: Any) -> None:
    app = local.get_current_app()
    sent = app.tasks["flowers.tasks.water"].delay("fern")
    assert sent.get(timeout=30) == {"plant": "fern", "litres": [1, 1]}
    result = tasks.water.get_result(sent.id)
    assert (result.status, result.args, result.attempts) == (Status.SUCCESSFUL, ["fern"], 1)
    assert result.enqueued_at is None


def test_a_worker_killed_with_its_node_is_one_attempt_and_the_record_goes_on(site: Site, tasks: ModuleType) -> None:
    held = "second gate"
    # A queue that the other worker does not take from.
    first = site.start_worker("-Q", "apart")
    try:
        result = tasks.hold.using(queue_name="apart").enqueue(held)
        wait_until(lambda: held in site.lines("held"), "held")
    finally:
        first.kill()
    site.release(held)
    second = site.start_worker("-Q", "apart")
    try:
        finished(result)
    finally:
        second.stop()
    assert (result.status, result.return_value, result.attempts) == (Status.SUCCESSFUL, "done", 2)
    assert [error.exception_class for error in result.errors] == [WorkerLostError]
    assert len(set(result.worker_ids)) == 2


def test_a_task_declared_for_another_backend_can_be_sent_to_this_one(
    tasks: ModuleType, worker: Any, site: Site
) -> None:
    assert type(tasks.mow).__name__ == type(tasks.shear).__name__ == "Task"
    result = finished(tasks.mow.using(backend="default").enqueue("lawn"))
    assert (result.status, result.return_value, result.attempts) == (Status.SUCCESSFUL, "mown: lawn", 1)
    assert finished(tasks.shear.using(backend="default").enqueue()).return_value == "shorn"
    assert "flowers.tasks.mow" in worker.log


def test_a_failure_of_which_only_the_name_is_left_is_still_known(tasks: ModuleType) -> None:
    app = local.get_current_app()
    document = ResultDocument(task_id="last", status="FAILURE", result=WorkerLostError("x"), name="flowers.tasks.water")
    encoded = encode_document(document)
    app.backend.store([StoredResult(task_id="last", state="FAILURE", document=encoded.data)])
    result = tasks.water.get_result("last")
    assert (result.status, result.attempts) == (Status.FAILED, 0)
    assert [error.exception_class for error in result.errors] == [WorkerLostError]


def test_a_result_of_no_task_of_the_frameworks_is_unknown_to_it(tasks: ModuleType) -> None:
    app = local.get_current_app()
    request = importlib.import_module("celeriac.request").Context(id="plain", task="some.where")
    app.backend.store([app.result_format.write(request, "SUCCESS", 1)])
    with pytest.raises(errors.TaskResultDoesNotExist, match="plain"):
        framework.default_task_backend.get_result("plain")


def test_all_four_capabilities_are_there_on_sqlite(tasks: ModuleType) -> None:
    backend = framework.default_task_backend
    capabilities = ("supports_defer", "supports_async_task", "supports_get_result", "supports_priority")
    assert [getattr(backend, capability) for capability in capabilities] == [True] * 4


def test_what_the_framework_refuses_is_refused_with_its_own_errors(tasks: ModuleType) -> None:
    invalid = getattr(errors, "InvalidTask", None) or errors.InvalidTaskError
    with pytest.raises(invalid, match="priority"):
        tasks.water.using(priority=101)
    with pytest.raises(invalid, match="Queue 'unknown'"):
        tasks.water.using(queue_name="unknown")
    with pytest.raises(invalid, match="aware"):
        tasks.water.using(run_after=datetime(2030, 1, 1))
    with pytest.raises(TypeError, match="Unsupported type"):
        tasks.water.enqueue(datetime.now(UTC))
    with pytest.raises(TypeError, match=r"The task flowers\.tasks\.grow\(until\) cannot be called like this"):
        tasks.grow.enqueue()


def test_an_unfinished_record_outlives_the_time_that_results_are_kept(tasks: ModuleType) -> None:
    app = local.get_current_app()
    app.conf.update(result_expires=0.05)
    try:
        moment = datetime.now(UTC) + timedelta(days=3)
        result = tasks.water.using(run_after=moment).enqueue("in three days")
        deadline = time.monotonic() + 0.2
        wait_until(lambda: time.monotonic() > deadline, "later")
        result.refresh()
    finally:
        app.conf.update(result_expires=86400)
    assert result.status == Status.READY
    app.broker.purge("celery")


# Without a worker: each in an interpreter of its own.

PRELUDE = f"""
import django
from django.conf import settings
from celeriac.django.finding import find_app
app = find_app("garden")
from flowers import tasks
from django.db.transaction import atomic
from {FRAMEWORK} import default_task_backend, signals, task
from {FRAMEWORK}.exceptions import TaskResultDoesNotExist
"""


def run(folder: Path, code: str, *, settings: str = "", tasks: str = "") -> list[str]:
    site = Site(folder, settings=settings, tasks=tasks)
    return run_in_site(PRELUDE + code, directory=folder, **site.environment).splitlines()


def test_record_and_message_wait_for_the_commit(tmp_path: Path) -> None:
    code = """
told = []
signals.task_enqueued.connect(lambda task_result, **_: told.append(task_result.id), weak=False)
def state(result):
    try:
        return str(tasks.water.get_result(result.id).status), app.broker.size("celery").ready, len(told)
    except TaskResultDoesNotExist:
        return "unknown", app.broker.size("celery").ready, len(told)

with atomic():
    result = tasks.water.enqueue("rose")
    print(result.status, bool(result.id), *state(result))
print(*state(result), told == [result.id])
try:
    with atomic():
        result = tasks.water.enqueue("gone")
        raise LookupError
except LookupError:
    print(*state(result))
"""
    assert run(tmp_path, code) == ["READY True unknown 0 0", "READY 1 1 True", "unknown 1 1"]


def test_on_commit_can_be_turned_off_for_a_backend_and_for_a_task(tmp_path: Path) -> None:
    settings = """
TASKS["at once"] = {"BACKEND": "celeriac.django.TaskBackend", "OPTIONS": {"on_commit": False}}
"""
    tasks = """
@task
@task_options(on_commit=False)
def hurry():
    pass
"""
    code = """
with atomic():
    result = tasks.water.using(backend="at once").enqueue("rose")
    print(tasks.water.using(backend="at once").get_result(result.id).backend, app.broker.size("celery").ready)
    tasks.hurry.enqueue()
    print(app.broker.size("celery").ready)
"""
    assert run(tmp_path, code, settings=settings, tasks=tasks) == ["at once 1", "2"]


def test_options_are_checked_when_a_task_is_declared(tmp_path: Path) -> None:
    code = """
from celeriac.django import task_options
def complaint(declare):
    try:
        declare()
    except TypeError as error:
        print(error)
def mow():
    pass
complaint(lambda: task_options(time_limt=5)(mow))
complaint(lambda: task_options(queue="fast")(mow))
complaint(lambda: task_options(time_limit=5)(tasks.water))
print(app.tasks["flowers.tasks.endless"].time_limit, app.tasks["flowers.tasks.flaky"].max_retries)
"""
    slip, other, misplaced, taken = run(tmp_path, code)
    assert slip == "There is no option 'time_limt' for the task mow; did you mean 'time_limit'?"
    assert other == "There is no option 'queue' for the task mow; did you mean 'queue_name'?"
    assert misplaced.endswith("write it under @task.")
    assert taken == "0.3 2"


def test_where_the_framework_passes_options_on_they_can_be_given_to_its_own_decorator(tmp_path: Path) -> None:
    if (6, 0) <= django.VERSION < (6, 1):
        pytest.skip("Django 6.0 passes none on; task_options is the way there.")
    tasks = """
@task(time_limit=7, queue_name="slow", max_retries=1)
def mow():
    pass

try:
    @task(time_limt=7)
    def mow_wrongly():
        pass
except TypeError as error:
    print(error)
"""
    code = """
mow = app.tasks["flowers.tasks.mow"]
print(mow.time_limit, mow.max_retries, tasks.mow.using(priority=3).options == tasks.mow.options)
print(app.publisher.message(mow.name, (), {}, mow.call_options((), {}, {}), task=mow).headers["timelimit"])
"""
    assert run(tmp_path, code, tasks=tasks) == [
        "There is no option 'time_limt' for the task mow_wrongly; did you mean 'time_limit'?",
        "7 1 True",
        "[7, None]",
    ]


def test_a_task_is_declared_once_however_often_it_is_modified(tmp_path: Path) -> None:
    code = """
before = len(app.tasks)
tasks.water.using(priority=1).using(queue_name="slow").enqueue("a")
print(len(app.tasks) - before, [message.queue for message in app.broker.peek("celery")])
import copy, pickle
print(copy.deepcopy(tasks.water.using(priority=1)) == tasks.water.using(priority=1), hash(tasks.water) is not None)
"""
    assert run(tmp_path, code) == ["0 ['celery']", "True True"]


def test_tasks_can_go_to_another_backend(tmp_path: Path) -> None:
    settings = f"""
TASKS["dummy"] = {{"BACKEND": "{FRAMEWORK}.backends.dummy.DummyBackend"}}
"""
    code = """
print(tasks.water.using(backend="dummy").enqueue("rose").status, app.broker.size("celery").ready)
"""
    assert run(tmp_path, code, settings=settings) == ["READY 0"]


def test_results_can_be_off(tmp_path: Path) -> None:
    settings = """
CELERIAC["result_backend"] = "disabled"
TASKS["own"] = {"BACKEND": "celeriac.django.TaskBackend", "OPTIONS": {"app": "garden.own:app"}}
"""
    code = """
from django.core import checks
result = tasks.water.enqueue("rose")
print(default_task_backend.supports_get_result, app.broker.size("celery").ready, result.status)
try:
    result.refresh()
except NotImplementedError:
    print("not supported")
print(sorted(message.id for message in checks.run_checks() if "TASKS" in message.msg))
"""
    (tmp_path / "garden").mkdir()
    (tmp_path / "garden" / "own.py").write_text(
        "from celeriac import Celeriac\napp = Celeriac(broker='memory://', set_as_current=False)"
    )
    expected = ["False 1 READY", "not supported", "['celeriac.W011', 'celeriac.W105']"]
    assert run(tmp_path, code, settings=settings) == expected


@pytest.mark.parametrize(
    ("options", "found", "word"),
    [
        ({"queue_mop": {}}, "celeriac.E101", "queue_map"),
        ({"app": "no.such.module"}, "celeriac.E102", "no.such.module"),
        ({"queue_map": {"slow": 1}}, "celeriac.E103", "queue_map"),
        ({"on_commit": "yes"}, "celeriac.E104", "yes"),
        ({"queue_map": {"slow": "fast"}, "on_commit": True}, None, ""),
    ],
)
def test_wrong_options_are_found_by_django_s_checks(
    tasks: ModuleType, options: dict[str, Any], found: str | None, word: str
) -> None:
    from celeriac.django.task_backend import TaskBackend

    messages = list(TaskBackend("other", {"OPTIONS": options}).check())
    assert [message.id for message in messages] == ([found] if found else [])
    assert all(word in f"{message.msg} {message.hint}" and "'other'" in message.msg for message in messages)


def test_tests_record_and_run_tasks_of_the_framework_and_move_their_clock(tmp_path: Path) -> None:
    code = """
from datetime import timedelta
from django.utils import timezone
from celeriac.testing import record_tasks
with record_tasks() as recorder:
    result = tasks.grow.enqueue(until=2)
    recorder.assert_enqueued(tasks.grow, kwargs={"until": 2}, priority=5)
    result.refresh()
    print(result.status, [run.state for run in recorder.run()])
    result.refresh()
    print(result.status, result.return_value, result.attempts)
    moment = timezone.now() + timedelta(days=2)
    late = tasks.water.using(run_after=moment).enqueue("rose")
    recorder.run(during="1d")
    late.refresh()
    print(late.status)
    recorder.run(during="1d1h")
    late.refresh()
    print(late.status, late.started_at >= moment, late.finished_at >= moment)
"""
    assert run(tmp_path, code) == [
        "READY ['RETRY', 'SUCCESS']",
        "SUCCESSFUL 2 2",
        "READY",
        "SUCCESSFUL True True",
    ]


def test_eager_calls_run_here_and_now(tmp_path: Path) -> None:
    settings = """
CELERIAC["task_always_eager"] = True
"""
    code = """
result = tasks.grow.enqueue(until=1)
print(result.status, result.return_value, result.attempts)
result = tasks.wither.enqueue()
print(result.status, result.errors[0].exception_class.__name__)
print(tasks.bloom.enqueue(0).return_value, app.broker.size("celery").ready)
"""
    assert run(tmp_path, code, settings=settings) == ["SUCCESSFUL 1 1", "FAILED ValueError", "open 0"]


@pytest.mark.parametrize(
    ("priority", "step"),
    [
        *((-100, 0), (-99, 1), (-75, 1), (-74, 2), (-50, 2), (-49, 3), (-25, 3), (-24, 4), (-1, 4)),
        (0, 5),
        *((1, 6), (24, 6), (25, 7), (49, 7), (50, 8), (74, 8), (75, 9), (100, 9)),
    ],
)
def test_priorities_are_steps_as_the_table_says(priority: int, step: int) -> None:
    assert step_of(priority) == step
    assert priority_of(priority, range(9, -1, -1)) == step


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [
        ((0, 3, 6, 9), [9, 9, 6, 6, 6, 3, 0, 0, 0, 0]),
        (range(10, -1, -1), [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]),
        (range(255, -1, -1), [25, 51, 76, 102, 127, 128, 160, 192, 224, 255]),
        ((2, 1, 0), [0, 0, 0, 0, 0, 1, 2, 2, 2, 2]),
        ((1, 0), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
        ((0,), [0] * 10),
        ((), [None] * 10),
    ],
)
def test_a_higher_priority_is_no_less_urgent_on_any_broker(
    priorities: Sequence[int], expected: list[int | None]
) -> None:
    found = [priority_of(priority, priorities) for priority in (-100, -80, -60, -40, -10, 0, 10, 30, 60, 90)]
    assert found == expected
    if priorities:
        urgency = [priorities.index(priority) for priority in found if priority is not None]
        assert urgency == sorted(urgency, reverse=True)
