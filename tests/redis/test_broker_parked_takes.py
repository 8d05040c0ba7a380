"""A take that waits in the server: it brings the next message by itself, and whatever happens to it loses none."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from celeriac.brokers.base import Consumer, Delivery, Outcome, QueueSize, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.redis.fleet import Fleet
from celeriac.brokers.redis.layout import OPTIONS, Layout
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.redis.location import Location
from celeriac.redis.servers import OneServer
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import in_thread, until
from tests.servers.proxy import Direction, Proxy
from tests.servers.redis_server import RedisServer

Make = Callable[..., RedisBroker]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of our own: its clients are counted, and its users have fewer rights."""
    with RedisServer(tmp_path_factory.mktemp("redis"), fsync="everysec") as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def broker(server: RedisServer, client: Any) -> Iterator[RedisBroker]:
    broker = RedisBroker(server.url)
    yield broker
    broker.close()


def publish(broker: RedisBroker, *task_ids: str, queue: str = "q") -> None:
    broker.publish([Message(id=task_id, queue=queue, headers={"task": "t", "id": task_id}) for task_id in task_ids])


def ids(deliveries: list[Delivery]) -> list[str]:
    return [envelopes.decode(delivery.envelope).id for delivery in deliveries]


def parked_count(client: Any) -> int:
    return int(client.info("clients")["blocked_clients"])


def park(consumer: Consumer, client: Any) -> None:
    """Have the consumer return from a wait while its take stays parked."""
    before = parked_count(client)
    found: list[Delivery] = []
    thread = in_thread(lambda: found.extend(consumer.receive(1, 10)))
    until(lambda: parked_count(client) > before)
    consumer.wake()
    thread.join()
    assert found == []


def let_lease_end(client: Any) -> None:
    """Have every node's lease end a while ago."""
    for incarnation in client.zrange("celeriac.nodes", 0, -1):
        client.zadd("celeriac.nodes", {incarnation: 1})


def test_an_idle_consumer_is_brought_a_message_without_asking_for_it(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q"), Queue("other")], node="one@here")
    park(consumer, client)
    client.config_resetstat()
    publish(broker, "a")
    until(lambda: broker.size("q") == QueueSize(in_flight=1))
    # The bell and the take that it would have led to are not needed.
    assert ids(consumer.receive(5, 0)) == ["a"]
    assert "cmdstat_blmove" not in client.info("commandstats")
    consumer.close()


def test_a_parked_take_goes_where_the_last_message_came_from(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q"), Queue("other")], node="one@here")
    publish(broker, "a", queue="other")
    assert ids(until(lambda: consumer.receive(5, 1))) == ["a"]
    park(consumer, client)
    publish(broker, "b", queue="other")
    until(lambda: broker.size("other") == QueueSize(in_flight=2))
    consumer.close()


def test_nothing_stays_parked_when_a_wait_is_over(broker: RedisBroker, client: Any) -> None:
    idle = broker.consumer([Queue("q")], node="one@here")
    assert idle.receive(1, 0.2) == []
    publish(broker, "a")
    other = broker.consumer([Queue("q")], node="two@here")
    assert ids(other.receive(1, 1)) == ["a"]
    other.close()
    idle.close()


def test_a_consumer_without_room_takes_nothing(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    park(consumer, client)
    assert consumer.receive(0, 0) == []
    publish(broker, "a")
    assert broker.size("q") == QueueSize(ready=1)
    assert ids(consumer.receive(1, 0)) == ["a"]
    consumer.close()


def test_what_came_when_there_was_no_room_any_more_goes_back_for_others(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    park(consumer, client)
    publish(broker, "a", "b")
    until(lambda: broker.size("q").in_flight == 1)
    assert consumer.receive(0, 0) == []
    assert broker.size("q") == QueueSize(ready=2)
    other = broker.consumer([Queue("q")], node="two@here")
    assert ids(other.receive(2, 1)) == ["a", "b"]
    other.close()
    consumer.close()


def test_what_a_consumer_has_but_does_not_ask_for_goes_back(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    park(consumer, client)
    publish(broker, "a")
    until(lambda: broker.size("q").in_flight == 1)
    # As a node does whose results cannot be stored: it holds its lease, and takes nothing.
    until(lambda: (consumer.renew(), consumer.recover()) and broker.size("q") == QueueSize(ready=1))
    consumer.close()


def test_a_parked_take_ends_with_its_queue(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q"), Queue("other")], node="one@here")
    park(consumer, client)
    consumer.cancel_queue("q")
    publish(broker, "a")
    assert broker.size("q") == QueueSize(ready=1)
    publish(broker, "b", queue="other")
    assert ids(until(lambda: consumer.receive(5, 1))) == ["b"]
    consumer.close()


def test_a_consumer_that_closes_gives_back_what_its_parked_take_has_brought(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    park(consumer, client)
    publish(broker, "a")
    until(lambda: broker.size("q").in_flight == 1)
    consumer.close()
    assert broker.size("q") == QueueSize(ready=1)
    publish(broker, "b")
    assert broker.size("q") == QueueSize(ready=2)


def test_a_silent_node_takes_nothing_by_a_parked_take(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    park(consumer, client)
    let_lease_end(client)
    publish(broker, "a")
    until(lambda: parked_count(client) == 0)
    assert broker.size("q") == QueueSize(ready=1)
    # It is not dead after all.
    assert ids(until(lambda: consumer.receive(1, 1))) == ["a"]
    assert not consumer.renew()
    consumer.close()


def test_what_a_stopped_node_was_brought_it_does_not_run_when_others_have_it(broker: RedisBroker, client: Any) -> None:
    stopped = broker.consumer([Queue("q")], node="one@here", lease=1.0)
    other = broker.consumer([Queue("other")], node="two@here", lease=1.0)
    park(stopped, client)
    publish(broker, "a")
    until(lambda: broker.size("q").in_flight == 1)
    # The other one may judge when it has held its lease for a whole one.
    until(lambda: other.renew() and other.recover() == 1)
    other.add_queue(Queue("q"))
    [taken] = until(lambda: other.receive(1, 1))
    assert other.settle([Settlement(delivery=taken, outcome=Outcome.ACK)]) == []
    assert stopped.receive(1, 0.1) == []
    assert broker.size("q") == QueueSize()
    stopped.close()
    other.close()


def test_what_a_node_was_brought_while_it_was_stopped_for_a_moment_it_runs(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    park(consumer, client)
    publish(broker, "a")
    until(lambda: broker.size("q").in_flight == 1)
    read_at = time.monotonic() + 1.2
    until(lambda: time.monotonic() > read_at)
    [delivery] = consumer.receive(5, 0)
    assert ids([delivery]) == ["a"]
    assert consumer.receive(5, 0) == []
    assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
    assert broker.size("q") == QueueSize()
    consumer.close()


def test_what_a_parked_take_is_about_to_bring_is_not_found_in_the_record_as_well(
    server: RedisServer, broker: RedisBroker
) -> None:
    location = Location.from_url(server.url, {}, extras=OPTIONS)
    fleet = Fleet(Layout(location), OneServer(location), node="one@here", lease=30.0)
    fleet.open()
    fleet.add("q")
    fleet.connect()
    assert fleet.take(5, fleet.to_ask()) == []
    until(lambda: fleet.park(5, 1.0) or fleet.take(5, fleet.to_ask()))
    publish(broker, "a")
    until(lambda: broker.size("q").in_flight == 1)
    # The record holds more than was handed out.
    assert fleet.shard_of("q").record.renew()
    assert fleet.take(5, fleet.to_ask()) == []
    assert ids(fleet.parked_arrivals()) == ["a"]
    fleet.close()


def test_a_message_is_handed_out_though_the_answer_of_a_parked_take_was_lost(server: RedisServer, client: Any) -> None:
    with Proxy(server.port) as proxy:
        broker = RedisBroker(proxy.url(server.url))
        consumer = broker.consumer([Queue("q")], node="one@here")
        park(consumer, client)
        proxy.silence(Direction.TO_CLIENT)
        direct = RedisBroker(server.url)
        publish(direct, "a")
        until(lambda: direct.size("q").in_flight == 1)
        proxy.cut()
        proxy.end_silence()
        [delivery] = until(lambda: consumer.receive(5, 1))
        assert ids([delivery]) == ["a"]
        assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
        assert consumer.receive(5, 0.1) == []
        consumer.close()
        broker.close()
        direct.close()


def test_what_could_not_be_given_back_is_handed_out_later(server: RedisServer, client: Any) -> None:
    with Proxy(server.port) as proxy:
        broker = RedisBroker(f"{proxy.url(server.url)}?socket_timeout=0.3")
        consumer = broker.consumer([Queue("q")], node="one@here")
        park(consumer, client)
        direct = RedisBroker(server.url)
        publish(direct, "a")
        until(lambda: direct.size("q").in_flight == 1)
        proxy.silence(Direction.TO_SERVER)
        with pytest.raises(OperationalError):
            consumer.receive(0, 0)
        proxy.cut()
        proxy.end_silence()
        assert ids(until(lambda: consumer.receive(5, 1))) == ["a"]
        consumer.close()
        broker.close()
        direct.close()


def test_a_parked_take_whose_connection_alone_is_lost_is_made_good(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    for task_id in ("a", "b"):
        park(consumer, client)
        [blocked] = [each for each in client.client_list() if "b" in each["flags"]]
        client.client_kill_filter(_id=blocked["id"])
        publish(broker, task_id)
        assert ids(until(lambda: consumer.receive(5, 1))) == [task_id]
        # After an accident nothing is parked for a while, and the bell does.
        publish(broker, f"{task_id}2")
        assert ids(until(lambda: consumer.receive(5, 1))) == [f"{task_id}2"]
    consumer.close()


def test_a_server_that_has_forgotten_the_script_is_told_it_again(broker: RedisBroker, client: Any) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    for task_id in ("a", "b", "c"):
        park(consumer, client)
        client.script_flush()
        publish(broker, task_id)
        assert ids(until(lambda: consumer.receive(5, 1))) == [task_id]
    consumer.close()


@pytest.mark.parametrize("command", ["blmove", "client|unblock", "client|id"])
def test_who_may_not_park_takes_listens_to_the_bell(server: RedisServer, client: Any, command: str) -> None:
    client.acl_setuser("few", enabled=True, passwords=["+secret"], commands=["+@all", f"-{command}"], keys=["*"])
    client.execute_command("ACL", "SETUSER", "few", "&*")
    broker = RedisBroker(server.url.replace("redis://", "redis://few:secret@"))
    consumer = broker.consumer([Queue("q")], node="one@here")
    assert consumer.receive(5, 0.1) == []
    for number in range(3):
        found: list[Delivery] = []
        thread = in_thread(lambda found=found: found.extend(consumer.receive(5, 10)))
        publish(broker, str(number))
        thread.join()
        assert ids(found) == [str(number)]
    # It is not tried again and again.
    assert len(client.acl_log()) == 1
    client.acl_log_reset()
    consumer.close()
    broker.close()


def test_a_full_server_is_not_asked_to_park_again_and_again(tmp_path: Path) -> None:
    with RedisServer(tmp_path, settings={"maxmemory-policy": "noeviction"}) as server:
        broker = RedisBroker(server.url)
        with redis.Redis.from_url(server.url) as client:
            publish(broker, "a")
            consumer = broker.consumer([Queue("q")], node="one@here")
            client.config_set("maxmemory", "1mb")
            assert ids(consumer.receive(5, 0.5)) == ["a"]
            client.config_resetstat()
            assert consumer.receive(5, 0.5) == []
            assert client.info("commandstats")["cmdstat_blmove"]["rejected_calls"] <= 1
            consumer.close()
        broker.close()


def test_a_key_that_is_no_list_is_not_parked_on_again_and_again(
    broker: RedisBroker, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client.set("q", "no list")
    consumer = broker.consumer([Queue("q"), Queue("other")], node="one@here")
    client.config_resetstat()
    assert consumer.receive(5, 0.5) == []
    assert client.info("commandstats")["cmdstat_blmove"]["calls"] <= 1
    assert "holds something that is no list" in caplog.text
    publish(broker, "a", queue="other")
    assert ids(until(lambda: consumer.receive(5, 1))) == ["a"]
    consumer.close()


def test_of_several_that_wait_one_gets_each_message(broker: RedisBroker, client: Any) -> None:
    consumers = [broker.consumer([Queue("q")], node=f"{number}@here") for number in range(3)]
    taken: list[str] = []
    is_over = False

    def work(consumer: Consumer) -> None:
        while not is_over:
            deliveries = consumer.receive(2, 0.2)
            taken.extend(ids(deliveries))
            consumer.settle([Settlement(delivery=each, outcome=Outcome.ACK) for each in deliveries])

    threads = [in_thread(work, consumer) for consumer in consumers]
    expected = [str(number) for number in range(200)]
    for task_id in expected:
        publish(broker, task_id)
    until(lambda: len(taken) >= 200 and broker.size("q") == QueueSize())
    is_over = True
    for thread in threads:
        thread.join()
    assert sorted(taken, key=int) == expected
    for consumer in consumers:
        consumer.close()
