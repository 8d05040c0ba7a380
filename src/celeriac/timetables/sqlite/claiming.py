"""Claims in a transaction, and the runs that come of them."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from celeriac.brokers.sqlite.messages import insert_messages, to_rows
from celeriac.protocol import envelope as envelopes
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES
from celeriac.timetables.base import Claim, PlannedRun, RunReason

__all__ = ["Book", "add_run", "mark_published", "take"]


class Book(NamedTuple):
    """What becomes of runs."""

    #: They are published here; else they are pending.
    publishes: bool
    #: How many of an entry's are remembered.
    history_length: int


def take(transaction: Transaction, claims: Sequence[Claim], now: float, *, book: Book) -> list[bool]:
    """Claim moments; say which were had. Their runs are published here, or pending."""
    had = [_take_one(transaction, claim, now) for claim in claims]
    won = [claim for claim, was_had in zip(claims, had, strict=True) if was_had]
    for claim in won:
        _note(transaction, claim.name, claim.runs, now, book=book)
    if book.publishes:
        _publish(transaction, [run for claim in won for run in claim.runs])
    return had


def add_run(transaction: Transaction, name: str, run: PlannedRun, now: float, *, book: Book) -> bool:
    """Publish a run, or have it pending, beside the schedule; return False if there is no such entry."""
    if not _note(transaction, name, (run,), now, book=book):
        return False
    if book.publishes:
        _publish(transaction, [run])
    return True


def mark_published(transaction: Transaction, run_ids: Sequence[str], now: float) -> None:
    """Note that pending runs are published; those that are not pending are none of our business."""
    connection = transaction.connection
    encoded = json.dumps(run_ids)
    for run_id, name, number in connection.execute(QUERIES["pending_runs_of"], (encoded,)).fetchall():
        if connection.execute(QUERIES["mark_run_published"], (now, name, number, run_id)).rowcount:
            connection.execute(QUERIES["mark_entry_published"], (now, name, run_id))
    connection.execute(QUERIES["delete_pending"], (encoded,))


def _take_one(transaction: Transaction, claim: Claim, now: float) -> bool:
    look_at = claim.next_at if claim.look_at is None else claim.look_at
    return (
        transaction.connection.execute(
            QUERIES["claim_moment"],
            (
                *(claim.next_at, look_at, claim.missed, claim.skipped),
                *(claim.name, claim.generation, claim.due, now),
            ),
        ).rowcount
        == 1
    )


def _publish(transaction: Transaction, runs: Sequence[PlannedRun]) -> None:
    rows = to_rows(run.message for run in runs)
    if rows:
        insert_messages(transaction, rows)


def _note(transaction: Transaction, name: str, runs: Sequence[PlannedRun], now: float, *, book: Book) -> bool:
    """Write an entry's runs into its history, and among the pending; return False if there is no such entry."""
    connection = transaction.connection
    row = connection.execute(QUERIES["count_entry_runs"], (name,)).fetchone()
    if row is None or not runs:
        return row is not None
    (count,) = row
    published_at = now if book.publishes else None
    last_due = lateness = None
    for number, run in enumerate(runs, count + 1):
        late = max(0.0, now - run.due)
        if run.reason is not RunReason.BY_HAND:
            last_due, lateness = run.due, late
        arguments = (name, number, run.id, run.due, published_at, late, run.reason.value)
        connection.execute(QUERIES["insert_run"], arguments)
        if not book.publishes:
            pending = (run.id, name, number, run.due, run.reason.value, now, envelopes.encode(run.message))
            connection.execute(QUERIES["insert_pending"], pending)
    count += len(runs)
    connection.execute(QUERIES["note_runs"], (count, runs[-1].id, published_at, last_due, lateness, name))
    connection.execute(QUERIES["delete_old_runs"], (name, count - book.history_length))
    return True
