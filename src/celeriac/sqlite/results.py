"""Results in a transaction: what the result backend and a settlement of the broker do alike."""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence

from celeriac.backends.base import StoredResult
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.holdings import prune_holdings
from celeriac.sqlite.queries import QUERIES

__all__ = ["prune_results", "read_results", "store_results"]


def store_results(transaction: Transaction, results: Sequence[StoredResult]) -> list[StoredResult]:
    """Store results, ring those who wait for them, and drop some that have expired; return those refused."""
    connection = transaction.connection
    now = time.time()
    rows = [_to_row(result, now) for result in results]
    connection.execute("SAVEPOINT results")
    refused: list[StoredResult] = []
    if connection.executemany(QUERIES["store_result"], rows).rowcount != len(rows):
        # Rare: again, one by one, to learn which.
        connection.execute("ROLLBACK TO results")
        pairs = zip(results, rows, strict=True)
        refused = [result for result, row in pairs if connection.execute(QUERIES["store_result"], row).rowcount != 1]
    connection.execute("RELEASE results")
    _ring_waiters(transaction, results)
    # Twice as many as come in: what expires is gone soon, and no transaction pays for many.
    connection.execute(QUERIES["prune_results"], (now, 2 * len(results)))
    return refused


def read_results(rows: Iterable[tuple[str, str, bytes, str, str, int]]) -> dict[str, StoredResult]:
    """Turn rows of ``fetch_results`` into results by task id."""
    return {
        task_id: StoredResult(
            task_id=task_id,
            state=state,
            document=document,
            content_type=content_type,
            content_encoding=content_encoding,
            execution=execution,
        )
        for task_id, state, document, content_type, content_encoding, execution in rows
    }


def prune_results(connection: sqlite3.Connection, limit: int) -> int:
    """Drop up to ``limit`` results that have expired, and such holdings, groups and chords; return how many results."""
    now = time.time()
    count = connection.execute(QUERIES["prune_results"], (now, limit)).rowcount
    prune_holdings(connection, limit)
    connection.execute(QUERIES["prune_groups"], (now,))
    connection.execute(QUERIES["prune_chord_parts"], (now,))
    connection.execute(QUERIES["prune_chords"], (now,))
    return count


def _to_row(result: StoredResult, now: float) -> tuple[object, ...]:
    return (
        result.task_id,
        result.state,
        result.document,
        result.content_type,
        result.content_encoding,
        result.execution,
        None if result.lifetime is None else now + result.lifetime,
        now,
    )


def _ring_waiters(transaction: Transaction, results: Sequence[StoredResult]) -> None:
    connection = transaction.connection
    if connection.execute(QUERIES["any_result_waiter"]).fetchone() is None:
        return
    task_ids = json.dumps([result.task_id for result in results if result.ready])
    waiters = connection.execute(QUERIES["result_waiters"], (task_ids,)).fetchall()
    if waiters:
        for task_id, bell in waiters:
            transaction.ring(bell, task_id)
        connection.execute(QUERIES["delete_result_waiters"], (task_ids,))
