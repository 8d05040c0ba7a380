"""What celeriac holds in Redis goes back to Celery's lists."""

import json
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from celeriac.brokers.base import Outcome, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.remarks import GivenBack
from celeriac.protocol import kombu_envelope
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from tests.redis.key_space import own_keys
from tests.servers.redis_cluster import RedisCluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(params=["server", "cluster"])
def broker(request: pytest.FixtureRequest) -> Iterator[RedisBroker]:
    if request.param == "server":
        with own_keys(13) as url:
            broker = RedisBroker(url)
            yield broker
            broker.close()
        return
    address = urlsplit(request.getfixturevalue("cluster").url).netloc
    broker = RedisBroker(f"redis+cluster://{address}?global_keyprefix={uuid.uuid4().hex}-")
    yield broker
    broker.close()


def message(task_id: str, queue: str = "celery", **fields: object) -> Message:
    return Message(id=task_id, queue=queue, headers={"task": "t", "id": task_id}, body=b"[[], {}, {}]", **fields)  # type: ignore[arg-type]


def elements(broker: RedisBroker, queue: str, priority: int = 0) -> list[bytes]:
    """Return what lies in a list of Celery's, in the order in which Celery's workers take it."""
    key = broker._layout.list(queue, priority)
    found: list[bytes] = broker._server.pool_of(key.encode()).call(b"LRANGE", key, 0, -1)
    return found[::-1]


def test_everything_held_is_given_back_once(broker: RedisBroker) -> None:
    due = time.time() + 1000
    for queue in ("celery", "mail"):
        broker.declare(Queue(queue))
    broker.publish([message("later", not_before=due + 1), message("sooner", not_before=due)])
    broker.publish([message("idle", not_before=due, priority=9), message("other", "mail", not_before=due)])
    assert broker.size("celery").delayed == 3
    broker.publish([message("taken"), message("dead"), message("ready")])
    silent = broker.consumer([Queue("celery")], node="silent@here", lease=0.3)
    taken = silent.receive(2, 5)
    assert len(taken) == 2
    silent.settle([Settlement(delivery=taken[1], outcome=Outcome.REJECT, reason="no")])
    deadline = time.monotonic() + 10
    given = [broker.give_back(["celery"], dead=True)]
    while not given[-1].in_flight:
        assert time.monotonic() < deadline
        given.append(broker.give_back(["celery"], dead=True))
    assert given[0].delayed == 3
    assert given[0].dead == 1
    assert given[-1].in_flight == 1
    assert broker.give_back(["celery"], dead=True) == GivenBack()
    assert broker.size("mail").delayed == 1, "it was not asked for"
    messages = [kombu_envelope.decode(element) for element in elements(broker, "celery")]
    assert [each.id for each in messages] == ["taken", "ready", "sooner", "later", "dead"]
    assert [each.not_before for each in messages[2:4]] == pytest.approx([due, due + 1])
    assert json.loads(elements(broker, "celery")[0])["headers"]["redelivered"] is True
    [idle] = elements(broker, "celery", 9)
    assert kombu_envelope.decode(idle).not_before == pytest.approx(due)
    assert broker.give_back().delayed == 1, "all queues"
    silent.close()


def test_what_living_nodes_have_stays_with_them(broker: RedisBroker) -> None:
    broker.declare(Queue("celery"))
    broker.publish([message("a")])
    consumer = broker.consumer([Queue("celery")], node="alive@here")
    [delivery] = consumer.receive(1, 5)
    assert broker.give_back() == GivenBack()
    assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
    consumer.close()
