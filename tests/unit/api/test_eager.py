"""Running tasks here and now."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from celeriac import Celeriac, Task
from celeriac.exceptions import AlwaysEagerIgnored, EncodeError, MaxRetriesExceededError


def test_apply_runs_the_task_with_a_full_request(app: Celeriac) -> None:
    @app.task(bind=True)
    def look(self: Task[..., Any], x: int) -> tuple[Any, ...]:
        request = self.request
        return request.id, request.is_eager, request.called_directly, request.root_id, request.tenant, x

    result = look.apply((1,), task_id="mine", headers={"tenant": "a"})
    assert result.get() == ("mine", True, False, "mine", "a", 1)
    assert (result.state, result.id, result.name) == ("SUCCESS", "mine", look.name)
    assert app.broker.queues() == []


def test_an_error_is_in_the_result_or_thrown(make_app: Callable[..., Celeriac]) -> None:
    app = make_app()

    @app.task
    def fail() -> None:
        raise ValueError("x")

    result = fail.apply()
    assert result.failed()
    assert "raise ValueError" in (result.traceback or "")
    with pytest.raises(ValueError, match="x"):
        result.get()
    with pytest.raises(ValueError, match="x"):
        fail.apply(throw=True)
    app.conf.task_eager_propagates = True
    with pytest.raises(ValueError, match="x"):
        fail.apply()
    assert fail.apply(throw=False).failed()


def test_always_eager_runs_instead_of_publishing_with_arguments_as_a_worker_gets_them(
    make_app: Callable[..., Celeriac],
) -> None:
    app = make_app(task_always_eager=True)

    @app.task
    def kinds(*args: Any) -> list[str]:
        return [type(each).__name__ for each in args]

    assert kinds.delay((1, 2), {"a": 1}).get() == ["list", "dict"]
    assert [result.get() for result in kinds.delay_many([(1,), ("x",)])] == [["int"], ["str"]]
    with pytest.raises(EncodeError):
        kinds.delay(object())
    with pytest.raises(TypeError):
        kinds.apply_async(5)  # type: ignore[arg-type]
    assert app.broker.queues() == []
    with pytest.warns(AlwaysEagerIgnored):
        app.send_task("demo.x")


def test_an_eager_task_may_not_wait_for_another_it_has_called(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(task_always_eager=True)

    @app.task
    def inner() -> int:
        return 1

    @app.task
    def outer() -> int:
        return inner.delay().get()

    assert isinstance(outer.delay().result, RuntimeError)


def test_retries_happen_at_once(app: Celeriac) -> None:
    tries: list[int] = []

    @app.task(bind=True, max_retries=2)
    def flaky(self: Task[..., Any], enough: int) -> str:
        tries.append(self.request.retries)
        if len(tries) <= enough:
            raise self.retry(countdown=1000)
        return "done"

    assert flaky.apply((2,)).get() == "done"
    assert tries == [0, 1, 2]
    tries.clear()
    assert isinstance(flaky.apply((9,)).result, MaxRetriesExceededError)
    tries.clear()
    assert asyncio.run(flaky.aapply((1,))).get() == "done"


def test_automatic_retries_happen_at_once_too(app: Celeriac) -> None:
    tries: list[int] = []

    @app.task(autoretry_for=(ValueError,), max_retries=2)
    def flaky() -> str:
        tries.append(1)
        raise ValueError

    assert flaky.apply().failed()
    assert len(tries) == 3


def test_callbacks_and_errbacks_are_called(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(task_always_eager=True)
    calls: list[Any] = []

    @app.task
    def note(*args: Any) -> None:
        calls.append(args)

    @app.task
    def half(x: int) -> int:
        return x // 2

    half.apply_async((10,), link=note.s())
    half.apply_async(("x",), link_error=note.si("failed"))
    assert calls == [(5,), ("failed",)]


def test_a_coroutine_task_runs_too_with_and_without_a_loop_here(app: Celeriac) -> None:
    @app.task(bind=True)
    async def slow(self: Task[..., Any], x: int) -> tuple[int, str | None]:
        await asyncio.sleep(0)
        return x, self.request.id

    assert slow.apply((1,), task_id="a").get() == (1, "a")

    async def main() -> None:
        assert slow.apply((2,), task_id="b").get() == (2, "b")
        assert (await slow.aapply((3,), task_id="c")).get() == (3, "c")
        assert (await slow(4))[0] == 4

    asyncio.run(main())


def test_ctrl_c_goes_through(app: Celeriac) -> None:
    @app.task
    def one() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.apply()


def test_eager_results_are_stored_if_that_is_wanted(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(broker="memory://eager-results", backend="memory://eager-results", task_always_eager=True)

    @app.task(bind=True)
    def one(self: Task[..., Any]) -> int:
        self.update_state(state="PROGRESS")
        return 1

    task_id = one.delay().id
    assert app.AsyncResult(task_id).state == "PENDING"
    app.conf.task_store_eager_result = True
    task_id = one.delay().id
    assert app.AsyncResult(task_id).get() == 1


def test_replace_runs_the_other_task(app: Celeriac) -> None:
    @app.task
    def real() -> int:
        return 7

    @app.task(bind=True)
    def stand_in(self: Task[..., Any]) -> Any:
        return self.replace(real.s())

    assert stand_in.apply().get() == 7


def test_a_pushed_request_is_what_a_test_of_the_body_sees(app: Celeriac) -> None:
    @app.task(bind=True)
    def one(self: Task[..., Any]) -> Any:
        return self.request.id

    one.push_request(id="pushed")
    try:
        assert one.run() == "pushed"
    finally:
        one.pop_request()
    assert one.run() is None
