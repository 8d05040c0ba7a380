"""The report: tables in Markdown, all values in JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.measure import Column, Measure
from benchmarks.results import OWN, Results
from benchmarks.sizes import Sizes
from benchmarks.summary import summary

__all__ = ["Report"]

#: By how much a revision may be slower than an earlier one.
TOLERANCE = 0.05
#: What a few calls decide, so that it says nothing of a revision.
_RARE = ("p95", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run, measured."""

    engine: str
    sizes: Sizes
    measures: Sequence[Measure]
    results: Results
    #: Row -> what was measured with which settings, in the order of the table.
    settings: Mapping[str, str]
    #: Rows that are queues, not floors.
    sides: Sequence[str]
    #: Name -> version.
    versions: Mapping[str, str]
    #: About the machine, its load, the store.
    facts: Mapping[str, str]

    def text(self) -> str:
        """Return it for a person."""
        parts = [f"# celeriac beside its peers: {self.engine}"]
        parts += [f"- {name}: {fact}" for name, fact in self.facts.items()]
        parts.append("- versions: " + ", ".join(f"{name} {version}" for name, version in self.versions.items()))
        parts.append(
            f"\nMedians of {self.sizes.rounds} rounds where marked with *, {self.sizes.publish_rounds} of publishing. "
            "In brackets: how many times as good celeriac is, the median of the rounds' own ratios. - : it cannot do "
            "that, see below."
        )
        if not self.sizes.is_comparison:
            floors = [row for row in self.settings if row not in self.sides]
            parts += ["", "## In short", "", summary(self.measures, self.results, self.sides, floors)]
        for measure in self.measures:
            if rows := self._ordered(self.results.rows(measure.name)):
                title = measure.title.format(**asdict(self.sizes))
                parts += ["", f"## {title}{' *' if measure.repeated else ''}", "", self._table(measure, rows)]
        if self.sizes.is_comparison:
            parts += ["", f"## Slower by more than {TOLERANCE:.0%}", ""]
            parts += [f"- {line}" for line in self.slower()] or ["nothing"]
        parts += ["", "## What was measured", ""]
        parts += [f"- **{row}**: {text}" for row, text in self.settings.items()]
        parts += ["", "## What is missing", ""]
        missing = [
            f"- **{row}**, {', '.join(places)}: {reason}"
            for row, reasons in self.results.missing.items()
            for reason, places in _by_reason(reasons).items()
        ]
        parts += missing or ["nothing"]
        return "\n".join(parts) + "\n"

    def slower(self) -> list[str]:
        """Return what celeriac is slower at than the revision of itself it is compared with, by more than the noise."""
        if not self.sizes.is_comparison:
            return []
        found = []
        for measure in self.measures:
            for column in measure.columns:
                for row in self.sides[1:]:
                    ratio = self.results.ratio(measure.name, column, row)
                    if ratio is not None and ratio < 1 - TOLERANCE and column.name not in _RARE:
                        found.append(f"{measure.title}, {column.unit}: {ratio:.2f} times as good as {row}")
        return found

    def data(self) -> str:
        """Return it as JSON."""
        measures = [
            {
                "name": measure.name,
                "title": measure.title,
                "columns": [asdict(column) for column in measure.columns],
                "values": self.results.values.get(measure.name, {}),
            }
            for measure in self.measures
        ]
        document = {
            "engine": self.engine,
            "facts": dict(self.facts),
            "versions": dict(self.versions),
            "settings": dict(self.settings),
            "sizes": asdict(self.sizes),
            "measures": measures,
            "missing": self.results.missing,
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def _ordered(self, rows: Sequence[str]) -> list[str]:
        return [row for row in self.settings if row in rows]

    def _table(self, measure: Measure, rows: Sequence[str]) -> str:
        columns = [column for column in measure.columns if column.name in self.results.values[measure.name]]
        lines = [["", *(column.unit.format(**asdict(self.sizes)) for column in columns)]]
        lines.append(["---", *["---:"] * len(columns)])
        lines += [[row, *(self._cell(measure, column, row) for column in columns)] for row in rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _cell(self, measure: Measure, column: Column, row: str) -> str:
        value = self.results.of(measure.name, column.name, row)
        if value is None:
            return "-"
        shown = f"{value:,.{column.digits}f}"
        ratio = self.results.ratio(measure.name, column, row)
        if ratio is None or row == OWN:
            return shown
        digits = 2 if self.sizes.is_comparison else 1 if ratio < 99.5 else 0
        return f"{shown} ({ratio:.{digits}f})"


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for place, reason in reasons.items():
        places.setdefault(reason, []).append(place)
    return places
