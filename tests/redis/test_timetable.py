"""The timetable in Redis: connections that break, a server that is full, keys of a foreign kind, and lost data."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
import redis

from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import BrokerUnavailable, MessageRefused
from celeriac.protocol.message import Message
from celeriac.queues import Exchange, Queue
from celeriac.run_id import run_id
from celeriac.schedule_entry import ScheduleEntry
from celeriac.testing.conformance.harness import in_thread
from celeriac.timetables.base import Claim, EntryState, PlannedRun
from celeriac.timetables.redis import RedisTimetable
from tests.servers.redis_server import RedisServer
from tests.timetables.scheduler import Scheduler


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    settings = {"maxmemory-policy": "noeviction"}
    with RedisServer(tmp_path_factory.mktemp("redis"), fsync="everysec", settings=settings) as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client
        client.config_set("maxmemory", "0")


@pytest.fixture
def broker(server: RedisServer) -> Iterator[RedisBroker]:
    broker = RedisBroker(server.url)
    yield broker
    broker.close()


@pytest.fixture
def timetable(broker: RedisBroker) -> Iterator[RedisTimetable]:
    timetable = RedisTimetable(broker.location, broker=broker)
    yield timetable
    timetable.close()


def entry(name: str) -> ScheduleEntry:
    return ScheduleEntry(name=name, task="t", schedule={"every": 1})


def saved(timetable: RedisTimetable, name: str) -> EntryState:
    timetable.save(entry(name), 1000.0)
    state = timetable.get(name)
    assert state is not None
    return state


def claim_of(state: EntryState, **message: object) -> Claim:
    name = state.entry.name
    fields = {"id": name, "queue": "q", "headers": {"task": "t", "id": name}, **message}
    run = PlannedRun(id=name, due=1000.0, message=Message(**fields))
    return Claim(name=name, generation=state.generation, due=1000.0, next_at=2000.0, runs=(run,))


@pytest.mark.parametrize("database", [0, 1], ids=["one database", "two databases"])
def test_every_run_is_published_while_connections_break(
    client: "redis.Redis[bytes]", server: RedisServer, broker: RedisBroker, database: int
) -> None:
    names, last = [f"entry-{number}" for number in range(5)], 1000.0 + 199
    location = RedisBroker(server.url.replace("/0", f"/{database}")).location
    schedulers = [Scheduler(broker, RedisTimetable(location, broker=broker), last) for _ in range(4)]
    timetable = schedulers[0].timetable
    assert timetable.publishes is (database == 0)
    timetable.sync("code", [entry(name) for name in names], lambda _: 1000.0)
    threads = [in_thread(scheduler.run) for scheduler in schedulers]
    is_over = threading.Event()

    def cut() -> None:
        while not is_over.wait(0.02):
            client.client_kill_filter(_type="normal", skipme=True)

    knife = in_thread(cut)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    is_over.set()
    knife.join()
    assert sum(scheduler.failures for scheduler in schedulers) > 0
    had = Counter(claim for scheduler in schedulers for claim in scheduler.had)
    assert set(had.values()) == {1}
    published = Counter(message.id for message in broker.peek("q", 100_000))
    namespace = timetable.namespace()
    assert set(published) == {run_id(namespace, name, 1000.0 + number) for name in names for number in range(200)}
    if timetable.publishes:
        assert set(published.values()) == {1}
    assert timetable.pending(0) == []
    for scheduler in schedulers:
        scheduler.timetable.close()


def test_on_a_server_that_is_full_a_run_stays_due(
    client: "redis.Redis[bytes]", broker: RedisBroker, timetable: RedisTimetable
) -> None:
    state = saved(timetable, "a")
    timetable.claim([])
    broker.publish([Message(id="first", queue="q", headers={})])
    client.config_set("maxmemory", "1mb")
    with pytest.raises(BrokerUnavailable, match=r"stays due\. .* has reached its maxmemory") as caught:
        timetable.claim([claim_of(state)])
    assert not isinstance(caught.value, MessageRefused)
    assert timetable.get("a") == state
    assert [each.entry.name for each in timetable.due(10).states] == ["a"]
    client.config_set("maxmemory", "0")
    assert timetable.claim([claim_of(state)]) == [True]
    assert [message.id for message in broker.peek("q")] == ["first", "a"]


def test_a_queue_s_key_that_is_no_list_keeps_only_its_own_runs_back(
    client: "redis.Redis[bytes]", broker: RedisBroker, timetable: RedisTimetable
) -> None:
    states = [saved(timetable, name) for name in ("a", "b", "c")]
    client.set("wrong", "text")
    claims = [claim_of(states[0]), claim_of(states[1], queue="wrong"), claim_of(states[2])]
    with pytest.raises(MessageRefused, match=r"could not be published, and stays due\. .*WRONGTYPE"):
        timetable.claim(claims)
    assert [message.id for message in broker.peek("q")] == ["a", "c"]
    assert timetable.claim(claims[::2]) == [False, False]
    assert [each.entry.name for each in timetable.due(10, now=1500.0).states] == ["b"]


def test_a_run_goes_where_the_broker_brings_messages(
    client: "redis.Redis[bytes]", broker: RedisBroker, timetable: RedisTimetable
) -> None:
    broker.declare(Queue("one", Exchange("both"), routing_key="key"))
    broker.declare(Queue("two", Exchange("both"), routing_key="key"))
    state = saved(timetable, "a")
    assert timetable.claim([claim_of(state, queue="one", exchange="both", routing_key="key", priority=6)]) == [True]
    assert [[message.id for message in broker.peek(queue)] for queue in ("one", "two")] == [["a"], ["a"]]
    assert client.llen("one\x06\x166") == 1
    state = saved(timetable, "b")
    later = timetable.now() + 1000
    assert timetable.claim([claim_of(state, queue="later", not_before=later)]) == [True]
    assert broker.size("later").delayed == 1
    assert {"one", "two", "later"} <= set(broker.queues())


def test_a_server_that_has_lost_its_data_begins_another_timetable(
    client: "redis.Redis[bytes]", timetable: RedisTimetable
) -> None:
    state, namespace = saved(timetable, "a"), timetable.namespace()
    assert timetable.lead("one", 60)
    timetable.due(1)
    client.flushall()
    assert timetable.wait(30)
    assert timetable.claim([claim_of(state)]) == [False]
    assert timetable.namespace() != namespace
    assert timetable.lead("two", 60)
    assert timetable.sync("code", [entry("a")], lambda _: 1000.0).added == ("a",)


def test_what_is_asked_for_at_each_tick_costs_the_server_the_same_with_many_entries(
    client: "redis.Redis[bytes]", timetable: RedisTimetable
) -> None:
    commands = []
    # The first round makes connections and declares the queue.
    for count in (10, 20, 2000):
        entries = [entry(f"{number:04}") for number in range(count)]
        timetable.sync("code", entries, lambda _: 1000.0)
        timetable.due(1)
        client.config_resetstat()
        states = timetable.due(5).states
        assert timetable.claim([claim_of(state) for state in states]) == [True] * 5
        assert timetable.lead("one", 60)
        statistics = client.info("commandstats")
        commands.append({name: each["calls"] for name, each in statistics.items() if "cmdstat_config" not in name})
    assert commands[1] == commands[2]
