"""Results in an SQLite file: rows, and a bell for those who wait."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from celeriac.backends.base import ChordProgress, Holding, ResultBackend, StoredResult
from celeriac.brokers.base import Broker
from celeriac.exceptions import BackendError, BackendGetMetaError, BackendStoreError
from celeriac.sqlite.database import Database
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.holdings import end_runs, hold_runs, let_go_of_runs
from celeriac.sqlite.location import Location
from celeriac.sqlite.queries import QUERIES
from celeriac.sqlite.results import prune_results, read_results, store_results
from celeriac.sqlite.sharing import SqliteEngine
from celeriac.sqlite.waits import Waits

__all__ = ["SqliteBackend"]

T = TypeVar("T")

#: Rows dropped in one transaction, at most, so that nobody waits long for the lock.
_CHUNK = 5000


class SqliteBackend(ResultBackend, SqliteEngine):
    """Keeps results in a file. With a broker that uses the same file it shares that broker's connections."""

    timetable_engine: ClassVar[str | None] = "sqlite"
    holds_runs: ClassVar[bool] = True

    def __init__(self, url: str, *, options: Mapping[str, Any] | None = None, broker: Broker | None = None) -> None:
        location = Location.from_url(url, options or {})
        if isinstance(broker, SqliteEngine) and broker.database.location.path == location.path:
            database = broker.database
        else:
            database = Database(location)
        SqliteEngine.__init__(self, database)
        self.url = location.url
        self._waits = Waits(database)

    def open(self) -> None:
        self.database.open()

    def close(self) -> None:
        self._waits.close()
        self.database.close()

    def store(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        if not results:
            return []
        return self._write(lambda transaction: store_results(transaction, results))

    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        encoded = json.dumps(list(task_ids))
        return self.database.read(
            lambda connection: read_results(connection.execute(QUERIES["fetch_results"], (time.time(), encoded))),
            error=BackendGetMetaError,
        )

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        return self._waits.wait(list(task_ids), timeout, minimum)

    def wake(self) -> None:
        self._waits.wake()

    def forget(self, task_ids: Sequence[str]) -> None:
        encoded = json.dumps(list(task_ids))
        self._write(lambda transaction: _execute(transaction, "forget_results", encoded))

    def save_group(self, group_id: str, document: bytes, lifetime: float | None = None) -> None:
        expires_at = _expiry(lifetime)
        self._write(lambda transaction: _execute(transaction, "save_group", group_id, document, expires_at))

    def load_group(self, group_id: str) -> bytes | None:
        row = self.database.read(
            lambda connection: connection.execute(QUERIES["load_group"], (group_id, time.time())).fetchone(),
            error=BackendGetMetaError,
        )
        return None if row is None else row[0]

    def forget_group(self, group_id: str) -> None:
        self._write(lambda transaction: _execute(transaction, "forget_group", group_id))

    def chord_part(
        self, group_id: str, *, size: int, index: int, document: bytes, lifetime: float | None = None
    ) -> ChordProgress:
        expires_at = _expiry(lifetime)

        def record(transaction: Transaction) -> ChordProgress:
            _execute(transaction, "insert_chord", group_id, expires_at)
            _execute(transaction, "insert_chord_part", group_id, index, document)
            (count,) = transaction.connection.execute(QUERIES["count_chord_parts"], (group_id,)).fetchone()
            if count < size or not _execute(transaction, "complete_chord", index, group_id, index):
                return ChordProgress(count=count)
            documents = transaction.connection.execute(QUERIES["chord_documents"], (group_id,))
            return ChordProgress(count=count, documents=tuple(document for (document,) in documents))

        return self._write(record)

    def hold(self, task_ids: Sequence[str], holder: str, seconds: float) -> dict[str, Holding]:
        return self._write(lambda transaction: hold_runs(transaction.connection, task_ids, holder, seconds))

    def let_go(self, task_ids: Sequence[str], holder: str) -> None:
        self._write(lambda transaction: let_go_of_runs(transaction.connection, task_ids, holder))

    def end_runs(self, task_ids: Sequence[str]) -> None:
        self._write(lambda transaction: end_runs(transaction.connection, task_ids))

    def prune(self) -> int:
        total = 0
        while True:
            count = self._write(lambda transaction: prune_results(transaction.connection, _CHUNK), error=BackendError)
            total += count
            if count < _CHUNK:
                return total

    def _write(self, operation: Callable[[Transaction], T], *, error: type[BackendError] = BackendStoreError) -> T:
        return self.database.write(operation, error=error)


def _execute(transaction: Transaction, query: str, *arguments: object) -> int:
    """Run a statement; return how many rows it changed."""
    return transaction.connection.execute(QUERIES[query], arguments).rowcount


def _expiry(lifetime: float | None) -> float | None:
    return None if lifetime is None else time.time() + lifetime
