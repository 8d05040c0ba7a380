"""What an execution reports: states, results, follow-ups, handlers and signals."""

import asyncio
import gc
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from celeriac import Celeriac, Task, current_task, shared_task, signals
from celeriac.brokers.base import Outcome
from celeriac.exceptions import (
    EncodeError,
    Ignore,
    NotRegistered,
    Reject,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from celeriac.local import get_current_worker_task
from celeriac.protocol.message import Message
from celeriac.task_logging import current_task_info
from tests.unit.api.bench import HOST, Bench


@contextmanager
def listening(*names: str) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Collect what signals say."""
    heard: list[tuple[str, dict[str, Any]]] = []

    def listener(name: str) -> Callable[..., None]:
        def listen(**facts: Any) -> None:
            facts.pop("signal")
            if "einfo" in facts:
                # The traceback is there while receivers run.
                facts["had_traceback"] = facts["exception"].__traceback__ is facts["traceback"] is not None
            heard.append((name, facts))

        return listen

    receivers = {name: listener(name) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    try:
        yield heard
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)


def test_a_task_runs_from_delay_to_get(make_app: Callable[..., Celeriac], url: str) -> None:
    app = make_app(broker=url, backend=url)

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    result = add.delay(1, 2)
    with Bench(app) as bench:
        report = bench.run_one()
        assert (report.state, report.outcome, report.retval) == ("SUCCESS", Outcome.ACK, 3)
        assert result.get(timeout=5) == 3
        assert bench.run_all() == []


def test_the_request_tells_all_of_the_call(app: Celeriac, bench: Bench) -> None:
    seen: dict[str, Any] = {}

    @app.task(bind=True, name="demo.look")
    def look(self: Task[..., None], x: int, y: int = 0) -> None:
        assert current_task.name == self.name
        assert get_current_worker_task() is self
        info = current_task_info()
        assert info is not None
        assert (info.name, info.id) == (self.name, self.request.id)
        request = self.request
        names = (
            "id task args kwargs retries is_eager expires hostname origin delivery_info properties headers reply_to "
            "correlation_id root_id parent_id group group_index chain chord callbacks errbacks children "
            "called_directly timelimit time_limit soft_time_limit utc shadow ignore_result loglevel logfile "
            "stamped_headers stamps replaced_task_nesting taskset argsrepr kwargsrepr eta"
        )
        seen.update(
            {name: getattr(request, name) for name in names.split()}, tenant=request.tenant, got=request.get("no", 5)
        )

    result = look.apply_async(
        (1,),
        {"y": 2},
        headers={"tenant": "acme"},
        priority=6,
        group_id="g",
        time_limit=9,
        root_id="root",
        parent_id="p",
        stamped_headers=["stamp"],
        stamp="s",
    )
    bench.run_one()
    assert seen["id"] == seen["correlation_id"] == result.id
    assert (seen["task"], seen["args"], seen["kwargs"]) == ("demo.look", [1], {"y": 2})
    assert seen["headers"]["tenant"] == seen["tenant"] == "acme"
    assert seen["delivery_info"] == {"exchange": "", "routing_key": "celery", "priority": 6, "redelivered": False}
    assert (seen["hostname"], seen["root_id"], seen["parent_id"]) == (HOST, "root", "p")
    assert (seen["group"], seen["taskset"]) == ("g", "g")
    assert (list(seen["timelimit"]), seen["time_limit"], seen["soft_time_limit"]) == ([9, None], 9, None)
    assert (seen["called_directly"], seen["is_eager"], seen["retries"]) == (False, False, 0)
    assert (seen["argsrepr"], seen["kwargsrepr"]) == ("(1,)", "{'y': 2}")
    assert seen["stamps"] == {"stamp": "s"}
    assert seen["properties"]["correlation_id"] == result.id
    assert seen["got"] == 5
    assert look.request.id is None
    assert look.request.called_directly is True
    assert not current_task


def test_a_task_called_by_a_task_has_a_request_of_its_own(app: Celeriac, bench: Bench) -> None:
    seen: list[Any] = []

    @app.task(bind=True)
    def inner(self: Task[..., None]) -> None:
        seen.append((self.request.called_directly, self.request.id, outer.request.id is not None))
        assert get_current_worker_task() is outer

    @app.task(bind=True)
    def outer(self: Task[..., None]) -> None:
        inner()
        assert current_task.name == self.name

    outer.delay()
    assert bench.run_one().state == "SUCCESS"
    assert seen == [(True, None, True)]


def test_a_task_that_publishes_is_the_parent(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    def child(self: Task[..., Any]) -> tuple[Any, Any]:
        return self.request.root_id, self.request.parent_id

    @app.task
    def parent() -> None:
        child.delay()
        child.apply_async(add_to_parent=False)

    result = parent.delay()
    _, one, two = bench.run_all()
    assert one.retval == two.retval == (result.id, result.id)
    [kid] = result.children or []
    assert kid.id == one.task_id
    assert [node.id for _, node in result.iterdeps()] == [result.id, kid.id]
    assert [value for _, value in result.collect()] == [None, [result.id, result.id]]


def test_a_custom_call_method_is_used_and_sees_the_request(app: Celeriac, bench: Bench) -> None:
    class Doubling(Task[..., Any]):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return 2 * super().__call__(*args, **kwargs)

    @app.task(base=Doubling, bind=True)
    def one(self: Task[..., Any]) -> int:
        assert self.request.id is not None
        return 21

    one.delay()
    assert bench.run_one().retval == 42


@pytest.mark.parametrize("failing", [ValueError("bad"), KeyError("k"), RecursionError("deep"), MemoryError()])
def test_an_error_is_a_failure_with_its_traceback(app: Celeriac, bench: Bench, failing: Exception) -> None:
    @app.task
    def fail() -> None:
        raise failing

    result = fail.delay()
    report = bench.run_one()
    assert (report.state, report.outcome) == ("FAILURE", Outcome.ACK)
    assert result.state == "FAILURE"
    assert result.failed()
    assert isinstance(result.result, type(failing))
    assert result.result.args == failing.args
    assert "raise failing" in (result.traceback or "")
    assert "execution.py" not in (result.traceback or "")
    with pytest.raises(type(failing)):
        result.get()
    assert isinstance(result.get(propagate=False), type(failing))


@pytest.mark.parametrize("stop", [lambda: sys.exit(3), lambda: (_ for _ in ()).throw(KeyboardInterrupt), None])
def test_no_task_can_stop_its_child(app: Celeriac, bench: Bench, stop: Callable[[], object] | None) -> None:
    def endless(depth: int) -> int:
        return endless(depth + 1) + 1

    @app.task
    def fatal() -> None:
        stop() if stop else endless(0)

    fatal.delay()
    report = bench.run_one()
    assert report.state == "FAILURE"
    assert report.exception.__class__ in {SystemExit, KeyboardInterrupt, RecursionError}


def test_a_result_that_cannot_be_stored_is_a_failure_that_says_so(app: Celeriac, bench: Bench) -> None:
    @app.task
    def odd() -> object:
        return object()

    result = odd.delay()
    assert bench.run_one().state == "FAILURE"
    with pytest.raises(EncodeError, match=r"result of the task .* cannot be stored"):
        result.get()


def test_an_error_with_odd_arguments_is_stored_all_the_same(app: Celeriac, bench: Bench) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @app.task
    def fail() -> None:
        raise Odd(object(), {1: object()})

    result = fail.delay()
    assert bench.run_one().state == "FAILURE"
    assert result.failed()


def test_ignored_results_are_not_stored_but_their_errors_may_be(app: Celeriac, bench: Bench) -> None:
    @app.task(ignore_result=True)
    def quiet(fail: bool) -> int:
        if fail:
            raise ValueError
        return 1

    @app.task(ignore_result=True, store_errors_even_if_ignored=True)
    def loud() -> None:
        raise ValueError

    one, two, three = quiet.delay(False), quiet.delay(True), loud.delay()
    reports = bench.run_all()
    assert [report.result is None for report in reports] == [True, True, False]
    assert (one.get(), app.AsyncResult(two.id).state, app.AsyncResult(three.id).state) == (None, "PENDING", "FAILURE")
    four = quiet.apply_async((False,), ignore_result=False)
    bench.run_one()
    assert four.get(timeout=5) == 1


def test_ignore_ends_it_without_a_state(app: Celeriac, bench: Bench) -> None:
    @app.task
    def give_up() -> None:
        raise Ignore

    result = give_up.delay()
    report = bench.run_one()
    assert (report.state, report.outcome, report.result) == ("IGNORED", Outcome.ACK, None)
    assert result.state == "PENDING"


def test_reject_keeps_the_message_as_a_dead_letter_or_gives_it_back(app: Celeriac, bench: Bench) -> None:
    @app.task
    def refuse_it(requeue: bool) -> None:
        raise Reject("no good", requeue=requeue)

    refused = refuse_it.delay(False)
    assert bench.run_one().outcome is Outcome.REJECT
    [letter] = app.broker.dead_letters()
    assert letter.id == refused.id
    assert letter.reason == "The task rejected its message: no good."
    refuse_it.delay(True)
    assert bench.run_one().outcome is Outcome.REQUEUE
    assert app.broker.size("celery").ready == 1


def test_a_failure_can_keep_the_message(app: Celeriac, bench: Bench) -> None:
    @app.task(acks_on_failure=False)
    def fail() -> None:
        raise ValueError("why")

    result = fail.delay()
    report = bench.run_one()
    assert (report.state, report.outcome) == ("FAILURE", Outcome.REJECT)
    assert result.state == "FAILURE"
    assert "why" in app.broker.dead_letters()[0].reason


def test_an_expired_call_is_revoked(app: Celeriac, bench: Bench) -> None:
    ran: list[int] = []

    @app.task
    def late() -> None:
        ran.append(1)

    with listening("task_revoked") as heard:
        result = late.apply_async(expires=-1)
        report = bench.run_one()
    assert (report.state, report.outcome, ran) == ("REVOKED", Outcome.ACK, [])
    assert result.state == "REVOKED"
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get()
    [(_, facts)] = heard
    assert (facts["expired"], facts["request"].id) == (True, result.id)


def test_a_call_that_is_not_due_is_put_back_for_its_moment(app: Celeriac, bench: Bench) -> None:
    @app.task
    def later() -> None: ...

    later.apply_async(countdown=3600)
    [message] = app.broker.peek("celery")
    app.broker.purge("celery")
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    # As another producer writes it: only the header says when.
    app.broker.publish([Message(**{**fields, "not_before": None})])
    report = bench.run_one()
    assert report.outcome is Outcome.REPLACE
    assert report.replacement is not None
    assert report.replacement.not_before == pytest.approx(message.not_before)
    assert app.broker.size("celery").delayed == 1


def test_handlers_are_called_in_their_order(app: Celeriac, bench: Bench) -> None:
    calls: list[Any] = []

    class Telling(Task[..., Any]):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            calls.append(("before_start", task_id, args, kwargs))

        def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
            calls.append(("on_success", retval))

        def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
            calls.append(("on_failure", exc.args, "raise ValueError" in str(einfo)))

        def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
            calls.append(("after_return", status, einfo is not None))

    @app.task(base=Telling)
    def one(fail: bool) -> int:
        calls.append("run")
        if fail:
            raise ValueError("no")
        return 5

    result = one.delay(False)
    bench.run_one()
    assert calls == [
        ("before_start", result.id, [False], {}),
        "run",
        ("on_success", 5),
        ("after_return", "SUCCESS", False),
    ]
    calls.clear()
    one.delay(True)
    bench.run_one()
    assert calls[1:] == ["run", ("on_failure", ("no",), True), ("after_return", "FAILURE", True)]


def test_an_error_in_a_handler_changes_nothing_but_before_the_start_it_fails_the_task(
    app: Celeriac, bench: Bench
) -> None:
    class Broken(Task[..., Any]):
        def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
            raise RuntimeError

    class Barred(Task[..., Any]):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            raise RuntimeError("not today")

    @app.task(base=Broken)
    def one() -> int:
        return 1

    @app.task(base=Barred)
    def two() -> int:
        return 2

    one.delay()
    two.delay()
    first, second = bench.run_all()
    assert first.state == "SUCCESS"
    assert (second.state, str(second.exception)) == ("FAILURE", "not today")


def test_signals_tell_what_happens(app: Celeriac, bench: Bench) -> None:
    @app.task
    def one(fail: bool) -> int:
        if fail:
            raise ValueError
        return 7

    with listening("task_prerun", "task_postrun", "task_success", "task_failure") as heard:
        result = one.delay(False)
        bench.run_one()
        assert [name for name, _ in heard] == ["task_prerun", "task_success", "task_postrun"]
        assert heard[0][1] == {"sender": one, "task_id": result.id, "task": one, "args": [False], "kwargs": {}}
        assert heard[1][1]["result"] == 7
        assert (heard[2][1]["retval"], heard[2][1]["state"]) == (7, "SUCCESS")
        heard.clear()
        one.delay(True)
        bench.run_one()
        assert [name for name, _ in heard] == ["task_prerun", "task_failure", "task_postrun"]
        failure = heard[1][1]
        assert isinstance(failure["exception"], ValueError)
        assert failure["had_traceback"]
        assert "raise ValueError" in failure["einfo"].traceback


def test_what_a_failed_task_had_in_hand_is_let_go(app: Celeriac, bench: Bench) -> None:
    class Big: ...

    references: list[weakref.ref[Big]] = []

    @app.task
    def fail() -> None:
        big = Big()
        references.append(weakref.ref(big))
        try:
            raise KeyError
        except KeyError:
            raise ValueError from None

    fail.delay()
    gc.disable()
    try:
        report = bench.run_one()
        assert isinstance(report.exception, ValueError)
        assert references[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("where", ["on_success", "after_return", "receiver", "result"])
def test_nothing_around_a_task_can_stop_its_child_either(app: Celeriac, bench: Bench, where: str) -> None:
    class Exiting(Task[..., Any]):
        def on_success(self, *args: Any) -> None:
            if where == "on_success":
                sys.exit(3)

        def after_return(self, *args: Any) -> None:
            if where == "after_return":
                sys.exit(3)

    def leave(**_: Any) -> None:
        if where == "receiver":
            sys.exit(3)

    class Nasty:
        def __json__(self) -> Any:
            sys.exit(3)

    @app.task(base=Exiting)
    def one() -> Any:
        return Nasty() if where == "result" else 1

    signals.task_postrun.connect(leave)
    try:
        one.delay()
        report = bench.run_one()
    finally:
        signals.task_postrun.disconnect(leave)
    if where in {"on_success", "after_return"}:
        assert (report.state, report.outcome) == ("SUCCESS", Outcome.ACK)
    else:
        assert (report.state, report.outcome) == ("FAILURE", Outcome.REJECT)
        assert "could not be executed" in app.broker.dead_letters()[0].reason


def test_callbacks_get_the_result_and_errbacks_the_id(app: Celeriac, bench: Bench) -> None:
    @app.task
    def half(x: int) -> int:
        return x // 2

    @app.task
    def note(*args: Any) -> tuple[Any, ...]:
        return args

    @app.task
    def remember(task_id: str) -> str:
        return task_id

    result = half.apply_async((10,), link=[half.s(), note.si("done")], link_error=remember.s())
    reports = bench.run_all()
    assert [report.retval for report in reports] == [5, 2, ("done",)]
    children = app.AsyncResult(result.id).children
    assert [child.get(timeout=5) for child in children or []] == [2, ["done"]]
    result = half.apply_async(("x",), link=half.s(), link_error=[remember.s()])
    failed, errback = bench.run_all()
    assert failed.state == "FAILURE"
    assert errback.retval == result.id


def test_an_errback_with_three_parameters_is_called_at_once_with_the_error(app: Celeriac, bench: Bench) -> None:
    calls: list[Any] = []

    @app.task
    def tell(request: Any, exc: BaseException, traceback: Any) -> None:
        calls.append((request.id, exc, traceback is not None))

    @app.task
    def fail() -> None:
        raise ValueError("x")

    result = fail.apply_async(link_error=tell.s())
    [report] = bench.run_all()
    assert calls == [(result.id, report.exception, True)]


def test_a_chain_goes_on_with_the_next_task_and_the_rest(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    def add(self: Task[..., Any], x: int, y: int) -> int:
        ids.append((self.request.id, self.request.parent_id, self.request.root_id))
        return x + y

    ids: list[Any] = []
    # On the wire the next task is the last element.
    last, middle = add.s(100), add.s(10)
    last.freeze("last")
    middle.freeze("middle")
    add.apply_async((1, 1), task_id="first", chain=[last, middle])
    assert [report.retval for report in bench.run_all()] == [2, 12, 112]
    assert ids == [("first", None, "first"), ("middle", "first", "first"), ("last", "middle", "first")]
    assert app.AsyncResult("last").get(timeout=5) == 112
    assert [child.id for child in app.AsyncResult("first").children or []] == ["middle"]


def test_follow_ups_are_published_with_the_settlement_and_not_before(app: Celeriac, bench: Bench) -> None:
    @app.task
    def one(*_: Any) -> None: ...

    one.apply_async(link=one.s())
    delivery = bench.receive()
    assert delivery is not None
    report = bench.execution(delivery).run()
    assert len(report.follow_ups) == 1
    assert app.broker.size("celery").ready == 0
    bench.settle(delivery, report)
    assert app.broker.size("celery").ready == 1


def test_a_task_can_be_replaced_by_another_under_its_id(app: Celeriac, bench: Bench) -> None:
    @app.task
    def real(x: int) -> int:
        return x + 1

    @app.task
    def after(x: int) -> int:
        return x * 100

    @app.task(bind=True)
    def stand_in(self: Task[..., Any]) -> Any:
        return self.replace(real.s(1))

    result = stand_in.apply_async(link=after.s())
    reports = bench.run_all()
    assert [report.state for report in reports] == ["IGNORED", "SUCCESS", "SUCCESS"]
    assert result.get(timeout=5) == 2
    assert reports[2].retval == 200


def test_a_verdict_from_outside_fails_the_task_like_any_error(app: Celeriac, bench: Bench) -> None:
    @app.task
    def slow() -> None: ...

    @app.task
    def tell(task_id: str) -> str:
        return task_id

    result = slow.apply_async(link_error=tell.s())
    delivery = bench.receive()
    assert delivery is not None
    with listening("task_failure") as heard:
        report = bench.execution(delivery).fail(WorkerLostError("The child was killed by SIGKILL."))
    bench.settle(delivery, report)
    assert (report.state, report.outcome) == ("FAILURE", Outcome.ACK)
    with pytest.raises(WorkerLostError, match="SIGKILL"):
        result.get()
    assert bench.run_one().retval == result.id
    assert isinstance(heard[0][1]["exception"], WorkerLostError)


def test_a_timeout_can_keep_the_message(app: Celeriac, bench: Bench) -> None:
    @app.task(acks_on_timeout=False)
    def slow() -> None: ...

    slow.delay()
    delivery = bench.receive()
    assert delivery is not None
    assert bench.execution(delivery).fail(ValueError()).outcome is Outcome.ACK
    assert bench.execution(delivery).fail(TimeLimitExceeded(3)).outcome is Outcome.REJECT


def test_time_limits_are_the_calls_the_tasks_or_the_settings(make_app: Callable[..., Celeriac]) -> None:
    url = "memory://limits"
    app = make_app(broker=url, task_time_limit=100, task_soft_time_limit=90)

    @app.task(time_limit=50)
    def one() -> None: ...

    one.apply_async(soft_time_limit=7)
    one.delay()
    with Bench(app) as bench:
        for expected in ((50, 7), (50, 90)):
            delivery = bench.receive()
            assert delivery is not None
            execution = bench.execution(delivery)
            assert (execution.time_limit, execution.soft_time_limit) == expected


def test_the_guard_ends_a_task_softly(app: Celeriac, bench: Bench) -> None:
    @contextmanager
    def guard() -> Iterator[None]:
        order.append("enter")
        yield
        order.append("exit")
        raise SoftTimeLimitExceeded(1)

    order: list[str] = []

    @app.task
    def one() -> None:
        order.append("run")

    one.delay()
    delivery = bench.receive()
    assert delivery is not None
    execution = bench.execution(delivery)
    execution.guard = guard()
    report = execution.run()
    assert order == ["enter", "run", "exit"]
    assert isinstance(report.exception, SoftTimeLimitExceeded)


def test_a_task_that_is_tracked_says_that_it_has_started(app: Celeriac, bench: Bench) -> None:
    @app.task(track_started=True)
    def tracked() -> None: ...

    @app.task
    def other() -> None: ...

    result = tracked.delay()
    other.delay()
    delivery = bench.receive()
    assert delivery is not None
    started = bench.execution(delivery).started_result()
    assert started is not None
    app.backend.store([started])
    assert (result.state, result.info["hostname"]) == ("STARTED", HOST)
    second = bench.receive()
    assert second is not None
    assert bench.execution(second).started_result() is None


def test_a_task_that_has_expired_does_not_say_that_it_has_started(app: Celeriac, bench: Bench) -> None:
    @app.task(track_started=True)
    def tracked() -> None: ...

    tracked.apply_async(expires=datetime(2020, 1, 1, tzinfo=UTC))
    delivery = bench.receive()
    assert delivery is not None
    assert bench.execution(delivery).started_result() is None


def test_a_task_can_tell_how_far_it_is(app: Celeriac, bench: Bench) -> None:
    seen: list[Any] = []

    @app.task(bind=True)
    def one(self: Task[..., Any]) -> None:
        self.update_state(state="PROGRESS", meta={"done": 3})
        seen.append((result.state, result.info))
        self.send_event("task-progress", done=3)

    result = one.delay()
    bench.run_one()
    assert seen == [("PROGRESS", {"done": 3})]
    one.update_state(state="PROGRESS")


def test_a_message_nobody_can_run_is_refused_with_a_result(app: Celeriac, bench: Bench) -> None:
    with listening("task_unknown", "task_rejected") as heard:
        result = app.send_task("no.such")
        report = bench.run_one()
        assert (report.state, report.outcome) == ("FAILURE", Outcome.REJECT)
        with pytest.raises(NotRegistered, match=r"no task 'no\.such' in this app: import the module"):
            result.get()
        app.broker.publish([Message(id="junk", queue="celery", headers={}, body=b"\x00 junk", content_type="text/x")])
        report = bench.run_one()
        assert (report.outcome, report.task_id) == (Outcome.REJECT, "junk")
    assert [name for name, _ in heard] == ["task_unknown", "task_rejected"]
    assert heard[0][1]["name"] == "no.such"
    assert {letter.id for letter in app.broker.dead_letters()} == {result.id, "junk"}


def test_expected_errors_are_marked(app: Celeriac, bench: Bench) -> None:
    @app.task(throws=(KeyError,))
    def one(known: bool) -> None:
        raise KeyError if known else ValueError

    one.delay(True)
    one.delay(False)
    assert [report.expected for report in bench.run_all()] == [True, False]


def test_extended_results_tell_of_the_call(make_app: Callable[..., Celeriac]) -> None:
    url = "memory://extended"
    app = make_app(broker=url, backend=url, result_extended=True)

    @app.task(name="demo.extended")
    def one(x: int, y: int = 0) -> None: ...

    result = one.apply_async((1,), {"y": 2}, queue="celery")
    with Bench(app) as bench:
        bench.run_one()
    assert (result.name, result.args, result.kwargs) == ("demo.extended", [1], {"y": 2})
    assert (result.worker, result.retries, result.queue) == (HOST, 0, "celery")
    assert abs(result.date_done - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_async_task_runs_on_a_loop_and_keeps_its_own_request(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    async def both(self: Task[..., Any], number: int) -> tuple[int, bool]:
        before = self.request.id
        await gate.wait()
        return number, before == self.request.id == current_task.request.id

    gate = asyncio.Event()
    assert both.is_async

    async def run() -> list[Any]:
        executions = [bench.execution(delivery) for delivery in iter(bench.receive, None)]
        tasks = [asyncio.create_task(execution.arun()) for execution in executions]
        await asyncio.sleep(0)
        gate.set()
        return [report.retval for report in await asyncio.gather(*tasks)]

    both.delay_many([(1,), (2,), (3,)])
    assert asyncio.run(run()) == [(1, True), (2, True), (3, True)]


def test_a_coroutine_that_is_cancelled_from_outside_passes_it_on(app: Celeriac, bench: Bench) -> None:
    @app.task
    async def wait() -> None:
        await asyncio.sleep(3600)

    @app.task
    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    async def run() -> None:
        delivery = bench.receive()
        assert delivery is not None
        running = asyncio.create_task(bench.execution(delivery).arun())
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    wait.delay()
    asyncio.run(run())
    cancels_itself.delay()
    assert bench.run_one().state == "FAILURE"


def test_a_shared_task_is_executed_by_the_app_that_received_it(make_app: Callable[..., Celeriac]) -> None:
    @shared_task(name="library.app_name", bind=True)
    def app_name(self: Task[..., Any]) -> str | None:
        return self.app.main

    one = make_app("one", backend="memory://shared-results")
    make_app("two")
    one.tasks["library.app_name"].delay()
    with Bench(one) as bench:
        assert bench.run_one().retval == "one"


def test_a_message_of_the_past_runs_at_once(app: Celeriac, bench: Bench) -> None:
    @app.task
    def one() -> int:
        return 1

    one.apply_async(eta=datetime.fromtimestamp(time.time() - 5, UTC))
    assert bench.run_one().retval == 1
