"""Changes of entries in a transaction, and who is told of them."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES
from celeriac.timetables.comparison import Changes, Definition, Known, compare, refuse_source

__all__ = ["TOPIC", "change_one", "put_entry", "read_known", "remove_entry", "replace_entries"]

#: What those who wait for changes listen to.
TOPIC = "timetable"


def read_known(connection: sqlite3.Connection, source: str, names: Sequence[str]) -> dict[str, Known]:
    """Return what is there of a source, and of these names whatever their source."""
    rows = connection.execute(QUERIES["known_entries"], (source,)).fetchall()
    rows += connection.execute(QUERIES["known_entries_of"], (json.dumps(names),))
    return {name: Known(*rest) for name, *rest in rows}


def replace_entries(
    transaction: Transaction,
    source: str,
    definitions: Mapping[str, Definition],
    moments: Mapping[str, float | None],
) -> Changes | None:
    """Do what ``compare`` finds; do nothing and return None if a moment is missing for it."""
    connection = transaction.connection
    comparison = compare(definitions, read_known(connection, source, list(definitions)))
    if any(definition.entry.name not in moments for definition in comparison.without_moment):
        return None
    generation = _next_generation(transaction)
    for query, group in (("insert_entry", comparison.added), ("retime_entry", comparison.retimed)):
        rows = [(*_columns(each), moments[each.entry.name], generation, each.entry.name) for each in group]
        connection.executemany(QUERIES[query], rows)
    connection.executemany(
        QUERIES["change_entry"], [(*_columns(each), generation, each.entry.name) for each in comparison.changed]
    )
    changes = comparison.changes
    connection.executemany(QUERIES["look_again"], [(name,) for name in changes.added + changes.changed])
    for name in changes.removed:
        _delete(connection, name)
    return changes


def put_entry(transaction: Transaction, definition: Definition, next_at: float | None) -> None:
    """Add or change one entry; its moment changes with its timing only."""
    entry = definition.entry
    there = read_known(transaction.connection, "", [entry.name]).get(entry.name)
    query, moment = "insert_entry", [next_at]
    if there is not None:
        refuse_source(entry, there.source)
        if there.digest == definition.digest:
            return
        query, moment = ("change_entry", []) if there.timing == definition.timing else ("retime_entry", [next_at])
    generation = _next_generation(transaction)
    transaction.connection.execute(QUERIES[query], (*_columns(definition), *moment, generation, entry.name))
    transaction.connection.execute(QUERIES["look_again"], (entry.name,))


def change_one(transaction: Transaction, query: str, name: str, *arguments: object) -> bool:
    """Pause or resume; return False if there is no such entry."""
    generation = _next_generation(transaction)
    changed = transaction.connection.execute(QUERIES[query], (*arguments, generation, name)).rowcount
    transaction.connection.execute(QUERIES["look_again"], (name,))
    return changed == 1


def remove_entry(transaction: Transaction, name: str) -> bool:
    """Remove an entry; return False if there was none."""
    _next_generation(transaction)
    return _delete(transaction.connection, name)


def _columns(definition: Definition) -> tuple[object, ...]:
    entry = definition.entry
    return entry.source, definition.data, definition.digest, definition.timing, entry.enabled


def _delete(connection: sqlite3.Connection, name: str) -> bool:
    connection.execute(QUERIES["delete_entry_runs"], (name,))
    return connection.execute(QUERIES["delete_entry"], (name,)).rowcount == 1


def _next_generation(transaction: Transaction) -> int:
    """Count a change, and tell those who wait for one after the commit."""
    connection = transaction.connection
    connection.execute(QUERIES["next_timetable_change"])
    (generation,) = connection.execute(QUERIES["timetable_changes"]).fetchone()
    for (bell,) in connection.execute(QUERIES["listening"], (TOPIC,)):
        transaction.ring(bell)
    return int(generation)
