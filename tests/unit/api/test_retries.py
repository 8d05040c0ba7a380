"""Trying again: ``retry``, automatic retries, and what stays the same from try to try."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from celeriac import Celeriac, Task, signals
from celeriac.brokers.base import Outcome
from celeriac.exceptions import Ignore, MaxRetriesExceededError, Reject, Retry
from tests.unit.api.bench import Bench


def test_a_retry_is_the_same_call_again_published_by_the_settlement(app: Celeriac, bench: Bench) -> None:
    seen: list[Any] = []

    @app.task(bind=True, default_retry_delay=0)
    def flaky(self: Task[..., Any], x: int, y: int = 0) -> str:
        request = self.request
        seen.append(
            (request.id, request.retries, request.root_id, request.parent_id, list(request.args), request.kwargs)
        )
        if request.retries < 2:
            raise self.retry(exc=ValueError("not yet"))
        return "done"

    before = time.time()
    result = flaky.apply_async((1,), {"y": 2}, priority=5, expires=1000, headers={"tenant": "a"}, time_limit=50)
    delivery = bench.receive()
    assert delivery is not None
    report = bench.execution(delivery).run()
    assert (report.state, report.outcome) == ("RETRY", Outcome.ACK)
    [again] = report.follow_ups
    assert app.broker.size("celery").ready == 0
    assert (again.id, again.queue, again.priority) == (result.id, "celery", 5)
    assert again.headers["retries"] == 1
    assert again.headers["tenant"] == "a"
    assert again.headers["timelimit"] == [50, None]
    assert again.expires_at is not None
    assert abs(again.expires_at - before - 1000) < 10
    bench.settle(delivery, report)
    assert result.state == "RETRY"
    assert isinstance(result.result, ValueError)
    assert "not yet" in (result.traceback or "")
    assert [report.state for report in bench.run_all()] == ["RETRY", "SUCCESS"]
    assert result.get(timeout=5) == "done"
    identity = (result.id, result.id, None, [1], {"y": 2})
    assert [(each[0], *each[2:]) for each in seen] == [identity] * 3
    assert [each[1] for each in seen] == [0, 1, 2]


def test_a_retry_waits_in_the_broker(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    def one(self: Task[..., Any], countdown: float | None) -> None:
        raise self.retry(countdown=countdown)

    one.delay(50)
    one.delay(None)
    bench.run_all()
    waits = sorted((message.not_before or 0) - time.time() for message in app.broker.peek("celery"))
    assert waits == [pytest.approx(50, abs=10), pytest.approx(180, abs=10)]


def test_after_enough_retries_the_error_itself_is_the_failure(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True, max_retries=1, default_retry_delay=0)
    def one(self: Task[..., Any], own: bool) -> None:
        raise self.retry(exc=KeyError("real") if own else None)

    for own, error in ((True, KeyError), (False, MaxRetriesExceededError)):
        result = one.delay(own)
        assert [report.state for report in bench.run_all()] == ["RETRY", "FAILURE"]
        assert isinstance(result.result, error)


def test_a_retry_may_have_other_arguments_and_options(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True, default_retry_delay=0)
    def one(self: Task[..., Any], x: int, y: int = 0) -> Any:
        if self.request.retries == 0:
            raise self.retry(args=(5,), countdown=0, queue="celery", priority=9)
        if self.request.retries == 1:
            raise self.retry(kwargs={"x": 7}, countdown=0)
        return x, y, self.request.delivery_info["priority"]

    one.delay(1, y=2)
    assert bench.run_all()[-1].retval == (7, 0, 9)


def test_retry_without_throwing_lets_the_task_go_on(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    def one(self: Task[..., Any]) -> str:
        if self.request.retries == 0:
            assert isinstance(self.retry(countdown=0, throw=False), Retry)
        return "went on"

    one.delay()
    assert [report.retval for report in bench.run_all()] == ["went on", "went on"]


def test_a_swallowed_retry_still_happens(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    def one(self: Task[..., Any]) -> int:
        try:
            if not self.request.retries:
                self.retry(countdown=0)
        except Retry:
            pass
        return self.request.retries

    one.delay()
    assert [report.retval for report in bench.run_all()] == [0, 1]


def test_retry_raised_by_hand_means_what_it_says(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    def one(self: Task[..., Any]) -> int:
        if self.request.retries == 0:
            raise Retry("again", when=0)
        return self.request.retries

    one.delay()
    assert [report.state for report in bench.run_all()] == ["RETRY", "SUCCESS"]


def test_called_as_a_function_retry_raises_the_error(app: Celeriac) -> None:
    @app.task(bind=True)
    def one(self: Task[..., Any], own: bool) -> None:
        try:
            raise KeyError("cause")
        except KeyError:
            raise self.retry(exc=ValueError("own") if own else None) from None

    with pytest.raises(ValueError, match="own"):
        one(True)
    with pytest.raises(Retry):
        one(False)


def test_errors_named_for_it_are_retried_by_themselves(app: Celeriac, bench: Bench) -> None:
    @app.task(
        bind=True,
        autoretry_for=(OSError,),
        dont_autoretry_for=(FileNotFoundError,),
        retry_kwargs={"max_retries": 2, "countdown": 0},
    )
    def one(self: Task[..., Any], error: str) -> None:
        raise {"os": OSError, "missing": FileNotFoundError, "value": ValueError}[error]("x")

    def states(error: str) -> list[str]:
        one.delay(error)
        return [report.state for report in bench.run_all()]

    assert states("os") == ["RETRY", "RETRY", "FAILURE"]
    assert states("missing") == ["FAILURE"]
    assert states("value") == ["FAILURE"]
    with pytest.raises(OSError, match="x"):
        one("os")


@pytest.mark.parametrize("predicate", [Ignore(), Reject("no")])
def test_what_steers_a_task_is_not_retried_by_itself(app: Celeriac, bench: Bench, predicate: Exception) -> None:
    @app.task(autoretry_for=(Exception,), retry_kwargs={"countdown": 0})
    def one() -> None:
        raise predicate

    one.delay()
    assert [report.state for report in bench.run_all()] in (["IGNORED"], ["REJECTED"])


@pytest.mark.parametrize(("jitter", "exact"), [(False, True), (True, False)])
def test_pauses_grow_up_to_their_maximum(app: Celeriac, bench: Bench, jitter: bool, exact: bool) -> None:
    @app.task(
        autoretry_for=(ValueError,), retry_backoff=10, retry_backoff_max=35, retry_jitter=jitter, max_retries=None
    )
    def one() -> None:
        raise ValueError

    for retries, longest in ((0, 10), (1, 20), (2, 35), (9, 35)):
        one.apply_async(retries=retries)
        now = time.time()
        bench.run_one()
        [message] = app.broker.peek("celery")
        app.broker.purge("celery")
        pause = (message.not_before or now) - now
        assert -1 < pause <= longest + 5
        if exact:
            assert pause >= longest - 1


def test_the_tasks_own_limit_of_retries_holds_for_automatic_ones(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True, autoretry_for=(ValueError,), max_retries=10, default_retry_delay=0)
    def one(self: Task[..., Any]) -> None:
        try:
            raise ValueError("x")
        except ValueError as error:
            self.retry(exc=error, max_retries=1, countdown=0)

    one.delay()
    assert [report.state for report in bench.run_all()] == ["RETRY", "FAILURE"]


def test_the_handler_and_the_signal_of_a_retry(app: Celeriac, bench: Bench) -> None:
    told: list[Any] = []

    class Telling(Task[..., Any]):
        def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
            told.append((exc.args, task_id))

        def after_return(self, *args: Any) -> None:
            told.append("after_return")

    def listen(request: Any, reason: Any, einfo: Any, **_: Any) -> None:
        told.append((request.id, str(reason)))

    @app.task(bind=True, base=Telling)
    def one(self: Task[..., Any]) -> None:
        raise self.retry(exc=ValueError("why"), countdown=30)

    signals.task_retry.connect(listen)
    try:
        result = one.delay()
        bench.run_one()
    finally:
        signals.task_retry.disconnect(listen)
    assert told == [(("why",), result.id), (result.id, "Retry in 30s: ValueError('why')")]


def test_a_retry_that_cannot_be_sent_fails_the_task(app: Celeriac, bench: Bench) -> None:
    @app.task(bind=True)
    def one(self: Task[..., Any], x: object) -> None:
        raise self.retry(args=(object(),))

    one.delay(1)
    report = bench.run_one()
    assert (report.state, report.follow_ups) == ("FAILURE", ())
    assert "cannot write" in str(report.exception)


def test_a_retry_goes_to_the_queue_its_message_came_from(app: Celeriac) -> None:
    @app.task(bind=True, queue="usual")
    def one(self: Task[..., Any]) -> None:
        raise self.retry(countdown=0)

    one.apply_async(queue="special")
    with Bench(app, "special") as bench:
        bench.run_one()
    assert len(app.broker.peek("special")) == 1
    assert app.broker.peek("usual") == []


def test_retries_work_on_every_embedded_engine(make_app: Callable[..., Celeriac], url: str) -> None:
    app = make_app(broker=url, backend=url)

    @app.task(bind=True, autoretry_for=(ValueError,), retry_kwargs={"countdown": 0})
    def one(self: Task[..., Any]) -> int:
        if self.request.retries < 2:
            raise ValueError
        return self.request.retries

    result = one.delay()
    with Bench(app) as bench:
        assert [report.state for report in bench.run_all()] == ["RETRY", "RETRY", "SUCCESS"]
    assert result.get(timeout=5) == 2
