"""A connection says what the server answered, what went wrong, and whether the server may have done it."""

import os
import signal
import time

import pytest

from celeriac.redis.connection import Connection
from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError
from celeriac.testing.conformance.harness import in_thread, until
from tests.redis.conftest import MakeConnection
from tests.redis.odd_servers import dripping_server
from tests.servers.proxy import Proxy
from tests.servers.redis_server import RedisServer
from tests.sqlite.test_forks import expect_success, fork

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3])


def through(proxy: Proxy, **options: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"redis://127.0.0.1:{proxy.port}/0?{query}"


@PROTOCOLS
def test_a_call_returns_what_the_server_answers(connect: MakeConnection, server: RedisServer, protocol: int) -> None:
    connection = connect(f"{server.url}?protocol={protocol}")
    assert connection.call("SET", "text", "é") == b"OK"
    assert connection.call(b"GET", "text") == "é".encode()
    assert connection.call("GET", "nothing") is None
    assert connection.call("STRLEN", "text") == 2
    assert connection.call("MGET", "text", "nothing") == ["é".encode(), None]


def test_an_answer_larger_than_any_buffer_is_read_whole(connect: MakeConnection, server: RedisServer) -> None:
    connection = connect(server.url)
    value = os.urandom(3_000_000)
    connection.call("SET", "large", value)
    assert connection.call("GET", "large") == value


def test_an_error_is_raised_with_its_code_and_the_connection_goes_on(
    connect: MakeConnection, server: RedisServer
) -> None:
    connection = connect(server.url)
    connection.call("SET", "text", "x")
    with pytest.raises(RedisRefused, match="WRONGTYPE") as caught:
        connection.call("LPUSH", "text", "y")
    assert caught.value.code == "WRONGTYPE"
    assert connection.call("GET", "text") == b"x"
    assert connection.generation == 1


def test_an_error_in_a_pipeline_is_one_of_the_answers(connect: MakeConnection, server: RedisServer) -> None:
    connection = connect(server.url)
    connection.call("DEL", "text", "list")
    answers = connection.pipeline([("SET", "text", "x"), ("LPUSH", "text", "y"), ("LPUSH", "list", "z")])
    assert [answers[0], answers[2]] == [b"OK", 1]
    assert isinstance(answers[1], ReplyError)
    assert connection.pipeline([]) == []


def test_a_lost_answer_may_mean_done_and_nothing_is_sent_twice(
    connect: MakeConnection, server: RedisServer, proxy: Proxy
) -> None:
    connection = connect(through(proxy))
    connection.call("SET", "counter", 0)
    proxy.reset_after(1)
    with pytest.raises(RedisUnavailable) as caught:
        connection.call("INCR", "counter")
    assert caught.value.maybe_done
    assert connection.call("GET", "counter") == b"1"
    assert connection.generation == 2


def test_a_connection_that_was_closed_while_idle_is_replaced_without_a_word(
    connect: MakeConnection, server: RedisServer
) -> None:
    connection = connect(server.url)
    own_id = connection.call("CLIENT", "ID")
    connect(server.url).call("CLIENT", "KILL", "ID", own_id)
    assert connection.call("PING") == b"PONG"
    assert connection.generation == 2


def test_a_server_that_was_restarted_is_no_reason_to_fail(connect: MakeConnection, server: RedisServer) -> None:
    connection = connect(server.url)
    connection.call("PING")
    server.restart()
    assert connection.call("PING") == b"PONG"


def test_silence_ends_a_call_at_its_deadline(connect: MakeConnection, proxy: Proxy) -> None:
    connection = connect(through(proxy))
    connection.call("PING")
    proxy.silence()
    started = time.monotonic()
    with pytest.raises(RedisUnavailable, match="did not answer in time") as caught:
        connection.call("PING", timeout=0.2)
    assert caught.value.maybe_done
    assert 0.15 < time.monotonic() - started < 2
    proxy.end_silence()
    assert connection.call("PING") == b"PONG"


def test_an_answer_in_drops_ends_at_the_deadline_too(connect: MakeConnection) -> None:
    with dripping_server(pause=0.05) as url:
        started = time.monotonic()
        with pytest.raises(RedisUnavailable, match="did not answer in time"):
            connect(f"{url}?protocol=2").call("ECHO", "x" * 1000, timeout=0.3)
        assert time.monotonic() - started < 2


def test_silence_ends_a_connect_at_its_deadline(connect: MakeConnection, proxy: Proxy) -> None:
    proxy.silence()
    connection = connect(through(proxy, socket_connect_timeout=0.2))
    started = time.monotonic()
    with pytest.raises(RedisUnavailable, match="did not answer in time") as caught:
        connection.call("PING")
    assert not caught.value.maybe_done
    assert time.monotonic() - started < 2


def test_the_url_may_shorten_the_deadline(connect: MakeConnection, proxy: Proxy) -> None:
    connection = connect(through(proxy, socket_timeout=0.1))
    connection.call("PING")
    proxy.silence()
    started = time.monotonic()
    with pytest.raises(RedisUnavailable):
        connection.call("PING")
    assert time.monotonic() - started < 2


def test_a_connection_is_tried_before_use_when_it_was_idle_for_long(connect: MakeConnection, proxy: Proxy) -> None:
    connection = connect(through(proxy, health_check_interval=0.05, socket_timeout=0.2))
    connection.call("PING")
    before = connection.call("CLIENT", "ID")
    proxy.silence()
    time.sleep(0.1)
    in_thread(lambda: (time.sleep(0.1), proxy.end_silence()))
    assert connection.call("CLIENT", "ID") >= before


def test_an_interrupt_in_the_middle_of_an_answer_leaves_no_answer_to_the_next_call(
    connect: MakeConnection, server: RedisServer
) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    connection = connect(server.url)
    connection.call("DEL", "nothing")
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Interrupted):
            connection.call("BLPOP", "nothing", 0, timeout=10)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert connection.call("PING") == b"PONG"


def test_pushes_that_come_between_calls_are_given_to_whom_they_concern(
    connect: MakeConnection, server: RedisServer
) -> None:
    pushes: list[object] = []
    connection = connect(server.url, on_push=pushes.append)
    connection.call("SET", "watched", 1)
    connection.pipeline([("CLIENT", "TRACKING", "ON"), ("GET", "watched")])
    connect(server.url).call("SET", "watched", 2)
    until(lambda: connection.call("PING") == b"PONG" and pushes)
    assert pushes == [[b"invalidate", [b"watched"]]]
    assert connection.generation == 1


def test_a_push_that_comes_with_the_last_answer_is_passed_on(connect: MakeConnection, server: RedisServer) -> None:
    pushes: list[object] = []
    connection = connect(server.url, on_push=pushes.append)
    connection.call("CLIENT", "TRACKING", "ON")
    for number in range(20):
        pushes.clear()
        connection.pipeline([("GET", "watched"), ("SET", "watched", number)])
        # In the same packet, or a moment later.
        until(lambda: pushes or connection.read_available())


@PROTOCOLS
def test_what_was_subscribed_to_is_read_apart_from_calls(
    connect: MakeConnection, server: RedisServer, protocol: int
) -> None:
    subscriber = connect(f"{server.url}?protocol={protocol}")
    subscriber.send(("SUBSCRIBE", "news"))
    assert until(subscriber.read_available) == [[b"subscribe", b"news", 1]]
    assert subscriber.read_available() == []
    connect(server.url).call("PUBLISH", "news", "x")
    subscriber.send(("SUBSCRIBE", "more"))
    heard: list[object] = []
    until(lambda: heard.extend(subscriber.read_available()) or len(heard) == 2)
    assert heard == [[b"message", b"news", b"x"], [b"subscribe", b"more", 2]]


def test_the_end_of_a_connection_is_told_to_who_reads(connect: MakeConnection, proxy: Proxy) -> None:
    subscriber = connect(through(proxy))
    subscriber.send(("SUBSCRIBE", "news"))
    until(subscriber.read_available)
    proxy.cut()
    with pytest.raises(RedisUnavailable):
        until(subscriber.read_available)
    assert not subscriber.is_open
    assert subscriber.fileno() == -1


def test_parent_and_child_have_connections_of_their_own(connect: MakeConnection, server: RedisServer) -> None:
    connection = connect(server.url)
    connection.call("SET", "who", "parent")
    descriptor = connection.fileno()

    def use() -> None:
        with pytest.raises(OSError):
            os.fstat(descriptor)
        _add_many(connection, "child")

    child = fork(use)
    _add_many(connection, "parent")
    expect_success(child)
    assert connection.generation == 1


def _add_many(connection: Connection, name: str) -> None:
    for number in range(200):
        assert connection.call("SET", name, number) == b"OK"
        assert connection.call("GET", name) == str(number).encode()
