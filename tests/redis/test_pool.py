"""Many threads share few connections."""

import threading
from contextlib import closing

import pytest

from celeriac.redis.connecting import Connector
from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.location import Location
from celeriac.redis.pool import Pool
from celeriac.testing.conformance.harness import in_thread
from tests.servers.redis_server import RedisServer
from tests.sqlite.test_forks import expect_success, fork


def make_pool(server: RedisServer, **options: int) -> Pool:
    return Pool(Connector(Location.from_url(server.url, options)))


def test_one_connection_is_enough_for_one_thread(server: RedisServer) -> None:
    with closing(make_pool(server)) as pool:
        assert {pool.call("CLIENT", "ID") for _ in range(10)} == {pool.call("CLIENT", "ID")}


def test_threads_get_connections_of_their_own_up_to_the_limit(server: RedisServer) -> None:
    with closing(make_pool(server, max_connections=3)) as pool:
        ids: set[int] = set()
        begin = threading.Barrier(8)

        def call() -> None:
            begin.wait()
            for number in range(100):
                assert pool.call("ECHO", number) == str(number).encode()
                ids.add(pool.call("CLIENT", "ID"))

        threads = [in_thread(call) for _ in range(8)]
        for thread in threads:
            thread.join()
        assert 1 <= len(ids) <= 3


def test_who_finds_none_free_waits_no_longer_than_the_deadline(server: RedisServer) -> None:
    with (
        closing(make_pool(server, max_connections=1)) as pool,
        pool.connection(),
        pytest.raises(RedisUnavailable, match="All 1 connections"),
    ):
        pool.call("PING", timeout=0.05)


def test_a_connection_that_was_lent_when_the_pool_was_closed_is_closed_when_it_comes_back(server: RedisServer) -> None:
    pool = make_pool(server)
    with pool.connection() as connection:
        assert connection.call("PING") == b"PONG"
        pool.close()
        assert connection.call("PING") == b"PONG"
    assert not connection.is_open
    pool.close()


def test_a_fork_in_the_middle_of_a_call_leaves_the_child_all_it_needs(server: RedisServer) -> None:
    with closing(make_pool(server, max_connections=1)) as pool:
        pool.call("PING")
        with pool.connection():
            child = fork(lambda: pool.call("SET", "by", "child"))
        expect_success(child)
        assert pool.call("GET", "by") == b"child"
