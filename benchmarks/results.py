"""What was found, by measure, column and row, with the reasons for what is missing."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.measure import Column

__all__ = ["NAMED", "OWN", "Results"]

#: The row that the others are compared with.
OWN = "celeriac"
#: Those that its targets name.
NAMED = ("Celery", "Huey")


@dataclass(slots=True)
class Results:
    """The values of all rounds."""

    values: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    #: What is missing, and why: row -> where -> reason.
    missing: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, measure: str, row: str, found: Mapping[str, float]) -> None:
        """Record what one look has found."""
        columns = self.values.setdefault(measure, {})
        for column, value in found.items():
            columns.setdefault(column, {}).setdefault(row, []).append(value)

    def miss(self, row: str, where: str, reason: str) -> None:
        """Record that something was not found."""
        self.missing.setdefault(row, {})[where] = reason

    def rows(self, measure: str) -> list[str]:
        """Return the rows for which a measure found anything."""
        found = [row for rows in self.values.get(measure, {}).values() for row in rows]
        return list(dict.fromkeys(found))

    def of(self, measure: str, column: str, row: str) -> float | None:
        """Return the median of a row's rounds."""
        rounds = self.values.get(measure, {}).get(column, {}).get(row)
        return statistics.median(rounds) if rounds else None

    def ratio(self, measure: str, column: Column, row: str) -> float | None:
        """Return how many times as good celeriac is: the median of the rounds' own ratios, as noise cancels out so."""
        if not column.is_compared:
            return None
        rows = self.values.get(measure, {}).get(column.name, {})
        pairs = zip(rows.get(OWN, ()), rows.get(row, ()), strict=False)
        ratios = [own / other if column.more_is_better else other / own for own, other in pairs if own and other]
        return statistics.median(ratios) if ratios else None
