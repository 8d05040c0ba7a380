"""The statements of ``queries*.sql``, by name, and those that make the tables."""

import re
from importlib import resources

__all__ = ["QUERIES", "SCHEMA_STEPS"]


def _read(name: str) -> str:
    return resources.files("celeriac.sqlite").joinpath(name).read_text(encoding="utf-8")


def _parse(text: str) -> dict[str, str]:
    """Return each statement under the name in the comment above it."""
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    queries: dict[str, str] = {}
    for name, part in zip(parts[1::2], parts[2::2], strict=True):
        if name in queries:
            raise ValueError(f"Two queries are called {name!r}.")
        statement, _, _ = re.sub(r"^--.*\n", "", part, flags=re.MULTILINE).partition(";")
        queries[name] = statement.strip()
    return queries


#: The statements that make an empty file a celeriac database, step by step: a file of an older version has taken the
#: first of them. So no step ever changes.
SCHEMA_STEPS = tuple(_read(f"{name}.sql") for name in ("schema", "schema_timetable", "schema_holding", "schema_places"))
#: Every other statement.
QUERIES = _parse(_read("queries.sql") + _read("queries_timetable.sql") + _read("queries_holding.sql"))
