"""Which plots a run gets: bars for what is compared, lines for what grows."""

from benchmarks.measure import Column, Measure
from benchmarks.plot import bars, lines
from benchmarks.report import Report
from benchmarks.results import OWN

__all__ = ["plots"]

#: Measure and column.
_BARS = (
    ("drain-off", "rate"),
    ("drain", "rate"),
    ("drain", "cpu"),
    ("publish", "rate"),
    ("publish", "bulk-rate"),
    ("latency", "p50"),
    ("latency", "p99"),
    ("mixture", "p99"),
    ("round-trip", "p50"),
    ("rest", "start"),
    ("rest", "memory"),
    ("memory", "delayed"),
)
_LINES = ("depth", "queues", "nodes")


def plots(report: Report) -> dict[str, str]:
    """Return pictures by file name."""
    found = {}
    measures = {measure.name: measure for measure in report.measures}
    for name, column_name in _BARS:
        if name in measures:
            column = next(column for column in measures[name].columns if column.name == column_name)
            if picture := _bars(report, measures[name], column):
                found[f"{name}-{column_name}.svg"] = picture
    for name in _LINES:
        if name in measures and (picture := _lines(report, measures[name])):
            found[f"{name}.svg"] = picture
    return found


def _bars(report: Report, measure: Measure, column: Column) -> str:
    values = report.results.values.get(measure.name, {}).get(column.name, {})
    medians = {row: report.results.of(measure.name, column.name, row) or 0.0 for row in values}
    if not medians:
        return ""
    colours = {row: _colour(report, row) for row in medians}
    unit = column.unit.format(memory=report.sizes.memory, delayed=report.sizes.delayed)
    return bars(f"{measure.title}: {unit} ({report.engine})", medians, colours=colours, digits=column.digits)


def _colour(report: Report, row: str) -> str:
    """Return one for celeriac, one for its peers, and one for what is no queue."""
    if row not in report.sides:
        return "#d9dee4"
    return "#2f6f3e" if row.partition(",")[0] == OWN else "#8795a1"


def _lines(report: Report, measure: Measure) -> str:
    found: dict[str, list[tuple[float, float]]] = {}
    for column in measure.columns:
        kind, _, count = column.name.partition("-")
        for row in report.results.values.get(measure.name, {}).get(column.name, {}) if kind == "cpu" else ():
            value = report.results.of(measure.name, column.name, row)
            found.setdefault(row, []).append((float(count), value or 0.0))
    grown = {row: points for row, points in found.items() if len(points) > 1}
    return lines(f"{measure.title} ({report.engine})", grown) if grown else ""
