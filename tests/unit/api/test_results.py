"""Reading results, by threads and by coroutines."""

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from celeriac import AsyncResult, Celeriac, Task, states
from celeriac.exceptions import IncompleteStream, ResultsDisabled, TimeoutError
from celeriac.request import Context
from celeriac.result import EagerResult, ResultSet, allow_join_result, result_from_tuple
from tests.unit.api.bench import Bench


@pytest.fixture
def every_app(make_app: Callable[..., Celeriac], url: str) -> Celeriac:
    return make_app(broker=url, backend=url)


def finish(app: Celeriac, task_id: str, value: Any, state: str = states.SUCCESS) -> None:
    app.backend.store([app.result_format.write(Context(id=task_id), state, value)])


def test_get_waits_for_the_result(every_app: Celeriac) -> None:
    result = every_app.AsyncResult("a")
    timer = threading.Timer(0.05, finish, (every_app, "a", {"x": 1}))
    timer.start()
    assert result.get(timeout=10) == {"x": 1}
    timer.join()
    assert result.ready()
    assert result.successful()
    assert (result.state, result.status, result.info) == ("SUCCESS", "SUCCESS", {"x": 1})


def test_get_gives_up_with_a_sentence(app: Celeriac) -> None:
    with pytest.raises(
        TimeoutError, match=r"task nobody was not there within 0\.05 s \(its state is PENDING\): is a worker"
    ):
        app.AsyncResult("nobody").get(timeout=0.05)


def test_what_nobody_knows_is_pending(app: Celeriac) -> None:
    result = app.AsyncResult("nobody")
    assert (result.state, result.result, result.traceback, result.ready()) == ("PENDING", None, None, False)
    assert not result.exists()
    with pytest.raises(IncompleteStream):
        list(result.iterdeps())


def test_get_calls_back(app: Celeriac) -> None:
    finish(app, "a", 5)
    heard: list[Any] = []
    app.AsyncResult("a").get(callback=lambda *facts: heard.append(facts), on_message=heard.append)
    assert heard[0]["status"] == "SUCCESS"
    assert heard[1] == ("a", 5)
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            finish(app, "b", 6)

    assert app.AsyncResult("b").get(timeout=10, interval=0.01, on_interval=tick) == 6
    assert len(ticks) == 3


def test_an_error_of_a_parent_ends_the_wait(app: Celeriac) -> None:
    parent: AsyncResult[Any] = app.AsyncResult("parent")
    child = app.AsyncResult("child", parent=parent)
    finish(app, "parent", ValueError("early"), states.FAILURE)
    with pytest.raises(ValueError, match="early"):
        child.get(timeout=10)
    with pytest.raises(TimeoutError):
        child.get(timeout=0.01, follow_parents=False)
    with pytest.raises(ValueError, match="early"):
        asyncio.run(child.aget(timeout=10))
    finish(app, "other parent", 1)
    threading.Timer(0.02, finish, (app, "other child", 2)).start()
    assert app.AsyncResult("other child", parent=app.AsyncResult("other parent")).get(timeout=10) == 2


def test_forget_drops_it(every_app: Celeriac) -> None:
    finish(every_app, "a", 5)
    result = every_app.AsyncResult("a")
    assert result.get() == 5
    result.forget()
    assert result.state == "PENDING"
    result.forget()


def test_where_results_are_off_reading_says_so_at_once(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(broker="memory://without-results")

    @app.task
    def one() -> None: ...

    result = one.delay()
    for read in (
        result.get,
        result.ready,
        lambda: result.state,
        lambda: result.result,
        result.forget,
        lambda: result.then(print),
    ):
        with pytest.raises(ResultsDisabled, match="set result_backend, for example"):
            read()
    with pytest.raises(ResultsDisabled):
        asyncio.run(result.aget())


def test_a_task_must_not_wait_for_another_unless_it_is_allowed(app: Celeriac, bench: Bench) -> None:
    finish(app, "there", 5)

    @app.task
    def wait(how: str) -> Any:
        other = app.AsyncResult("there")
        if how == "allowed":
            with allow_join_result():
                return other.get(timeout=1)
        return other.get(timeout=1, disable_sync_subtasks=how != "insists")

    for how in ("plain", "allowed", "insists"):
        wait.delay(how)
    refused, allowed, insists = bench.run_all()
    assert isinstance(refused.exception, RuntimeError)
    assert "Never call result.get() within a task" in str(refused.exception)
    assert allowed.retval == insists.retval == 5


def test_results_can_be_compared_copied_and_pickled(app: Celeriac) -> None:
    result = app.AsyncResult("a", parent=app.AsyncResult("p"))
    assert result == app.AsyncResult("a") == "a"
    assert result != app.AsyncResult("b")
    assert len({result, app.AsyncResult("a")}) == 1
    assert str(result) == "a"
    assert repr(result) == "<AsyncResult: a>"
    assert result.as_tuple() == (("a", (("p", None), None)), None)
    assert result.as_list() == ["a", "p"]
    for twin in (copy.copy(result), pickle.loads(pickle.dumps(result)), result_from_tuple(result.as_tuple(), app)):
        assert twin == result
        assert twin.parent == result.parent
    with pytest.raises(ValueError, match="needs the id"):
        AsyncResult(None)  # type: ignore[arg-type]


def test_then_calls_back_when_the_result_comes(every_app: Celeriac) -> None:
    heard: list[Any] = []
    done = threading.Event()

    def on_done(result: Any) -> None:
        heard.append(("done", result.result))

    def on_error(result: Any) -> None:
        heard.append(("error", result.result.args))
        done.set()

    every_app.AsyncResult("a").then(on_done, on_error)
    every_app.AsyncResult("b").then(on_done, on_error)
    finish(every_app, "a", 1)
    finish(every_app, "b", ValueError("x"), states.FAILURE)
    assert done.wait(10)
    assert sorted(heard) == [("done", 1), ("error", ("x",))]


def test_coroutines_wait_without_blocking_the_loop(every_app: Celeriac) -> None:
    count = 500
    before = set(threading.enumerate())

    async def main() -> list[Any]:
        waits = [asyncio.create_task(every_app.AsyncResult(f"t{number}").aget(timeout=30)) for number in range(count)]
        # The loop goes on while all of them wait.
        await asyncio.sleep(0.01)
        assert not any(wait.done() for wait in waits)
        assert [thread.name for thread in set(threading.enumerate()) - before].count("celeriac-results") == 1
        await asyncio.to_thread(lambda: [finish(every_app, f"t{number}", number) for number in range(count)])
        return await asyncio.gather(*waits)

    assert asyncio.run(main()) == list(range(count))


def test_a_coroutine_may_await_the_result_itself_give_up_and_see_errors(every_app: Celeriac) -> None:
    async def main() -> None:
        finish(every_app, "a", 5)
        assert await every_app.AsyncResult("a") == 5
        with pytest.raises(TimeoutError, match="was not there within"):
            await every_app.AsyncResult("nobody").aget(timeout=0.02)
        finish(every_app, "b", KeyError("x"), states.FAILURE)
        with pytest.raises(KeyError):
            await every_app.AsyncResult("b").aget()
        assert isinstance(await every_app.AsyncResult("b").aget(propagate=False), KeyError)

    asyncio.run(main())


def test_one_result_after_the_other_wakes_the_waiting_thread_each_time(every_app: Celeriac) -> None:
    """A result that comes while the thread waits for another is not held up."""

    async def main() -> None:
        never = asyncio.create_task(every_app.AsyncResult("never").aget(timeout=60))
        for number in range(60):
            waiting = asyncio.create_task(every_app.AsyncResult(f"n{number}").aget(timeout=20))
            await asyncio.sleep(0)
            await asyncio.to_thread(finish, every_app, f"n{number}", number)
            assert await waiting == number
        never.cancel()

    async def in_time() -> None:
        # Held up each time by the thread's own look, once a second, it would take half a minute.
        await asyncio.wait_for(main(), 15)

    asyncio.run(in_time())


def test_publishing_and_waiting_from_coroutines(every_app: Celeriac) -> None:
    @every_app.task
    def add(x: int, y: int) -> int:
        return x + y

    async def main() -> list[int]:
        results = await asyncio.gather(*(add.adelay(number, 1) for number in range(20)))
        results += await add.adelay_many([(20, 1), (21, 1)])
        results.append(await add.aapply_async((22, 1), queue="celery"))
        results.append(await every_app.asend_task(add.name, (23, 1)))
        results.append(await add.s(1).adelay(24))
        results += await every_app.apublish_many([add.s(25, 1)])

        def work() -> None:
            with Bench(every_app) as bench:
                bench.run_all()

        await asyncio.to_thread(work)
        return [await result.aget(timeout=20) for result in results]

    assert sorted(asyncio.run(main())) == list(range(1, 27))


def test_an_eager_result_is_there(app: Celeriac) -> None:
    result: EagerResult[int] = EagerResult("a", 5, "SUCCESS")
    assert (result.get(), result.state, result.ready(), result.successful()) == (5, "SUCCESS", True, True)
    assert asyncio.run(result.aget()) == 5
    failed: EagerResult[int] = EagerResult("b", ValueError("x"), "FAILURE", traceback="tb")
    with pytest.raises(ValueError, match="x"):
        failed.get()
    assert isinstance(failed.get(propagate=False), ValueError)
    assert failed.traceback == "tb"
    failed.revoke()
    assert failed.state == "REVOKED"
    assert repr(failed) == "<EagerResult: b>"


def test_a_task_can_read_its_own_earlier_results(app: Celeriac) -> None:
    class Reading(Task[..., int]): ...

    @app.task(base=Reading)
    def one() -> int:
        return 1

    finish(app, "a", 5)
    assert one.AsyncResult("a").get() == 5


def test_a_set_of_results_is_waited_for_together(every_app: Celeriac) -> None:
    results = ResultSet([every_app.AsyncResult(f"s{number}") for number in range(5)])
    assert results.waiting()
    timer = threading.Timer(0.02, lambda: [finish(every_app, f"s{number}", number) for number in (3, 1, 0, 4, 2)])
    timer.start()
    assert results.get(timeout=20) == [0, 1, 2, 3, 4]
    timer.join()
    assert results.ready()
    assert results.successful()
    assert results.completed_count() == len(results) == 5
    assert sorted(results.iterate()) == [0, 1, 2, 3, 4]
    assert asyncio.run(results.aget(timeout=5)) == [0, 1, 2, 3, 4]
    results.add(every_app.AsyncResult("s5"))
    results.add(every_app.AsyncResult("s5"))
    assert len(results) == 6
    with pytest.raises(TimeoutError, match=r"1 of 6 results were not there within 0\.05 s, s5"):
        results.get(timeout=0.05)
    finish(every_app, "s5", ValueError("x"), states.FAILURE)
    with pytest.raises(ValueError, match="x"):
        results.get(timeout=20)
    assert results.failed()
    results.discard("s5")
    with pytest.raises(KeyError):
        results.remove("s5")
    results.forget()
    assert results.waiting()
