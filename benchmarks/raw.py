"""What the stores allow: the least that has to be done to publish, in the plainest loop of the usual client."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import redis

from benchmarks.stores import RedisStore, temporary_directory

__all__ = ["RAW", "raw_rate"]

#: Bytes of a message: about those of a small call's, in celeriac's own envelope and in Celery's.
_OWN = b"x" * 500
_CELERYS = b"x" * 800
#: Names of the loops, by engine.
RAW = {"sqlite": "SQLite alone", "redis": "redis-py alone"}


def raw_rate(engine: str, count: int) -> float | None:
    """Publish so many bare messages one by one; return how many a second, None where there is no such loop."""
    loops = {"sqlite": _insert, "redis": _push}
    if engine not in loops:
        return None
    with temporary_directory() as directory:
        return loops[engine](Path(directory), count)


def _insert(directory: Path, count: int) -> float:
    """Insert and commit rows one by one, with the journal and the durability that celeriac uses."""
    with closing(sqlite3.connect(directory / "raw.sqlite3", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, envelope BLOB)")
        began = time.monotonic()
        for _ in range(count):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO message (envelope) VALUES (?)", (_OWN,))
            connection.execute("COMMIT")
        return count / (time.monotonic() - began)


def _push(directory: Path, count: int) -> float:
    """Push elements onto a list one by one."""
    store = RedisStore(directory, "raw")
    try:
        with closing(redis.Redis(port=store.port)) as client:
            client.lpush("raw", _CELERYS)
            began = time.monotonic()
            for _ in range(count):
                client.lpush("raw", _CELERYS)
            return count / (time.monotonic() - began)
    finally:
        store.close()
