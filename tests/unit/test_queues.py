"""Queues: how they are written down, and which a worker takes from."""

from types import SimpleNamespace

import pytest

from celeriac.exceptions import ImproperlyConfigured, QueueNotFound
from celeriac.routing import Binding, Exchange, Queue, Queues
from celeriac.settings import Settings


def names(queues):
    return [queue.name for queue in queues]


def test_without_settings_there_is_the_default_queue():
    queues = Queues.from_settings(Settings())
    assert names(queues.select()) == ["celery"]
    assert queues["celery"].exchange == Exchange("celery", "direct")
    assert queues["celery"].routing_key == "celery"


def test_a_queue_can_be_written_as_object_name_or_dict():
    queues = Queues.from_settings(
        Settings(
            task_queues=[
                Queue("a"),
                "b",
                {"name": "c", "exchange": "x", "exchange_type": "topic", "binding_key": "c.#"},
            ]
        )
    )
    assert names(queues.select()) == ["a", "b", "c"]
    assert queues["a"].exchange == Exchange("celery")
    assert queues["c"].exchange == Exchange("x", "topic")
    assert queues["c"].routing_key == "c.#"


def test_queues_can_be_a_dict_of_options():
    queues = Queues.from_settings(Settings(task_queues={"a": {"exchange": "x"}, "b": {}}))
    assert names(queues.select()) == ["a", "b"]
    assert queues["a"].exchange == Exchange("x")
    assert queues["a"].routing_key == "a"


def test_a_queue_object_of_kombu_is_understood():
    foreign = SimpleNamespace(
        name="a",
        exchange=SimpleNamespace(name="x", type="topic", durable=True, delivery_mode=1),
        routing_key="a.*",
        queue_arguments={"x-max-priority": 5},
        bindings=[SimpleNamespace(exchange=SimpleNamespace(name="y", type="fanout"), routing_key="", arguments=None)],
        durable=False,
        max_length=None,
    )
    queue = Queue.from_any(foreign)
    assert queue.exchange == Exchange("x", "topic", delivery_mode=1)
    assert (queue.routing_key, queue.durable, queue.queue_arguments) == ("a.*", False, {"x-max-priority": 5})
    assert queue.bindings == (Binding(Exchange("y", "fanout")),)


@pytest.mark.parametrize("bad", [[3], [{"exchange": "x"}], {"a": {"colour": "red"}}])
def test_what_is_no_queue_is_refused(bad):
    with pytest.raises(ImproperlyConfigured, match="queue"):
        Queues(bad)


def test_queues_can_be_compared_and_put_in_sets():
    assert Queue("a", queue_arguments={"x": 1}) == Queue("a", queue_arguments={"x": 1})
    assert len({Queue("a", queue_arguments={"x": 1}), Queue("a", queue_arguments={"x": 1}), Queue("b")}) == 2


def test_an_exclusive_queue_deletes_itself():
    assert Queue("a", exclusive=True).auto_delete


def test_a_missing_queue_is_made_when_named():
    queues = Queues.from_settings(Settings(task_create_missing_queue_type="quorum"))
    assert "mail" not in queues
    assert queues["mail"] == Queue("mail", Exchange("mail"), "mail", queue_arguments={"x-queue-type": "quorum"})
    assert "mail" in queues
    assert names(queues.select()) == ["celery"], "a worker does not take from what was made on the way"


def test_a_missing_queue_is_refused_when_told_so():
    queues = Queues.from_settings(Settings(task_create_missing_queues=False, task_queues=["b", "a"]))
    with pytest.raises(QueueNotFound, match=r"no queue 'c' in task_queues \(known: a, b\)"):
        _ = queues["c"]
    with pytest.raises(QueueNotFound):
        queues.select(["a", "c"])


def test_a_worker_takes_from_the_queues_it_is_told():
    queues = Queues(["a", "b", Queue("c", alias="see")])
    assert names(queues.select(["b", "new"])) == ["b", "new"]
    assert names(queues.select(exclude=["a", "nonsense"])) == ["b", "c"]
    assert names(queues.select(["see"])) == ["c"]
    with pytest.raises(ImproperlyConfigured, match="No queue is left"):
        queues.select(["a"], ["a"])


def test_a_highest_priority_goes_to_queues_without_their_own():
    queues = Queues(["a", Queue("b", queue_arguments={"x-max-priority": 3})], max_priority=10)
    assert queues["a"].queue_arguments == {"x-max-priority": 10}
    assert queues["b"].queue_arguments == {"x-max-priority": 3}


@pytest.mark.parametrize(
    ("pattern", "key", "taken"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*", "a", False),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("#", "", True),
        ("#", "a.b", True),
        ("#.z", "z", True),
        ("#.z", "a.b.z", True),
        ("#.z", "a.b", False),
        ("a.#.z", "a.z", True),
        ("*.#", "a", True),
        ("a.b", "a+b", False),
    ],
)
def test_topic_keys_match_as_in_amqp(pattern, key, taken):
    assert Binding(Exchange("x", "topic"), pattern).takes("x", key) is taken
    assert not Binding(Exchange("x", "topic"), pattern).takes("y", key)


def test_every_way_to_a_queue_counts():
    direct, fanout = Exchange("d"), Exchange("f", "fanout")
    written_for_kombu = Queue("b", [Binding(fanout), Binding(direct, "other")])  # type: ignore[arg-type]
    queues = Queues([Queue("a", direct, "k"), written_for_kombu])
    assert names(queues.bound_to("d", "k")) == ["a"]
    assert names(queues.bound_to("d", "other")) == ["b"]
    assert names(queues.bound_to("f", "whatever")) == ["b"]
    assert queues.bound_to("d", "nonsense") == []
