"""How fast one process publishes, beside SQLite alone doing the least that has to be done."""

import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing

from benchmarks.figure import Figure
from benchmarks.side import Side

__all__ = ["publishing"]

#: Bytes of a row in the loop of SQLite alone: about those of a small call's message.
_ROW = b"x" * 500
RAW = "SQLite alone"


def publishing(sides: Sequence[Side], count: int, bulk: int, rounds: int) -> list[Figure]:
    """Measure publishing one at a time, and in bulk where there is a way to."""
    rate = Figure(name="publish one at a time", unit="per second")
    cpu = Figure(name="publish one at a time: CPU", unit="µs", more_is_better=False)
    many = Figure(name="publish in bulk", unit="per second")
    many_cpu = Figure(name="publish in bulk: CPU", unit="µs", more_is_better=False)
    for _ in range(rounds):
        rate.add(RAW, _insert(count))
        for side in sides:
            with side.project() as project:
                found = project.client("publish", count)
            rate.add(side.name, found["rate"])
            cpu.add(side.name, found["cpu"])
        own = sides[0]
        with own.project() as project:
            found = project.client("publish_many", bulk)
        many.add(own.name, found["rate"])
        many_cpu.add(own.name, found["cpu"])
    return [rate, cpu, many, many_cpu]


def _insert(count: int) -> float:
    """Insert and commit rows one by one, with the journal and the durability that celeriac uses; return the rate."""
    with (
        tempfile.TemporaryDirectory(prefix="celeriac-benchmark-") as directory,
        closing(sqlite3.connect(f"{directory}/raw.sqlite3", isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, envelope BLOB)")
        began = time.monotonic()
        for _ in range(count):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO message (envelope) VALUES (?)", (_ROW,))
            connection.execute("COMMIT")
        return count / (time.monotonic() - began)
