"""A figure: one line of the table, with what each side reached."""

import statistics
from dataclasses import dataclass, field

__all__ = ["Figure", "percentile", "table"]


@dataclass(slots=True, kw_only=True)
class Figure:
    """One quantity, measured on several sides, once or in several rounds."""

    name: str
    unit: str
    #: More is better; a ratio above 1 then means that celeriac is ahead, as it does where less is better.
    more_is_better: bool = True
    digits: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, side: str, value: float) -> None:
        """Record what a side has reached in one round."""
        self.values.setdefault(side, []).append(value)

    def of(self, side: str) -> float | None:
        """Return the median of a side's rounds; None if it was not measured."""
        values = self.values.get(side)
        return statistics.median(values) if values else None

    def ratio(self, side: str, peer: str) -> float | None:
        """Return how many times as good the side is as the peer: the median of the rounds' own ratios."""
        pairs = zip(self.values.get(side, ()), self.values.get(peer, ()), strict=False)
        ratios = [own / other if self.more_is_better else other / own for own, other in pairs if own and other]
        return statistics.median(ratios) if ratios else None

    def shown(self, side: str) -> str:
        """Return the median as text."""
        value = self.of(side)
        return "-" if value is None else f"{value:,.{self.digits}f}"


def percentile(ordered: list[float], share: float) -> float:
    """Return the value below which so many of the ordered values lie (0.5: the median)."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(figures: list[Figure], sides: list[str], pairs: dict[str, tuple[str, str]]) -> str:
    """Return the figures as a Markdown table: a column for each side, then the ratios of the named pairs of sides."""
    head = ["", *sides, *(f"vs {name}" for name in pairs)]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for figure in figures:
        ratios = [figure.ratio(own, peer) for own, peer in pairs.values()]
        rows.append(
            [
                f"{figure.name}, {figure.unit}",
                *(figure.shown(side) for side in sides),
                *("-" if ratio is None else f"{ratio:.1f}" for ratio in ratios),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
