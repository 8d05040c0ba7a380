"""The timetable in an SQLite file."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from celeriac.brokers.base import Broker
from celeriac.sqlite.database import Database
from celeriac.sqlite.queries import QUERIES
from celeriac.sqlite.sharing import SqliteEngine
from celeriac.timetables.base import (
    FOREVER,
    HISTORY_LENGTH,
    Claim,
    Due,
    EntryState,
    Leader,
    Order,
    PlannedRun,
    RunRecord,
    Timetable,
)
from celeriac.timetables.comparison import Changes, Definition, Known
from celeriac.timetables.sqlite.changes import change_one, put_entry, read_known, remove_entry, replace_entries
from celeriac.timetables.sqlite.claiming import Book, add_run, mark_published, take
from celeriac.timetables.sqlite.listening import Listening
from celeriac.timetables.sqlite.rows import to_record, to_run, to_state

__all__ = ["SqliteTimetable"]

_ORDERS: Mapping[Order, str] = {"name": "entries_by_name", "next": "entries_by_moment"}


class SqliteTimetable(Timetable, SqliteEngine):
    """In the file of another engine, or in one of its own. A claim publishes if the broker's messages are there too."""

    def __init__(self, database: Database, *, broker: Broker | None = None) -> None:
        SqliteEngine.__init__(self, database)
        self.publishes = self.shares_file_with(broker)
        self.url = database.location.url
        self._listening = Listening(database)

    @classmethod
    def beside(cls, engine: SqliteEngine, broker: Broker) -> "SqliteTimetable":
        """Return the timetable in an engine's file."""
        return cls(engine.database, broker=broker)

    def open(self) -> None:
        self.database.open()

    def close(self) -> None:
        self._listening.close()
        self.database.close()

    def namespace(self) -> str:
        (identity,) = self.database.read(lambda connection: connection.execute(QUERIES["identity"]).fetchone())
        return str(identity)

    def now(self) -> float:
        return time.time()

    def remove(self, name: str) -> bool:
        return self.database.write(lambda transaction: remove_entry(transaction, name))

    def pause(self, name: str, until: float = FOREVER) -> bool:
        return self.database.write(lambda transaction: change_one(transaction, "pause_entry", name, until))

    def resume(self, name: str, next_at: float | None) -> bool:
        return self.database.write(lambda transaction: change_one(transaction, "resume_entry", name, next_at))

    def due(self, limit: int, *, now: float | None = None) -> Due:
        moment = self.now() if now is None else now

        def look(connection: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], float | None]:
            connection.execute("BEGIN")
            try:
                self._listening.saw(connection)
                rows = connection.execute(QUERIES["due_entries"], (moment, limit + 1)).fetchall()
                if len(rows) > limit:
                    return rows[:limit], rows[limit][-1]
                next_look = connection.execute(QUERIES["next_look"], (moment,)).fetchone()
                return rows, next_look and next_look[0]
            finally:
                connection.execute("ROLLBACK")

        rows, next_moment = self.database.read(look)
        return Due(now=moment, states=tuple(to_state(row) for row in rows), next_moment=next_moment)

    def claim(self, claims: Sequence[Claim]) -> list[bool]:
        if not claims:
            return []
        return self.database.write(lambda transaction: take(transaction, claims, self.now(), book=self._book))

    def run_by_hand(self, name: str, run: PlannedRun) -> bool:
        return self.database.write(lambda transaction: add_run(transaction, name, run, self.now(), book=self._book))

    def pending(self, age: float, limit: int = 100) -> list[PlannedRun]:
        return [to_run(row) for row in self._select("pending_runs", self.now() - age, limit)]

    def mark_published(self, run_ids: Sequence[str]) -> None:
        if run_ids:
            self.database.write(lambda transaction: mark_published(transaction, run_ids, self.now()))

    def withdraw(self, run_ids: Sequence[str]) -> None:
        if run_ids:
            arguments = (json.dumps(run_ids),)
            self.database.write(
                lambda transaction: transaction.connection.execute(QUERIES["delete_pending"], arguments)
            )

    def lead(self, name: str, seconds: float) -> bool:
        # Looked at first, so that those who do not lead never wait for the lock.
        leader = self.leader()
        if leader is not None and leader.name != name:
            return False

        def apply(connection: sqlite3.Connection) -> bool:
            now = self.now()
            leader = _read_leader(connection, now)
            if leader is not None and leader.name != name:
                return False
            connection.execute(QUERIES["set_leader"], (name, now, now + seconds))
            return True

        return self.database.write(lambda transaction: apply(transaction.connection))

    def step_down(self, name: str) -> None:
        self.database.write(lambda transaction: transaction.connection.execute(QUERIES["delete_leader"], (name,)))

    def leader(self) -> Leader | None:
        return self.database.read(lambda connection: _read_leader(connection, self.now()))

    def wait(self, timeout: float) -> bool:
        return self._listening.wait(timeout)

    def wake(self) -> None:
        self._listening.wake()

    def get(self, name: str) -> EntryState | None:
        return next((to_state(row) for row in self._select("entry", name)), None)

    def states(self, names: Sequence[str]) -> dict[str, EntryState]:
        found = [to_state(row) for row in self._select("entries_of", json.dumps(list(names)))]
        return {state.entry.name: state for state in found}

    def entries(self, offset: int = 0, limit: int = 100, *, order: Order = "name") -> list[EntryState]:
        return [to_state(row) for row in self._select(_ORDERS[order], limit, offset)]

    def count(self) -> int:
        [(count,)] = self._select("count_entries")
        return int(count)

    def history(self, name: str, limit: int = HISTORY_LENGTH) -> list[RunRecord]:
        return [to_record(row) for row in self._select("history", name, limit)]

    def _known(self, source: str, names: Sequence[str]) -> Mapping[str, Known]:
        return self.database.read(lambda connection: read_known(connection, source, names))

    def _replace(
        self, source: str, definitions: Mapping[str, Definition], moments: Mapping[str, float | None]
    ) -> Changes | None:
        return self.database.write(lambda transaction: replace_entries(transaction, source, definitions, moments))

    def _put(self, definition: Definition, next_at: float | None) -> None:
        self.database.write(lambda transaction: put_entry(transaction, definition, next_at))

    @property
    def _book(self) -> Book:
        return Book(self.publishes, self.history_length)

    def _select(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return self.database.read(lambda connection: connection.execute(QUERIES[query], arguments).fetchall())


def _read_leader(connection: sqlite3.Connection, now: float) -> Leader | None:
    row = connection.execute(QUERIES["leader"]).fetchone()
    if row is None:
        return None
    leader = Leader(name=row[0], since=row[1], until=row[2])
    return leader if leader.leads_at(now) else None
