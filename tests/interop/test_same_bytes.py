"""What celeriac puts on a server for a call is what Celery puts there for it."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from celeriac.amqp.connection import Connection
from celeriac.amqp.location import Location
from tests.interop.grounds import SIDES, Grounds
from tests.interop.sides import Side
from tests.interop.wire import PREFIX, Wire

pytestmark = pytest.mark.timeout(240)

CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "plain": ("look", (1, "x", None, b"\xff"), {"kwargs": {"y": 2.5}}),
    "options": (
        "look",
        (),
        {
            "countdown": 100,
            "expires": 600,
            "priority": 5,
            "headers": {"x-tenant": 7},
            "shadow": "another name",
            "time_limit": 9,
            "soft_time_limit": 8,
            "ignore_result": True,
        },
    ),
    "links": ("echo", (), {"link": ("work.echo", (1,), "L"), "link_error": ("work.told_the_id", (), "E")}),
    "pickle": ("echo", ({1, 2},), {"serializer": "pickle", "compression": "zlib"}),
    "first": ("echo", (), {"priority": 0}),
}

#: What differs between any two calls, or tells the publisher; and the moments, which are compared to the second.
OWN = {"origin", "delivery_tag", "reply_to", "expiration", "eta", "expires"}


def without_ones_own(value: Any) -> Any:
    """Leave out what is different in every call; whether it is there at all is kept."""
    if isinstance(value, dict):
        return {
            name: item is not None if name in OWN - {"reply_to"} else without_ones_own(item)
            for name, item in value.items()
            if name != "reply_to"
        }
    return [without_ones_own(item) for item in value] if isinstance(value, list) else value


def body_of(content_type: str, body: bytes) -> Any:
    return json.loads(body) if content_type == "application/json" else body


@pytest.fixture
def on_redis(grounds: Grounds) -> Iterator[tuple[Wire, redis.Redis]]:
    wire = grounds.wire("redis")
    with redis.Redis.from_url(wire.broker) as server:
        yield wire, server


def published_on_redis(grounds: Grounds, wire: Wire, server: redis.Redis, side: Side, call: str) -> tuple[str, Any]:
    """Have one side publish; return the name of the list, and its only element."""
    queue = wire.queue("bytes")
    task, args, options = CALLS[call]
    grounds.client(side, wire).send(task, *args, queue=queue, task_id="the id", **options)
    [key] = server.keys(f"{PREFIX}:{queue}*")
    element = json.loads(server.rpop(key))
    assert not server.exists(key)
    element["body"] = body_of(element["content-type"], base64.b64decode(element["body"]))
    return key, element


@pytest.mark.parametrize("call", CALLS)
def test_on_redis(grounds: Grounds, on_redis: tuple[Wire, redis.Redis], call: str) -> None:
    celery, celeriac = (published_on_redis(grounds, *on_redis, side, call) for side in SIDES)
    assert celeriac[0] == celery[0], "the same list"
    assert without_ones_own(celeriac[1]) == without_ones_own(celery[1])
    assert list(celeriac[1]["headers"]) == list(celery[1]["headers"]), "in the same order"


@pytest.fixture
def on_rabbitmq(grounds: Grounds) -> Iterator[tuple[Wire, Connection]]:
    wire = grounds.wire("rabbitmq")
    connection = Connection.open(Location.from_url(wire.broker, {}), heartbeat=0, timeout=5, name="bytes")
    yield wire, connection
    connection.close()


def published_on_rabbitmq(grounds: Grounds, wire: Wire, connection: Connection, side: Side, call: str) -> Any:
    """Have one side publish; return all that the message says."""
    queue = wire.queue("bytes")
    task, args, options = CALLS[call]
    grounds.client(side, wire).send(task, *args, queue=queue, task_id="the id", **options)
    arrival = connection.channel().get(queue, no_ack=True)
    assert arrival is not None
    properties = arrival.properties
    facts = {name: getattr(properties, name) for name in properties.__struct_fields__}
    address = {"exchange": arrival.exchange, "routing_key": arrival.routing_key}
    return {**facts, **address, "body": body_of(properties.content_type or "", arrival.body)}


@pytest.mark.parametrize("call", CALLS)
def test_on_rabbitmq(grounds: Grounds, on_rabbitmq: tuple[Wire, Connection], call: str) -> None:
    celery, celeriac = (published_on_rabbitmq(grounds, *on_rabbitmq, side, call) for side in SIDES)
    assert without_ones_own(celeriac) == without_ones_own(celery)


RUNS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "value": ("kinds", (1, b"\xff"), {}),
    "own error": ("fail", (), {}),
    "error of Python's": ("fail", ("key",), {}),
    "too late": ("echo", (1,), {"expires": -1}),
    "child": ("publish_child", (1,), {}),
}
#: Those that are different in every run; of a traceback only that it is there is compared.
OF_ONE_RUN = {"date_done", "worker", "queue", "task_id", "traceback"}


@pytest.mark.parametrize("run", RUNS)
def test_results_on_redis(grounds: Grounds, on_redis: tuple[Wire, redis.Redis], run: str) -> None:
    wire, server = on_redis
    task, args, options = RUNS[run]
    client = grounds.client("celery", wire)
    documents = {}
    for side in SIDES:
        grounds.worker(side, wire)
        task_id = client.send(task, *args, queue=grounds.queue(side, wire), **options)
        child = str(client.result(task_id)["value"])
        text = server.get(f"{PREFIX}:celery-task-meta-{task_id}")
        assert text is not None
        document = json.loads(text.decode().replace(child, "the child's id") if run == "child" else text)
        documents[side] = {name: bool(value) if name in OF_ONE_RUN else value for name, value in document.items()}
    added = documents["celeriac"].popitem()
    assert added[0] == "celeriac-execution", "which Celery does not look at"
    assert documents["celeriac"] == documents["celery"]
    assert list(documents["celeriac"]) == list(documents["celery"]), "in the same order"
