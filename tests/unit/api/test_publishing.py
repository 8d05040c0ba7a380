"""Publishing: what a call becomes on its way to the broker."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from celeriac import Celeriac, Task, signals
from celeriac.exceptions import BrokerUnavailable, EncodeError, MessageRefused, PublishUnconfirmed, TaskNotSent
from celeriac.protocol.message import Message
from celeriac.protocol.task_call import TaskCall, decode_task
from celeriac.publication import Publication, integration, publish_all
from tests.unit.api.bench import Bench


@pytest.fixture
def add(app: Celeriac) -> Any:
    @app.task(name="demo.add")
    def add(x: int, y: int = 2, *, z: int = 0) -> int:
        return x + y + z

    return add


def published(bench: Bench) -> tuple[Message, TaskCall]:
    [message] = bench.messages()
    return message, decode_task(message, ["json", "msgpack", "pickle"])


def test_delay_publishes_a_message_of_protocol_2(add: Any, bench: Bench) -> None:
    result = add.delay(1, y=5)
    message, call = published(bench)
    assert message.id == result.id
    assert message.queue == "celery"
    assert (call.task, call.args, call.kwargs) == ("demo.add", [1], {"y": 5})
    assert message.headers["argsrepr"] == "(1,)"
    assert message.headers["origin"].startswith("gen")
    assert call.root_id == result.id
    assert call.parent_id is None


def test_the_options_of_a_call_are_in_its_message(add: Any, bench: Bench) -> None:
    before = time.time()
    result = add.apply_async(
        (1,),
        task_id="mine",
        expires=60,
        queue="slow",
        priority=7,
        headers={"tenant": "acme"},
        ignore_result=True,
        time_limit=20,
        soft_time_limit=10,
        serializer="msgpack",
        compression="zlib",
        shadow="nice name",
        group_id="g",
        group_index=3,
    )
    with Bench(add.app, "slow") as slow:
        message, call = published(slow)
    assert result.id == message.id == "mine"
    assert message.queue == "slow"
    assert message.priority == 7
    assert call.expires is not None
    assert before + 59 < call.expires.timestamp() < before + 62
    assert call.headers == {"tenant": "acme"}
    assert call.ignore_result is True
    assert call.timelimit == (20, 10)
    assert message.content_type == "application/x-msgpack"
    assert message.headers["compression"] == "application/x-gzip"
    assert (call.shadow, call.group, call.group_index) == ("nice name", "g", 3)


@pytest.mark.parametrize(
    "options",
    [
        lambda _: {"countdown": 100},
        lambda later: {"eta": later},
        lambda later: {"eta": later.isoformat()},
        lambda later: {"eta": later.replace(tzinfo=None)},
    ],
    ids=["countdown", "moment", "text", "moment without a zone"],
)
def test_a_later_moment_is_written_in_every_way(add: Any, options: Callable[[datetime], dict[str, Any]]) -> None:
    add.apply_async((1,), **options(datetime.now(UTC) + timedelta(seconds=100)))
    [message] = add.app.broker.peek("celery")
    assert message.not_before is not None
    assert abs(message.not_before - time.time() - 100) < 10
    assert datetime.fromisoformat(message.headers["eta"]).timestamp() == pytest.approx(message.not_before)


def test_a_moment_without_a_zone_is_in_the_apps_zone(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(timezone="Asia/Tokyo")

    @app.task
    def one() -> None: ...

    one.apply_async(eta=datetime(2050, 1, 1, 9))
    [message] = app.broker.peek("celery")
    assert message.headers["eta"] == "2050-01-01T09:00:00+09:00"


def test_the_tasks_own_options_are_beneath_those_of_the_call(app: Celeriac, bench: Bench) -> None:
    @app.task(queue="slow", priority=3, time_limit=9)
    def one() -> None: ...

    one.delay()
    one.apply_async(queue="celery", priority=4)
    with Bench(app, "slow") as slow:
        message, call = published(slow)
    assert (message.priority, call.timelimit) == (3, (9, None))
    message, call = published(bench)
    assert (message.priority, call.timelimit) == (4, (9, None))


def test_routes_of_the_settings_find_the_queue(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(task_routes={"mail.*": {"queue": "mail", "priority": 8}}, task_default_queue="jobs")

    @app.task(name="mail.send")
    def send() -> None: ...

    @app.task(name="demo.other")
    def other() -> None: ...

    send.delay()
    other.delay()
    app.send_task("mail.unknown_here")
    assert [message.priority for message in app.broker.peek("mail")] == [8, 8]
    assert len(app.broker.peek("jobs")) == 1
    app.conf.task_routes = {"demo.*": "elsewhere"}
    other.delay()
    assert len(app.broker.peek("elsewhere")) == 1


@pytest.mark.parametrize(
    ("args", "kwargs", "sentence"),
    [
        ((), {}, "missing a required argument: 'x'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"w": 3}, "unexpected keyword argument 'w'"),
        ((1,), {"x": 3}, "multiple values for argument 'x'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_sentence(add: Any, args: Any, kwargs: Any, sentence: str) -> None:
    with pytest.raises(
        TypeError, match=r"The task demo\.add\(x: int, y: int = 2.*cannot be called like this: "
    ) as caught:
        add.delay(*args, **kwargs)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert add.app.broker.size("celery").ready == 0


def test_the_check_of_arguments_can_be_switched_off(app: Celeriac, make_app: Callable[..., Celeriac]) -> None:
    @app.task(typing=False)
    def one(x: int) -> None: ...

    one.apply_async((1, 2, 3))
    lenient = make_app(strict_typing=False)

    @lenient.task(shared=False)
    def two(x: int) -> None: ...

    two.apply_async(())


def test_an_argument_that_cannot_be_sent_is_named(add: Any) -> None:
    with pytest.raises(
        EncodeError, match=r"argument 2 \(y\) of demo\.add is a object that json cannot write.*Pass plain"
    ):
        add.delay(1, object())
    with pytest.raises(
        EncodeError, match=r"argument 'z' of demo\.add is a set|argument 'z' of demo\.add is a function"
    ):
        add.delay(1, z=lambda: 1)
    assert add.app.broker.size("celery").ready == 0


def test_args_that_are_no_list_are_refused_in_a_sentence(add: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a list or tuple, not 'ab'; write args=\('ab',\)"):
        add.apply_async(args=("ab"))
    with pytest.raises(TypeError, match="must be a dict"):
        add.apply_async(args=(1,), kwargs=[1])


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"args": 5}, TypeError, r"must be a list or tuple, not 5; write args=\(5,\)"),
        ({"args": (1,), "kwargs": [1]}, TypeError, "must be a dict"),
        ({"args": (1,), "countdown": "soon"}, TypeError, "countdown of demo.add must be a number of seconds"),
        ({"args": (1,), "countdown": 1e300}, ValueError, "beyond what a calendar can hold"),
        ({"args": (1,), "eta": "tomorrow"}, ValueError, "is no moment; write it as in"),
        ({"args": (1,), "eta": 5}, TypeError, "must be a datetime"),
        ({"args": (1,), "cuontdown": 5}, TypeError, "did you mean 'countdown'"),
        ({"args": (1,), "time_limit": 5, "soft_time_limit": 6}, ValueError, "must not be longer than the hard one"),
    ],
)
def test_odd_options_are_refused_in_a_sentence(
    add: Any, options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    add.typing = False
    with pytest.raises(error, match=sentence):
        add.apply_async(**options)
    assert add.app.broker.size("celery").ready == 0


def test_options_nobody_knows_say_nothing_as_in_celery(add: Any, bench: Bench) -> None:
    add.apply_async((1,), some_brokers_own_property=5)
    published(bench)


def test_send_task_needs_only_a_name(app: Celeriac, bench: Bench) -> None:
    result = app.send_task("far.away", (1,), {"x": 2}, countdown=0, queue="celery")
    message, call = published(bench)
    assert (call.task, call.args, call.kwargs) == ("far.away", [1], {"x": 2})
    assert message.id == result.id


def test_send_task_of_a_task_known_here_has_its_options(app: Celeriac) -> None:
    @app.task(name="demo.slow", queue="slow")
    def slow() -> None: ...

    app.send_task("demo.slow")
    assert len(app.broker.peek("slow")) == 1


def test_many_are_published_in_one_round_trip(app: Celeriac, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    original = app.broker.publish

    def counting(messages: Any, **options: Any) -> None:
        batches.append(len(messages))
        original(messages, **options)

    monkeypatch.setattr(app.broker, "publish", counting)

    @app.task
    def one(number: int) -> None: ...

    results = one.delay_many(((number,) for number in range(1500)), priority=4)
    assert batches == [1000, 500]
    waiting = app.broker.peek("celery", limit=2000)
    assert [message.id for message in waiting] == [result.id for result in results]
    assert {message.priority for message in waiting} == {4}
    results = app.publish_many([one.s(1), one.s(number=2).set(queue="slow")])
    assert batches == [1000, 500, 2]
    assert app.broker.peek("slow")[0].id == results[1].id


def test_many_calls_are_checked_before_any_is_published(add: Any) -> None:
    for calls, error, sentence in (
        ([(1,), ()], TypeError, "missing a required argument"),
        ([(1,), 2], TypeError, r"2 is none: write \(2,\)"),
        (["ab"], TypeError, "'ab' is none"),
        ([(1,), (object(),)], EncodeError, r"argument 1 \(x\)"),
    ):
        with pytest.raises(error, match=sentence):
            add.delay_many(calls)
    with pytest.raises(TypeError, match="cannot have one task_id"):
        add.delay_many([(1,), (2,)], task_id="a")
    assert add.delay_many([]) == []
    assert add.app.broker.size("celery").ready == 0


def test_receivers_see_each_of_many(add: Any, bench: Bench) -> None:
    def before(headers: dict[str, Any], body: Any, **_: Any) -> None:
        headers["first"] = body[0][0]

    signals.before_task_publish.connect(before)
    try:
        add.delay_many([(1,), (2,)], countdown=0, expires=60)
    finally:
        signals.before_task_publish.disconnect(before)
    assert [message.headers["first"] for message in bench.messages()] == [1, 2]


def test_receivers_may_add_headers_and_change_arguments_before_publishing(add: Any, bench: Bench) -> None:
    after: list[Any] = []

    def before(sender: str, body: Any, headers: dict[str, Any], routing_key: str, **_: Any) -> None:
        assert (sender, routing_key) == ("demo.add", "celery")
        headers["trace"] = "abc"
        body[1]["y"] = 7

    def afterwards(sender: str, headers: dict[str, Any], **_: Any) -> None:
        after.append((sender, headers["id"]))

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(afterwards)
    try:
        result = add.delay(1)
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(afterwards)
    _, call = published(bench)
    assert call.kwargs == {"y": 7}
    assert call.headers == {"trace": "abc"}
    assert after == [("demo.add", result.id)]


class _Flaky:
    """Refuses so many publishes, then passes them on: a fault in front of the real broker."""

    def __init__(self, broker: Any, refusals: int) -> None:
        self._publish = broker.publish
        self.refusals = refusals

    def __call__(self, messages: Any, **options: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BrokerUnavailable("The broker is away.")
        self._publish(messages, **options)


def test_publishing_is_tried_again_as_the_policy_says(add: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = add.app
    policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.01, "interval_max": 0.01}
    monkeypatch.setattr(app.broker, "publish", _Flaky(app.broker, 2))
    add.apply_async((1,), retry_policy=policy)
    assert app.broker.size("celery").ready == 1
    for options, refusals in (({"retry": False}, 1), ({"retry_policy": policy}, 3)):
        monkeypatch.setattr(app.broker, "publish", _Flaky(type(app.broker)(app.broker.url), refusals))
        with pytest.raises(BrokerUnavailable, match="away"):
            add.apply_async((1,), **options)
    assert app.broker.size("celery").ready == 1


def test_what_is_in_is_not_published_again(add: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that broke in the middle: the second try has the rest only."""
    app, publish = add.app, add.app.broker.publish
    tries: list[list[str]] = []

    def break_once(messages: Any, **options: Any) -> None:
        tries.append([message.id for message in messages])
        if len(tries) == 1:
            publish(messages[:2], **options)
            raise PublishUnconfirmed("The connection broke.", published=[message.id for message in messages[:2]])
        publish(messages, **options)

    monkeypatch.setattr(app.broker, "publish", break_once)
    ids = [result.id for result in add.delay_many([(1,), (2,), (3,)])]
    assert tries == [ids, ids[2:]]
    assert app.broker.size("celery").ready == 3


def test_an_error_says_which_messages_are_in(add: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([("a", PublishUnconfirmed), ("b", BrokerUnavailable)])
    announced: list[Any] = []

    def take_one(messages: Any, **_: Any) -> None:
        taken, kind = next(errors)
        raise kind("The broker is away.", published=[message.id for message in messages if message.id == taken])

    def announce(headers: Any, **_: Any) -> None:
        announced.append(headers["id"])

    monkeypatch.setattr(add.app.broker, "publish", take_one)
    signals.after_task_publish.connect(announce)
    calls = [add.signature((number,), task_id=task_id) for number, task_id in enumerate("abc")]
    calls[0].options["retry_policy"] = {"max_retries": 1}
    try:
        with pytest.raises(PublishUnconfirmed) as caught:
            add.app.publish_many(calls)
    finally:
        signals.after_task_publish.disconnect(announce)
    assert caught.value.published == ("a", "b")
    assert announced == ["a", "b"]


def test_what_the_broker_will_never_take_is_not_tried_again(add: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Any] = []

    def refuse(messages: Any, **_: Any) -> None:
        tries.append(messages)
        raise MessageRefused("The queue is full.")

    monkeypatch.setattr(add.app.broker, "publish", refuse)
    with pytest.raises(MessageRefused, match="full"):
        add.delay(1)
    assert len(tries) == 1


def test_a_connection_that_takes_long_to_fail_is_not_tried_beyond_the_deadline(
    add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def fail_slowly(_: Any) -> None:
        tries.append(time.monotonic())
        time.sleep(0.3)
        raise BrokerUnavailable("Nobody answers.")

    monkeypatch.setattr(add.app.broker, "declare", fail_slowly)
    with pytest.raises(BrokerUnavailable):
        add.apply_async((1,), timeout=0.5, retry_policy={"interval_start": 0, "interval_step": 0})
    assert len(tries) == 1


class Gate:
    """Holds everything."""

    def __init__(self) -> None:
        self.held: list[Publication] = []

    def awaited(self, using: str | None) -> str | None:
        return "default"

    def hold(self, publication: Publication, awaited: str) -> None:
        self.held.append(publication)


def test_an_integration_may_hold_publishing_back(add: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = add.app
    gate = Gate()
    monkeypatch.setattr(integration, "gate", gate)
    result = add.delay(1)
    assert app.broker.size("celery").ready == 0
    with pytest.raises(TaskNotSent, match="has not been sent"):
        result.get()
    publish_all(gate.held)
    assert app.broker.peek("celery")[0].id == result.id
    add.apply_async((2,), on_commit=False)
    assert app.broker.size("celery").ready == 2


def test_without_settings_messages_and_results_lie_beside_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "some_tasks.py").write_text("from celeriac import Celeriac\napp = Celeriac('some_tasks')\n")
    monkeypatch.syspath_prepend(tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CELERIAC_BROKER_URL", raising=False)
    import some_tasks  # type: ignore[import-not-found]

    app: Celeriac = some_tasks.app
    expected = f"sqlite:///{tmp_path}/home/celeriac.sqlite3"
    assert app.broker_url == app.result_backend_url == expected
    app.default_directory = tmp_path
    assert app.broker_url == f"sqlite:///{tmp_path}/celeriac.sqlite3"
    app.close()


def test_the_environment_names_another_broker(
    make_app: Callable[..., Celeriac], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_BROKER_URL", "memory://from-environment")
    assert make_app(broker="memory://from-code").broker_url == "memory://from-environment"


def test_with_a_broker_of_its_own_results_are_off(make_app: Callable[..., Celeriac]) -> None:
    assert make_app(broker="memory://own").result_backend_url is None
    assert make_app(broker="memory://own", backend="memory://r").result_backend_url == "memory://r"


def test_a_change_of_the_settings_changes_the_engines(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(broker="memory://first")
    assert app.broker.url == "memory://first"
    assert app.backend.stores_results is False
    app.conf.update(broker_url="memory://second", result_backend="memory://second")
    assert app.broker.url == "memory://second"
    assert app.backend.stores_results is True


def test_a_task_without_an_app_belongs_to_the_current_one(app: Celeriac) -> None:
    class Free(Task[[], None]):
        name = "demo.free"

        def run(self) -> None: ...

    assert Free().app is app
