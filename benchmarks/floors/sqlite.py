"""SQLite alone: rows in and out, with the journal and the durability that celeriac uses."""

import sqlite3
from contextlib import closing

from benchmarks.floors.floor import OWN, Floor, file_of, timed
from benchmarks.stores import Store

__all__ = ["SQLITE"]

_BATCH = 1_000
_TAKEN = 64


def _look(store: Store, count: int, bulk: int) -> dict[str, dict[str, float]]:
    with closing(sqlite3.connect(file_of(store), isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, envelope BLOB)")
        publish = timed(store, count, lambda: _insert(connection, count, 1))
        publish |= timed(store, bulk, lambda: _insert(connection, bulk, _BATCH), "bulk-")
        return {"publish": publish, "drain-off": timed(store, count + bulk, lambda: _take_all(connection))}


def _insert(connection: sqlite3.Connection, count: int, batch: int) -> None:
    for start in range(0, count, batch):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(OWN,)] * min(batch, count - start)
        connection.executemany("INSERT INTO message (envelope) VALUES (?)", rows)
        connection.execute("COMMIT")


def _take_all(connection: sqlite3.Connection) -> None:
    """Take rows in batches: read them, then delete them, each in a transaction of its own."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute("SELECT id, envelope FROM message ORDER BY id LIMIT ?", (_TAKEN,)).fetchall()
        connection.execute("COMMIT")
        if not rows:
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", (rows[0][0], rows[-1][0]))
        connection.execute("COMMIT")


SQLITE = Floor(
    name="SQLite alone",
    engine="sqlite",
    settings="sqlite3: insert and commit a row of 480 bytes; by 1,000 in bulk; select 64 and delete them, one process, "
    "no tasks",
    look=_look,
)
