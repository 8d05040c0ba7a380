"""Thousands wait on one connection, and whatever happens to it, no result is missed."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from celeriac.backends.redis import RedisBackend, listener, waits
from celeriac.exceptions import BackendGetMetaError, OperationalError
from celeriac.testing.conformance.harness import in_thread, until
from tests.redis.waiting import Waiting, result, stores
from tests.servers.proxy import Proxy
from tests.servers.redis_sentinel import RedisSentinels
from tests.servers.redis_server import RedisServer
from tests.sqlite.test_forks import expect_success, fork


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def make_backend(server: RedisServer, client: redis.Redis) -> Iterator[Callable[..., RedisBackend]]:
    backends: list[RedisBackend] = []

    def make(port: int = server.port, **rest: object) -> RedisBackend:
        backends.append(RedisBackend(f"redis://127.0.0.1:{port}/0", **rest))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()


def subscribers(client: redis.Redis) -> list[int]:
    """Return how many channels each connection has subscribed to that has to any."""
    return [int(each["sub"]) for each in client.client_list() if each["sub"] != "0"]


def test_thousands_of_threads_wait_on_one_connection(
    make_backend: Callable[..., RedisBackend], client: redis.Redis
) -> None:
    backend, other = make_backend(), make_backend()
    before = threading.stack_size(256 * 1024)
    try:
        waiting = {name: Waiting(backend, name) for name in (f"task-{number}" for number in range(2000))}
    finally:
        threading.stack_size(before)
    until(lambda: subscribers(client) == [2000])
    # Not counting the subscription: what fetches, for all of them.
    assert len(client.client_list()) < 15
    other.store([result(name) for name in waiting])
    for name, wait in waiting.items():
        assert wait.end() == {name}


def test_nothing_is_asked_while_nothing_happens(make_backend: Callable[..., RedisBackend], client: redis.Redis) -> None:
    waiting = [Waiting(make_backend(), "a") for _ in range(3)]
    until(lambda: subscribers(client) == [1, 1, 1])
    until(lambda: _is_quiet(client))
    make_backend().store([result("a")])
    assert [wait.end() for wait in waiting] == [{"a"}] * 3


def _is_quiet(client: redis.Redis) -> bool:
    before = client.info("stats")["total_commands_processed"]
    time.sleep(0.5)
    # This question itself is one.
    return client.info("stats")["total_commands_processed"] == before + 1


def test_a_wait_for_many_is_told_once_when_all_are_ready(make_backend: Callable[..., RedisBackend]) -> None:
    backend, other = make_backend(), make_backend()
    names = [f"task-{number}" for number in range(5000)]
    other.store([result(name) for name in names[:100]])
    wait = Waiting(backend, *names, minimum=5000)
    for start in range(100, 5000, 700):
        other.store([result(name) for name in names[start : start + 700]])
    assert wait.end() == set(names)


def test_what_nobody_waits_for_any_more_is_left(make_backend: Callable[..., RedisBackend], client: redis.Redis) -> None:
    backend = make_backend()
    long = Waiting(backend, "long")
    for number in range(5):
        assert backend.wait([f"brief-{number}"], 0.02) == {}
    assert backend.wait(["last"], 0.5) == {}
    until(lambda: subscribers(client) in ([1], [2]))
    backend.store([result("long")])
    assert long.end() == {"long"}


def test_the_listener_goes_home_when_nobody_waits_and_comes_back(
    make_backend: Callable[..., RedisBackend], client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_IDLE", 0.05)
    monkeypatch.setattr(listener, "_SILENCE", 0.1)
    backend = make_backend()
    for _ in range(3):
        assert backend.wait(["a"], 0.01) == {}
        until(lambda: not [each for each in threading.enumerate() if each.name == "celeriac-results"])
        assert subscribers(client) == []
    wait = Waiting(backend, "a")
    backend.store([result("a")])
    assert wait.end() == {"a"}


def test_a_result_stored_while_the_connection_was_cut_is_not_missed(
    make_backend: Callable[..., RedisBackend], client: redis.Redis, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="celeriac")
    backend, other = make_backend(proxy.port), make_backend()
    waiting = [Waiting(backend, name) for name in ("a", "b")]
    until(lambda: subscribers(client) == [2])
    proxy.refuse()
    other.store([result("a")])
    until(lambda: caplog.records)
    proxy.accept()
    assert waiting[0].end() == {"a"}
    other.store([result("b")])
    assert waiting[1].end() == {"b"}
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "cannot be waited for at the moment" in caplog.records[0].getMessage()


def test_a_server_that_falls_silent_is_left_and_found_again(
    make_backend: Callable[..., RedisBackend],
    client: redis.Redis,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(listener, "_SILENCE", 0.1)
    backend, other = make_backend(proxy.port, options={"socket_connect_timeout": 0.2}), make_backend()
    wait = Waiting(backend, "a")
    until(lambda: subscribers(client) == [1])
    proxy.silence()
    until(lambda: caplog.records)
    other.store([result("a")])
    # What was held back is lost, as after an outage of the network.
    proxy.cut()
    proxy.end_silence()
    assert wait.end() == {"a"}


def test_a_restart_of_the_server_ends_no_wait(
    make_backend: Callable[..., RedisBackend], client: redis.Redis, server: RedisServer
) -> None:
    backend, other = make_backend(), make_backend()
    wait = Waiting(backend, "a")
    until(lambda: subscribers(client) == [1])
    for _ in range(3):
        server.kill()
        server.start()
    other.store([result("a")])
    assert wait.end() == {"a"}


def test_a_wait_that_begins_during_a_restart_goes_on(
    make_backend: Callable[..., RedisBackend], client: redis.Redis, server: RedisServer
) -> None:
    backend, other = make_backend(), make_backend()
    other.store([result("a")])
    assert set(backend.wait(["a"], 10)) == {"a"}
    server.kill()
    waiting = [Waiting(backend, "a"), Waiting(backend, "b")]
    until(lambda: [each for each in threading.enumerate() if each.name == "celeriac-results"])
    server.start()
    other.store([result("b")])
    assert [wait.end() for wait in waiting] == [{"a"}, {"b"}]


def test_a_wait_that_begins_when_the_server_is_away_for_long_says_so(
    make_backend: Callable[..., RedisBackend], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "_PATIENCE", 0.2)
    backend = make_backend(proxy.port)
    assert backend.wait(["a"], 0) == {}
    proxy.refuse()
    for timeout in (0, 0.1, 30):
        with pytest.raises(BackendGetMetaError, match="systemctl start redis-server"):
            backend.wait(["a"], timeout)


def test_close_ends_the_waits_and_the_thread(make_backend: Callable[..., RedisBackend], client: redis.Redis) -> None:
    backend = make_backend()
    wait = Waiting(backend, "a")
    until(lambda: subscribers(client) == [1])
    backend.close()
    assert wait.end() == set()
    assert not [thread for thread in threading.enumerate() if thread.name == "celeriac-results"]


def test_a_child_waits_by_itself_and_leaves_its_parent_waiting(
    make_backend: Callable[..., RedisBackend], client: redis.Redis
) -> None:
    backend, other = make_backend(), make_backend()
    wait = Waiting(backend, "parent")
    until(lambda: subscribers(client) == [1])

    def wait_in_child() -> None:
        assert set(backend.wait(["child"], 30)) == {"child"}

    child = fork(wait_in_child)
    until(lambda: subscribers(client) == [1, 1])
    other.store([result("child"), result("parent")])
    expect_success(child)
    assert wait.end() == {"parent"}


def test_results_follow_the_master_that_the_sentinels_name(tmp_path: Path) -> None:
    with RedisSentinels(tmp_path, count=1) as sentinels:
        options = {"master_name": sentinels.service, "socket_timeout": 2}
        with (
            closing(RedisBackend(sentinels.url, options=options)) as backend,
            closing(RedisBackend(sentinels.url, options=options)) as other,
        ):
            other.store([result("before")])
            # What the replica has not got yet would be lost.
            until(lambda: sentinels.replica.ask("EXISTS", "celery-task-meta-before") == b":1\r\n")
            wait = Waiting(backend, "after")
            assert set(backend.wait(["before"], 10)) == {"before"}
            until(lambda: b"celery-task-meta-after" in sentinels.primary.ask("PUBSUB", "CHANNELS", "*"))
            with pytest.raises(OperationalError, match="know no master called 'other'"):
                RedisBackend(sentinels.url, options={"master_name": "other"}).open()
            sentinels.fail_over()
            until(lambda: stores(other, result("after")))
            assert wait.end() == {"after"}
            assert set(other.fetch(["before", "after"])) == {"before", "after"}


def store_all(backend: RedisBackend, names: list[str]) -> None:
    for name in names:
        until(lambda name=name: stores(backend, result(name)))


@pytest.mark.soak
def test_no_result_is_missed_whatever_happens_to_connections_and_server(
    make_backend: Callable[..., RedisBackend], client: redis.Redis, server: RedisServer, proxy: Proxy
) -> None:
    backend, other = make_backend(proxy.port), make_backend()
    chance = random.Random(7)
    evils: list[Callable[[], object]] = [
        proxy.cut,
        server.restart,
        lambda: (server.kill(), server.start()),
        lambda: (proxy.refuse(), time.sleep(0.3), proxy.accept()),
        lambda: proxy.reset_after(chance.randrange(2000)),
        lambda: client.client_kill_filter(_type="pubsub"),
    ]
    for turn in range(60):
        names = [f"{turn}-{number}" for number in range(100)]
        waiting = [Waiting(backend, *names[:50], minimum=50), *(Waiting(backend, name) for name in names[50:])]
        until(lambda names=names: sum(subscribers(client)) >= len(names))
        thread = in_thread(store_all, other, names)
        # Here, as a server ends with the thread that started it.
        chance.choice(evils)()
        thread.join()
        started = time.monotonic()
        assert waiting[0].end() == set(names[:50])
        assert [wait.end() for wait in waiting[1:]] == [{name} for name in names[50:]]
        assert time.monotonic() - started < 10
