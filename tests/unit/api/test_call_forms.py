"""A call that has been made before is filled into a form: nobody can tell its message from that of the first."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from celeriac import Celeriac, signals
from celeriac.exceptions import EncodeError
from celeriac.protocol.message import Message
from celeriac.publication import integration
from celeriac.routing import Queue


@pytest.fixture
def add(app: Celeriac) -> Any:
    @app.task(name="demo.add")
    def add(x: Any, y: Any = 2, *, z: Any = 0) -> Any:
        return x

    return add


@pytest.fixture
def carried() -> Iterator[dict[str, str]]:
    facts = {"tenant": "acme"}
    integration.carried = lambda: facts
    yield facts
    integration.carried = None


def waiting(app: Celeriac, queue: str = "celery") -> list[Message]:
    return app.broker.peek(queue, 100)


def without_id(message: Message) -> Message:
    headers = {name: value for name, value in message.headers.items() if name not in {"id", "root_id"}}
    return msgspec.structs.replace(message, id="", headers=headers)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ignore_result": True},
        {"queue": "slow", "priority": 7},
        {"exchange": "letters", "routing_key": "letters.urgent", "delivery_mode": 1},
        {"serializer": "pickle"},
        {"time_limit": 5, "soft_time_limit": 2.5},
        {"shadow": "nice"},
        {"expires": datetime(2100, 1, 1, tzinfo=UTC), "countdown": None},
        {"headers": {"tenant": "acme"}},
        {"queue": Queue("object"), "retry_policy": {"max_retries": 2}},
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1, 2), {}), ((), {"x": "é'\\"}), ((10**200, [1, {"a": None}]), {"z": 1.5})],
    ids=["plain", "named", "nested"],
)
def test_the_second_message_is_as_the_first(
    app: Celeriac, add: Any, options: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    results = [add.apply_async(args, kwargs, **options) for _ in range(3)]
    queue = options.get("queue", "celery")
    messages = waiting(app, queue if isinstance(queue, str) else queue.name)
    assert {message.id for message in messages} == {result.id for result in results}
    assert all(message.headers["root_id"] == message.headers["id"] == message.id for message in messages)
    first, *others = map(without_id, messages)
    assert others == [first, first]
    assert list(others[0].headers) == list(first.headers)


def test_many_calls_are_written_as_one(app: Celeriac, add: Any) -> None:
    add.delay(1, 2)
    add.delay_many([(1, 2), (1, 2), (1, 2)])
    first, *others = map(without_id, waiting(app))
    assert others == [first, first, first]


def test_a_change_of_the_settings_counts_for_the_next_call(app: Celeriac, add: Any) -> None:
    for _ in range(2):
        add.delay(1)
    app.conf.task_default_priority = 5
    app.conf.task_default_queue = "other"
    add.delay(1)
    [message] = waiting(app, "other")
    assert message.priority == 5


def test_a_change_of_the_task_counts_for_the_next_call(app: Celeriac, add: Any) -> None:
    for _ in range(2):
        add.delay(1)
    add.priority = 8
    add.delay(1)
    assert sorted(message.priority or 0 for message in waiting(app)) == [0, 0, 8]


def test_what_equals_a_good_option_is_still_refused(add: Any) -> None:
    for _ in range(2):
        add.apply_async((1,), priority=1)
    with pytest.raises(TypeError, match="priority"):
        add.apply_async((1,), priority=True)


def test_two_messages_share_nothing_that_a_receiver_could_change(app: Celeriac, add: Any) -> None:
    options = add.call_options((1,), {}, {})
    first, second, third = (app.publisher.message(add.name, (1,), {}, dict(options), task=add) for _ in range(3))
    expected = without_id(msgspec.convert(msgspec.to_builtins(first), Message))
    for message in (first, second, third):
        message.headers["timelimit"].append("mine")
        message.headers["stamps"]["mine"] = 1
    fourth = app.publisher.message(add.name, (1,), {}, dict(options), task=add)
    assert without_id(fourth) == expected


def test_a_receiver_that_comes_later_is_asked(app: Celeriac, add: Any) -> None:
    for _ in range(2):
        add.delay(1)

    def mark(headers: dict[str, Any], **_: Any) -> None:
        headers["mark"] = "seen"

    signals.before_task_publish.connect(mark)
    try:
        add.delay(1)
    finally:
        signals.before_task_publish.disconnect(mark)
    assert [message.headers.get("mark") for message in waiting(app)] == [None, None, "seen"]


def test_what_an_integration_carries_is_in_every_message(app: Celeriac, add: Any, carried: dict[str, str]) -> None:
    add.delay(1)
    carried["tenant"] = "other"
    add.delay(1)
    assert [message.headers["tenant"] for message in waiting(app)] == ["acme", "other"]


def test_an_argument_that_cannot_be_written_is_named_in_any_call(add: Any) -> None:
    add.delay(1)
    for _ in range(2):
        with pytest.raises(EncodeError, match=r"argument 2 \(y\)"):
            add.delay(1, object())
    with pytest.raises(EncodeError, match=r"argument 1 \(x\)"):
        add.delay_many([(1,), (2,), (object(),)])


def test_a_router_of_the_users_is_asked_for_every_call(app: Celeriac, add: Any) -> None:
    app.conf.task_routes = [lambda name, args, *_, **__: {"queue": f"q{args[0]}"}]
    for number in (1, 2):
        add.delay(number)
    assert [len(waiting(app, f"q{number}")) for number in (1, 2)] == [1, 1]
