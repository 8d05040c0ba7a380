"""The statements: all of them compile, and none walks through a table that may be large."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.sqlite.queries import QUERIES, SCHEMA_STEPS

#: Tables that never hold many rows, and statements that are about all rows of theirs.
SMALL_TABLES = {
    "queue",
    "counter",
    "node",
    "listener",
    "json_each",
    "candidate",
    "found",
    "sqlite_sequence",
    "schedule_leader",
}
ABOUT_ALL = {
    *("known_bells", "delete_all_dead_letters", "dead_letters", "dead_letters_to_retry", "any_result_waiter"),
    *("entries_by_name", "entries_by_moment", "count_entries"),
}
#: Statements that run seldom, over tables that hold a minute's broadcasts, groups and chords, or present waiters.
SELDOM = {
    "delete_old_broadcasts",
    "broadcasts_after",
    "prune_groups",
    "prune_chords",
    "prune_chord_parts",
    "forget_bell_of_result_waiter",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for step in SCHEMA_STEPS:
        connection.executescript(step)
    connection.create_function("tell", 1, print)
    yield connection
    connection.close()


def plan(connection: sqlite3.Connection, query: str) -> list[str]:
    count = max([query.count("?"), *(int(number) for number in re.findall(r"\?(\d+)", query))])
    if re.search(r"\?\d", query):
        count = max(int(number) for number in re.findall(r"\?(\d+)", query))
    parameters = ["[]" if "json_each" in query else 1] * count
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters)]


@pytest.mark.parametrize("name", QUERIES)
def test_a_statement_compiles_and_walks_through_no_large_table(connection: sqlite3.Connection, name: str) -> None:
    for step in plan(connection, QUERIES[name]):
        found = re.match(r"SCAN (?!CONSTANT ROW)(\w+)", step)
        if found and name not in ABOUT_ALL | SELDOM:
            walks_along_a_partial_index = "place_in_flight" in step
            assert found[1] in SMALL_TABLES or walks_along_a_partial_index, f"{name}: {step}"


@pytest.mark.parametrize(
    "name", ["first_ready", "due_entries", "next_look", "pending_runs", "history", "entries_by_name"]
)
def test_the_order_of_what_is_asked_for_often_needs_no_sorting(connection: sqlite3.Connection, name: str) -> None:
    assert not any("TEMP B-TREE" in step for step in plan(connection, QUERIES[name]))


@pytest.mark.parametrize("name", ["peek_ready", "peek_delayed"])
def test_of_what_is_shown_only_the_few_without_a_place_and_those_of_the_page_are_sorted(
    connection: sqlite3.Connection, name: str
) -> None:
    steps = plan(connection, QUERIES[name])
    assert not any("TEMP B-TREE" in step for step in steps[steps.index("LEFT") : steps.index("RIGHT")])


def test_every_statement_is_used() -> None:
    source = Path(__file__).parents[2] / "src" / "celeriac"
    text = "".join(path.read_text() for path in source.rglob("*.py"))
    unused = [name for name in QUERIES if f'"{name}"' not in text]
    assert unused == []
