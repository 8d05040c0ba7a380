"""An idle consumer on Redis: woken by whomever, without asking all the time; and keys as Celery's tools expect them."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from celeriac.brokers.base import Broadcast, Channel, Consumer, Delivery, Outcome, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import BrokerUnavailable, ImproperlyConfigured
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.queues import Exchange
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import in_thread, until
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of our own: its commands are counted."""
    with RedisServer(tmp_path_factory.mktemp("redis"), fsync="everysec") as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def protocol() -> int:
    return 3


@pytest.fixture
def broker(server: RedisServer, client: Any, protocol: int) -> Iterator[RedisBroker]:
    broker = RedisBroker(f"{server.url}?protocol={protocol}")
    yield broker
    broker.close()


#: Where the server rings on a second connection if it does not speak RESP3.
in_both_protocols = pytest.mark.parametrize("protocol", [3, 2])


def taken_in_thread(consumer: Consumer) -> tuple[threading.Thread, list[str]]:
    """Wait in a thread until the consumer sleeps; what it gets is in the list."""
    queues: list[str] = []

    def wait() -> None:
        deadline = time.monotonic() + 10
        while not queues and time.monotonic() < deadline:
            queues.extend(delivery.queue for delivery in consumer.receive(1, 10))

    return in_thread(wait), queues


def received(consumer: Consumer, count: int) -> list[Delivery]:
    deliveries: list[Delivery] = []
    until(lambda: deliveries.extend(consumer.receive(count, 1)) or len(deliveries) >= count)
    return deliveries


def test_an_idle_consumer_of_many_queues_asks_about_once_a_second(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue(f"q{number}") for number in range(50)], node="one@here")
    assert consumer.receive(10, 0.1) == []
    client.config_resetstat()
    assert consumer.receive(10, 1.5) == []
    stats = client.info("commandstats")
    # A look is two scripts in one round trip.
    assert 1 <= stats["cmdstat_evalsha"]["calls"] <= 2 * 2
    assert "cmdstat_ping" not in stats
    consumer.close()


@in_both_protocols
@pytest.mark.parametrize("key", ["q", "q\x06\x166"])
def test_a_push_by_anybody_wakes_a_waiting_consumer_without_its_asking(
    broker: RedisBroker, client: Any, key: str
) -> None:
    consumer = broker.consumer([Queue("q"), Queue("other")], node="one@here")
    assert consumer.receive(1, 0.05) == []
    for _ in range(5):
        thread, queues = taken_in_thread(consumer)
        client.lpush(key, "rubbish")
        thread.join()
        assert queues == ["q"]
    consumer.close()


@in_both_protocols
def test_a_take_does_not_ring_for_what_it_has_taken(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    assert consumer.receive(10, 0.05) == []
    client.config_resetstat()
    for _ in range(20):
        client.lpush("q", "rubbish")
        assert len(until(lambda: consumer.receive(10, 1))) == 1
        assert consumer.receive(10, 0.01) == []
    # A take for each message, and the looks of a second or two.
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] < 30
    consumer.close()


@in_both_protocols
def test_what_a_consumer_puts_on_its_own_queues_it_finds_without_being_rung_for(broker: RedisBroker) -> None:
    consumer = broker.consumer([Queue("q"), Queue("other")], node="one@here")
    broker.publish([Message(id="a", queue="q", headers={})])
    [taken] = received(consumer, 1)
    assert consumer.receive(10, 0) == []
    consumer.settle([Settlement(delivery=taken, outcome=Outcome.REQUEUE)])
    [again] = consumer.receive(10, 0)
    assert consumer.receive(10, 0) == []
    follow_up = Message(id="b", queue="other", headers={}, priority=9)
    consumer.settle([Settlement(delivery=again, outcome=Outcome.ACK, follow_ups=(follow_up,))])
    [followed] = consumer.receive(10, 0)
    due = Message(id="c", queue="q", headers={}, not_before=time.time() + 0.1)
    consumer.settle([Settlement(delivery=followed, outcome=Outcome.REPLACE, replacement=due)])
    assert [delivery.queue for delivery in consumer.receive(10, 0.6)] == ["other"]
    consumer.close()


@in_both_protocols
def test_a_delayed_message_published_elsewhere_is_waited_for_to_its_moment(broker: RedisBroker) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    assert consumer.receive(1, 0.05) == []
    thread, queues = taken_in_thread(consumer)
    due = time.time() + 0.3
    broker.publish([Message(id="a", queue="q", headers={}, not_before=due)])
    thread.join()
    assert queues == ["q"]
    assert time.time() >= due
    consumer.close()


@in_both_protocols
def test_what_is_emptied_by_others_makes_no_consumer_stop_listening(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    for _ in range(3):
        assert consumer.receive(1, 0) == []
        client.lpush("q", "rubbish")
        client.flushdb()
    thread, queues = taken_in_thread(consumer)
    client.lpush("q", "rubbish")
    thread.join()
    assert queues == ["q"]
    consumer.close()


@in_both_protocols
def test_a_consumer_that_lost_its_connection_is_woken_on_the_next(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    assert consumer.receive(1, 0.05) == []
    for _ in range(3):
        client.client_kill_filter(_type="normal", skipme=True)
        client.client_kill_filter(_type="pubsub")
        assert consumer.receive(1, 0.05) == []
        thread, queues = taken_in_thread(consumer)
        client.lpush("q", "rubbish")
        thread.join()
        assert queues == ["q"]
    consumer.close()


def test_a_server_that_does_not_ring_is_looked_at_instead(server: RedisServer, client: Any, caplog: Any) -> None:
    client.acl_setuser("deaf", enabled=True, passwords=["+secret"], commands=["+@all", "-client|tracking"], keys=["*"])
    client.execute_command("ACL", "SETUSER", "deaf", "&*")
    broker = RedisBroker(server.url.replace("redis://", "redis://deaf:secret@"))
    consumer = broker.consumer([Queue("q")], node="one@here")
    assert consumer.receive(1, 0.05) == []
    assert "looks once a second" in caplog.text
    thread, queues = taken_in_thread(consumer)
    client.lpush("q", "rubbish")
    thread.join()
    assert queues == ["q"]
    consumer.close()
    broker.close()


def test_queues_are_found_by_celery_s_tools(broker: RedisBroker, client: Any) -> None:
    broker.declare(Queue("celery", Exchange("celery"), "celery"))
    broker.publish([Message(id="a", queue="created", headers={})])
    broker.declare(Queue("t", Exchange("events", "topic"), "task.*.#"))
    assert client.smembers("_kombu.binding.celery") == {b"celery\x06\x16\x06\x16celery"}
    assert client.smembers("_kombu.binding.created") == {b"created\x06\x16\x06\x16created"}
    assert client.smembers("_kombu.binding.events") == {b"task.*.#\x06\x16^task\\..*?[^\\.]\\..*?$\x06\x16t"}
    assert client.smembers("_kombu.binding_permanent.celery") == {b"celery\x06\x16\x06\x16celery"}
    broker.delete("celery")
    assert not client.exists("_kombu.binding.celery", "celery")


def test_a_message_to_an_exchange_is_copied_to_each_queue_whose_binding_takes_it(
    broker: RedisBroker, client: Any
) -> None:
    # As another process would have declared them.
    client.sadd("_kombu.binding.e", "a.*\x06\x16^a\\..*?[^\\.]$\x06\x16one", "#\x06\x16^.*?$\x06\x16two")
    broker.publish([Message(id="x", queue="nowhere", headers={}, exchange="e", routing_key="a.b")])
    broker.publish([Message(id="y", queue="nowhere", headers={}, exchange="e", routing_key="c")])
    broker.publish([Message(id="z", queue="own", headers={}, exchange="unbound", routing_key="c")])
    assert (client.llen("one"), client.llen("two"), client.llen("own")) == (1, 2, 1)


def test_priorities_are_celery_s_lists(broker: RedisBroker, client: Any) -> None:
    broker.publish([Message(id=str(each), queue="q", headers={}, priority=each) for each in (None, 0, 2, 3, 5, 9, 255)])
    assert [client.llen(f"q{suffix}") for suffix in ("", "\x06\x163", "\x06\x166", "\x06\x169")] == [3, 2, 0, 2]


def test_other_steps_and_another_separator_can_be_chosen(server: RedisServer, client: Any) -> None:
    broker = RedisBroker(server.url, options={"priority_steps": [0, 5], "sep": ":"})
    assert broker.capabilities.priorities == (0, 5)
    broker.publish([Message(id=str(each), queue="q", headers={}, priority=each) for each in (4, 9)])
    assert (client.llen("q"), client.llen("q:5")) == (1, 1)
    consumer = broker.consumer([Queue("q")], node="one@here")
    assert len(consumer.receive(2, 5)) == 2
    consumer.close()
    broker.close()
    with pytest.raises(ImproperlyConfigured, match="priority_steps"):
        RedisBroker(server.url, options={"priority_steps": "many"})


@pytest.mark.parametrize(("order", "expected"), [("sorted", ["a", "a"]), ("priority", ["b", "b"])])
def test_queues_can_be_emptied_in_an_order(server: RedisServer, client: Any, order: str, expected: list[str]) -> None:
    broker = RedisBroker(server.url, options={"queue_order_strategy": order})
    broker.publish([Message(id="x", queue=queue, headers={}) for queue in "aabb"])
    consumer = broker.consumer([Queue("b"), Queue("a")], node="one@here")
    assert [delivery.queue for _ in range(2) for delivery in consumer.receive(1, 5)] == expected
    consumer.close()
    broker.close()


def test_a_take_asks_a_few_full_queues_for_much_each_and_all_have_their_turn(broker: RedisBroker, client: Any) -> None:
    names = [f"q{number}" for number in range(100)]
    consumer = broker.consumer([Queue(name) for name in names], node="one@here")
    broker.publish([Message(id="x", queue=name, headers={}) for name in names for _ in range(30)])
    # At the first nobody knows yet which of them have more.
    first, *takes = [Counter(delivery.queue for delivery in consumer.receive(160, 5)) for _ in range(9)]
    assert all(len(take) <= 20 and sum(take.values()) == 160 for take in takes)
    assert {name for take in (first, *takes) for name in take} == set(names)
    consumer.close()


def test_many_queues_with_a_message_each_are_emptied_by_one_take(broker: RedisBroker, client: Any) -> None:
    names = [f"q{number}" for number in range(100)]
    consumer = broker.consumer([Queue(name) for name in names], node="one@here")
    assert consumer.receive(10, 0.05) == []
    broker.publish([Message(id="x", queue=name, headers={}) for name in names])
    assert {delivery.queue for delivery in consumer.receive(160, 5)} == set(names)
    consumer.close()


def test_with_interop_a_celery_worker_finds_a_message_with_an_eta_and_without_it_waits_apart(
    server: RedisServer, client: Any
) -> None:
    later = {"not_before": time.time() + 600, "headers": {"eta": "2100-01-01T00:00:00+00:00"}}
    for interop, key in ((True, "q"), (False, "celeriac.delayed.q")):
        broker = RedisBroker(server.url, options={"interop": interop})
        broker.publish([Message(id="a", queue="q", **later)])
        broker.close()
        assert client.exists(key)
        client.flushdb()


def test_broadcasts_use_celery_s_channels_and_envelope(broker: RedisBroker, client: Any) -> None:
    listener = client.pubsub()
    listener.psubscribe("/0.celeryev/*", "/0.celery.pidbox")
    until(lambda: listener.get_message(timeout=1))
    until(lambda: listener.get_message(timeout=1))
    broker.broadcast(Channel(name="celeryev", topics=True), Broadcast(body=b"{}", routing_key="task.sent"))
    broker.broadcast(Channel(name="celery.pidbox"), Broadcast(body=b"{}"))
    found = [until(lambda: listener.get_message(timeout=1)) for _ in range(2)]
    assert [each["channel"] for each in found] == [b"/0.celeryev/task.sent", b"/0.celery.pidbox"]
    assert found[0]["data"].startswith(b'{"body":"e30="')
    listener.close()


def test_a_server_that_is_full_takes_no_message_and_still_lets_workers_empty_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path, settings={"maxmemory-policy": "noeviction"}) as server:
        broker = RedisBroker(server.url)
        with redis.Redis.from_url(server.url) as client:
            broker.publish([Message(id=str(number), queue="q", headers={}) for number in range(20)])
            consumer = broker.consumer([Queue("q")], node="one@here")
            client.config_set("maxmemory", "1mb")
            with pytest.raises(BrokerUnavailable, match="maxmemory"):
                broker.publish([Message(id="a", queue="q", headers={})])
            with pytest.raises(BrokerUnavailable, match="maxmemory"):
                broker.publish([Message(id="a", queue=queue, headers={}) for queue in ("q", "other")])
            assert consumer.renew(b"status")
            assert len(consumer.receive(20, 5)) == 20
            consumer.close()
            assert broker.size("q").ready == 20
        broker.close()


def test_every_consumer_of_a_fanout_queue_gets_its_own_copy_and_settles_it(broker: RedisBroker, client: Any) -> None:
    queues = [Queue(f"bcast.{number}", Exchange("bcast", "fanout")) for number in range(2)]
    consumers = [broker.consumer([queue, Queue("q")], node=queue.name) for queue in queues]
    message = Message(id="a", queue="bcast.0", headers={"task": "t", "id": "a"}, exchange="bcast", routing_key="")
    broker.publish([message])
    client.publish("/0.bcast", client.lindex("q", 0) or b"rubbish")
    for consumer, queue in zip(consumers, queues, strict=True):
        acked, requeued = received(consumer, 2)
        assert (acked.queue, requeued.queue) == (queue.name, queue.name)
        assert envelopes.decode_head(acked.envelope).id == "a"
        assert broker.size(queue.name).in_flight == 2
        settlements = [
            Settlement(delivery=acked, outcome=Outcome.ACK),
            Settlement(delivery=requeued, outcome=Outcome.REQUEUE),
        ]
        assert consumer.settle(settlements) == []
        assert [delivery.envelope for delivery in consumer.receive(2, 5)] == [b"rubbish"]
        consumer.close()


def test_delayed_messages_of_queues_that_only_celery_serves_are_moved_too(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("own")], node="one@here")
    broker.publish([Message(id="a", queue="celery_s", headers={}, not_before=time.time() + 0.1)])
    assert not client.exists("celery_s")
    until(lambda: consumer.recover() or client.llen("celery_s") == 1)
    consumer.close()


def test_a_queue_that_expires_lasts_as_long_as_it_is_used(broker: RedisBroker, client: Any) -> None:
    queue = Queue("short", expires=20.0)
    broker.declare(queue)
    broker.publish([Message(id="a", queue="short", headers={})])
    assert 0 < client.pttl("short") <= 20_000
    client.persist("short")
    consumer = broker.consumer([queue], node="one@here")
    consumer.renew()
    assert 0 < client.pttl("short") <= 20_000
    consumer.close()


def test_after_the_server_has_lost_everything_a_node_and_its_queues_are_there_again(
    broker: RedisBroker, client: Any
) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    client.flushall()
    assert not consumer.renew(b"busy")
    assert [(node.name, node.status) for node in broker.nodes()] == [("one@here", b"busy")]
    assert broker.queues() == ["q"]
    assert client.exists("_kombu.binding.q")
    client.flushall()
    broker.publish([Message(id="a", queue="q", headers={})])
    # A take alone begins the lease anew, and the next renewal says so.
    assert len(received(consumer, 1)) == 1
    assert [node.name for node in broker.nodes()] == ["one@here"]
    assert not consumer.renew()
    assert consumer.renew()
    consumer.close()
