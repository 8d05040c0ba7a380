"""A run in short: celeriac beside the best other, those that its targets name, and the bare client."""

from collections.abc import Sequence

from benchmarks.measure import Column, Measure
from benchmarks.results import NAMED, OWN, Results

__all__ = ["summary"]

#: Measure, column, and what a reader calls it.
_LINES = (
    ("publish", "rate", "publish one by one, calls/s"),
    ("publish", "cpu", "… CPU, µs"),
    ("publish", "bulk-rate", "publish in bulk, calls/s"),
    ("drain-off", "rate", "drain, results off, tasks/s"),
    ("drain-off", "cpu", "… CPU of all processes, µs"),
    ("drain", "rate", "drain, results stored, tasks/s"),
    ("drain", "cpu", "… CPU of all processes, µs"),
    ("latency", "p50", "publish to start, p50, ms"),
    ("latency", "p99", "… p99, ms"),
    ("round-trip", "p50", "publish and get the result, p50, ms"),
    ("mixture", "longest", "wait beside 1 % tasks of 1 s, longest, ms"),
    ("beside-long", "longest", "wait beside one long task, longest, ms"),
    ("import", "tasks", "import with an app and some tasks, ms"),
    ("rest", "start", "start to the first task, s"),
    ("rest", "idle", "idle CPU, % of a core"),
    ("rest", "memory", "memory at rest (PSS), MB"),
)


def summary(measures: Sequence[Measure], results: Results, sides: Sequence[str], floors: Sequence[str]) -> str:
    """Return a table; in brackets how many times as good celeriac is."""
    named = [name for name in NAMED if name in sides]
    others = [name for name in sides if name.partition(",")[0] != OWN]
    known = {measure.name: {column.name: column for column in measure.columns} for measure in measures}
    lines = [["", OWN, "best other", *named, "bare client"], ["---", *["---:"] * (len(named) + 3)]]
    for measure, name, words in _LINES:
        column = known.get(measure, {}).get(name)
        if column is None or results.of(measure, name, OWN) is None:
            continue
        best = _best(results, measure, column, others)
        floor = next((row for row in floors if results.of(measure, name, row) is not None), "")
        cells = [_cell(results, measure, column, row) for row in (OWN, best, *named, floor)]
        cells[1] += f" {best}" if best else ""
        lines.append([words, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _best(results: Results, measure: str, column: Column, rows: Sequence[str]) -> str:
    found = {row: value for row in rows if (value := results.of(measure, column.name, row)) is not None}
    if not found:
        return ""
    return (max if column.more_is_better else min)(found, key=lambda row: found[row])


def _cell(results: Results, measure: str, column: Column, row: str) -> str:
    value = results.of(measure, column.name, row) if row else None
    if value is None:
        return "-"
    ratio = results.ratio(measure, column, row)
    shown = f"{value:,.{column.digits}f}"
    return shown if ratio is None or row == OWN else f"{shown} ({ratio:.{1 if ratio < 99.5 else 0}f})"
