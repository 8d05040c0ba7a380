"""What type checkers accept of calls, and what they refuse: exactly the lines that end with ``# refused``."""

import asyncio
from collections.abc import Coroutine
from typing import Any, assert_type

from celeriac import AsyncResult, Celeriac, Signature, Task, current_app, shared_task
from celeriac.result import EagerResult

app = Celeriac("cases", broker="memory://", task_time_limit=30)


@app.task
def add(x: int, y: int = 0) -> int:
    return x + y


@app.task(name="cases.greet", queue="mail", max_retries=None)
def greet(name: str, *, loud: bool = False) -> str:
    return name.upper() if loud else name


@app.task(bind=True, autoretry_for=(OSError,))
def fetch(self: Task[..., bytes], url: str) -> bytes:
    if self.request.retries:
        raise self.retry(countdown=5)
    return url.encode()


@app.task
async def load(path: str) -> list[str]:
    return [path]


@app.task(bind=True)
async def load_bound(self: Task[..., float], path: str) -> float:
    await self.aupdate_state(state="PROGRESS", meta={"path": path})
    return 1.0


@shared_task
def shared(x: int) -> None: ...


@shared_task(bind=True)
def shared_bound(self: Task[..., int], x: int) -> int:
    return x


class Counting(Task[[int], int]):
    calls = 0

    def run(self, number: int) -> int:
        self.calls += 1
        return number


counting = app.register_task(Counting())


@app.task(base=Counting)
def counted(number: int) -> int:
    return number


# delay

assert_type(add.delay(1), AsyncResult[int])
assert_type(add.delay(1, y=2).get(), int)
assert_type(greet.delay("x", loud=True).get(timeout=3), str)
assert_type(fetch.delay("http://x").get(), bytes)
assert_type(load.delay("x").get(), list[str])
assert_type(load_bound.delay("x").get(), float)
assert_type(shared.delay(1), AsyncResult[None])
assert_type(shared_bound.delay(1).get(), int)

add.delay("1")  # refused
add.delay()  # refused
add.delay(1, 2, 3)  # refused
add.delay(1, z=2)  # refused
greet.delay("x", True)  # refused
fetch.delay()  # refused
fetch.delay(None, "http://x")  # refused
load.delay(5)  # refused
load_bound.delay(b"x")  # refused
shared.delay("x")  # refused
shared_bound.delay(shared_bound, 1)  # refused

number: str = add.delay(1).get()  # refused

# called as functions

assert_type(add(1, 2), int)
assert_type(fetch("x"), bytes)
coroutine: Coroutine[Any, Any, list[str]] = load("x")
add("x")  # refused
other_coroutine = load(1)  # refused
fetch(1)  # refused

# apply_async

assert_type(add.apply_async((1, 2), countdown=3, priority=4, headers={"a": 1}), AsyncResult[int])
assert_type(add.apply_async(args=[1], kwargs={"y": 2}, link=add.s(3), link_error=[greet.si("x")]), AsyncResult[int])
add.apply_async((1,), countdwn=3)  # refused
add.apply_async((1,), countdown="soon")  # refused
add.apply_async(1)  # refused
add.apply_async((1,), queue=5)  # refused

# eager

assert_type(add.apply((1,)), EagerResult[int])
assert_type(add.apply((1,)).get(), int)

# many

assert_type(add.delay_many([(1,), (2, 3)]), list[AsyncResult[int]])
add.delay_many(5)  # refused
assert_type(app.publish_many([add.s(1), add.s(2)]), list[AsyncResult[int]])

# signatures

assert_type(add.s(1), Signature[int])
assert_type(add.s(1).delay().get(), int)
assert_type(add.s(1).set(queue="x").apply_async(), AsyncResult[int])

# async


async def main() -> None:
    result = await add.adelay(1, 2)
    assert_type(result, AsyncResult[int])
    assert_type(await result.aget(timeout=1), int)
    assert_type(await result, int)
    assert_type(await load("x"), list[str])
    assert_type(await load.adelay("x"), AsyncResult[list[str]])
    assert_type(await (await load.adelay("x")), list[str])
    assert_type(await add.aapply_async((1,), countdown=1), AsyncResult[int])
    assert_type(await add.adelay_many([(1,)]), list[AsyncResult[int]])
    await add.adelay("x")  # refused
    await load.adelay(1)  # refused


asyncio.run(main())

# classes

assert_type(counted.calls, int)
assert_type(counted.delay(1).get(), int)
counted.nothing  # refused
assert_type(counting.delay(1).get(), int)
counting.delay("x")  # refused


# what takes a task


def send(task: Task[[int], int]) -> AsyncResult[int]:
    return task.delay(1)


send(counting)
send(greet)  # refused
send(shared_bound)
any_task: Task[..., Any] = add
assert_type(current_app.main, str | None)

# options

app.conf.task_time_limit = 5
Celeriac("x", broker=5)  # refused
