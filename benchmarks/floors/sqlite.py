"""SQLite alone: rows in and out, with the journal and the durability that celeriac uses."""

import sqlite3
from contextlib import closing

from benchmarks.floors.floor import OWN, Floor, file_of, timed
from benchmarks.stores import Store

__all__ = ["SQLITE"]

_INSERT = "INSERT INTO message (envelope) VALUES (?)"
_BATCH = 1_000


def _look(store: Store, count: int, bulk: int) -> dict[str, dict[str, float]]:
    with closing(sqlite3.connect(file_of(store), isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, envelope BLOB)")
        publish = timed(store, count, lambda: _insert(connection, count))
        publish |= timed(store, bulk, lambda: _insert_many(connection, bulk), "bulk-")
        return {"publish": publish, "drain-off": timed(store, count + bulk, lambda: _take_all(connection))}


def _insert(connection: sqlite3.Connection, count: int) -> None:
    """Insert rows one by one: a statement outside a transaction is one."""
    for _ in range(count):
        connection.execute(_INSERT, (OWN,))


def _insert_many(connection: sqlite3.Connection, count: int) -> None:
    for start in range(0, count, _BATCH):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, [(OWN,)] * min(_BATCH, count - start))
        connection.execute("COMMIT")


def _take_all(connection: sqlite3.Connection) -> None:
    """Take rows in batches: read them, then delete them, each in a transaction of its own."""
    while rows := connection.execute("SELECT id, envelope FROM message ORDER BY id LIMIT ?", (_BATCH,)).fetchall():
        connection.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", (rows[0][0], rows[-1][0]))


SQLITE = Floor(
    name="SQLite alone",
    engine="sqlite",
    settings="sqlite3: insert and commit a row of 490 bytes; by 1,000 in bulk; select 1,000 and delete them, one "
    "process, no tasks",
    look=_look,
)
