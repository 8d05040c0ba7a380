"""The bare clients do what stands below the tables: all that they publish, and all of it taken."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from benchmarks.floors.floor import file_of
from benchmarks.floors.redis import REDIS
from benchmarks.floors.sqlite import SQLITE
from benchmarks.stores import RedisStore, SqliteStore

ONE_BY_ONE, BULK = 10, 2_500


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisStore]:
    store = RedisStore(tmp_path)
    yield store
    store.close()


def test_sqlite_alone_takes_every_row_it_has_inserted(tmp_path):
    store = SqliteStore(tmp_path)

    found = SQLITE.look(store, ONE_BY_ONE, BULK)

    assert set(found["publish"]) == {"rate", "cpu", "bulk-rate", "bulk-cpu"}
    with closing(sqlite3.connect(file_of(store))) as connection:
        assert connection.execute("SELECT count(*) FROM message").fetchone() == (0,)


def test_redis_py_alone_sends_many_in_one_command_and_takes_every_element(store):
    REDIS.look(store, ONE_BY_ONE, BULK)

    with closing(redis.Redis.from_url(store.urls()[0], decode_responses=True)) as client:
        assert client.exists("list") == 0
        commands = client.info("commandstats")
        # Those it gets warm by, those one by one, and the bulk by the thousand.
        assert commands["cmdstat_lpush"]["calls"] == 200 + ONE_BY_ONE + 3
