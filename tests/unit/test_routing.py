"""Where a call goes."""

import re

import pytest

from celeriac.exceptions import ImproperlyConfigured, QueueNotFound
from celeriac.routing import Exchange, Queue, Router
from celeriac.settings import Settings


def no_import(name):
    raise AssertionError(f"{name} was imported")


def router_of(import_name=no_import, **settings):
    return Router.from_settings(Settings(settings), import_name=import_name)


def test_without_rules_everything_goes_to_the_default_queue():
    route = router_of(task_default_queue="post").route("any.task")
    assert (route.queue, route.exchange, route.routing_key) == ("post", "", "post")
    assert (route.priority, route.delivery_mode, dict(route.options)) == (None, 2, {})


def test_names_globs_and_patterns_route():
    router = router_of(
        task_routes={
            "shop.pay": "money",
            "shop.*": {"queue": "shop", "priority": 3, "expires": 60},
            re.compile(r"(mail|letter)\..+"): {"queue": "post"},
        }
    )
    assert router.route("shop.pay").queue == "money", "a whole name goes before a glob"
    shop = router.route("shop.count")
    assert (shop.queue, shop.priority, dict(shop.options)) == ("shop", 3, {"expires": 60})
    assert router.route("letter.send").queue == "post"
    assert router.route("a.letter.send").queue == "celery", "a pattern matches from the start"


def test_the_first_router_that_answers_decides():
    def by_argument(name, args, kwargs, options, task=None, **more):
        return "heavy" if args and args[0] > 100 else None

    router = router_of(task_routes=[by_argument, {"work": "light"}, {"work": "never"}])
    assert router.route("work", (1000,)).queue == "heavy"
    assert router.route("work", (1,)).queue == "light"
    assert router.route("other", (1,)).queue == "celery"


def test_a_function_is_told_all_about_the_call():
    told = []

    def function(name, args, kwargs, options, task=None, **more):
        told.append((name, args, kwargs, options, task))
        return {"queue": "a", "routing_key": "k"}

    router_of(task_routes=function).route("t", (1,), {"a": 2}, options={"priority": 5}, task="task")
    assert told == [("t", (1,), {"a": 2}, {"priority": 5}, "task")]


def test_routers_are_imported_by_name_when_first_needed():
    class OldRouter:
        def route_for_task(self, task, args=None, kwargs=None):
            return {"queue": "old"} if task == "old" else None

    imported = {"proj.route": lambda name, *args, **kwargs: "new" if name == "new" else None, "proj.Old": OldRouter}
    asked = []

    def import_name(name):
        asked.append(name)
        return imported[name]

    router = router_of(import_name, task_routes=["proj.route", "proj.Old"])
    assert asked == []
    assert [router.route(name).queue for name in ("new", "old", "none", "new")] == ["new", "old", "celery", "new"]
    assert asked == ["proj.route", "proj.Old"]


def test_options_of_the_call_win_over_the_router_and_none_is_not_given():
    router = router_of(task_routes={"t": {"queue": "router", "priority": 1, "delivery_mode": 1}})
    route = router.route("t", options={"queue": "call", "priority": 0, "delivery_mode": None, "time_limit": 5})
    assert (route.queue, route.priority, route.delivery_mode) == ("call", 0, 1)
    assert dict(route.options) == {}, "the call's other options are the caller's"
    assert router.route("t", options={"queue": None}).queue == "router"


def test_a_default_priority_counts_last():
    router = router_of(task_default_priority=4, task_routes={"t": {"priority": 0}})
    assert router.route("t").priority == 0
    assert router.route("u").priority == 4
    assert router.route("u", options={"priority": 9}).priority == 9


def test_a_queue_object_can_be_named():
    route = router_of().route("t", options={"queue": Queue("own", Exchange("x", "topic"), "own.key")})
    assert (route.queue, route.exchange, route.routing_key) == ("own", "x", "own.key")
    assert route.declaration.name == "own"


def test_an_unknown_queue_is_refused_when_told_so():
    router = router_of(task_create_missing_queues=False, task_queues=["a"], task_default_queue="a")
    assert router.route("t").queue == "a"
    with pytest.raises(QueueNotFound, match=r"no queue 'b' .*known: a"):
        router.route("t", options={"queue": "b"})


def test_a_topic_exchange_finds_the_queue_behind_it():
    router = router_of(
        task_default_exchange="tasks",
        task_default_exchange_type="topic",
        task_default_queue="default",
        task_default_routing_key="task.default",
        task_queues=(Queue("default", routing_key="task.#"), Queue("feed", routing_key="feed.#")),
        task_routes={"feed.tasks.*": {"routing_key": "feed.import"}},
    )
    feed = router.route("feed.tasks.a")
    assert (feed.queue, feed.exchange, feed.routing_key) == ("feed", "tasks", "feed.import")
    other = router.route("other")
    assert (other.queue, other.exchange) == ("default", "tasks")


def test_an_exchange_and_key_of_the_call_are_used_as_they_are():
    router = router_of(task_queues=(Queue("celery"), Queue("a", Exchange("x"), "k")))
    route = router.route("t", options={"exchange": Exchange("x"), "routing_key": "k"})
    assert (route.queue, route.exchange, route.routing_key) == ("a", "x", "k")
    nobody = router.route("t", options={"exchange": "elsewhere", "routing_key": "k"})
    assert (nobody.queue, nobody.exchange) == ("celery", "elsewhere"), "somebody finds it"


def test_with_a_direct_exchange_a_key_alone_says_nothing():
    route = router_of().route("t", options={"routing_key": "ignored"})
    assert (route.queue, route.exchange, route.routing_key) == ("celery", "", "celery")


def test_a_transient_exchange_makes_transient_messages():
    router = router_of(task_queues=[Queue("celery", Exchange("x", delivery_mode="transient"))])
    assert router.route("t").delivery_mode == 1
    assert router_of(task_default_delivery_mode="transient", task_queues=["celery"]).route("t").delivery_mode == 1


def test_an_answer_that_is_no_route_is_refused():
    with pytest.raises(ImproperlyConfigured, match="answered 7 for the task t"):
        router_of(task_routes=lambda *args, **kwargs: 7).route("t")
    with pytest.raises(ImproperlyConfigured, match="in task_routes cannot route"):
        router_of(task_routes=[3])


def test_what_a_router_answers_is_not_changed():
    answer = {"queue": "a", "expires": 1}
    router = router_of(task_routes={"t": answer})
    router.route("t")
    assert answer == {"queue": "a", "expires": 1}


def test_many_names_do_not_make_the_router_grow_without_end():
    router = router_of(task_routes={"t*": "a"})
    for number in range(5000):
        assert router.route(f"t{number}").queue == "a"
    assert len(router._remembered) <= 2048
