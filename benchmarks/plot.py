"""Plots: bars of one column, and lines of how a column grows, as SVG made by hand."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

__all__ = ["bars", "lines"]

_WIDTH, _ROW, _LEFT, _TOP = 760, 24, 230, 44
_INK, _GRID = "#1f2933", "#d9dee4"
_COLOURS = (
    "#2f6f3e",
    "#c05621",
    "#2b6cb0",
    "#805ad5",
    "#b7791f",
    "#c53030",
    "#319795",
    "#718096",
    "#97266d",
    "#4a5568",
)


def bars(title: str, values: Mapping[str, float], *, colours: Mapping[str, str], digits: int = 0) -> str:
    """Return a bar for each row, longest first."""
    longest = max(values.values(), default=0.0) or 1.0
    rows = sorted(values.items(), key=lambda item: -item[1])
    room = _WIDTH - _LEFT - 90
    parts = []
    for place, (name, value) in enumerate(rows):
        y = _TOP + place * _ROW
        length = max(1.0, value / longest * room)
        parts += [
            _text(_LEFT - 8, y + 15, name, anchor="end"),
            f'<rect x="{_LEFT}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 7}" fill="{colours[name]}"/>',
            _text(_LEFT + length + 6, y + 15, f"{value:,.{digits}f}"),
        ]
    return _picture(title, _TOP + len(rows) * _ROW + 12, parts)


def lines(title: str, values: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a line for each row over points (x, y), both axes logarithmic."""
    points = [point for line in values.values() for point in line]
    if not points:
        return _picture(title, _TOP + 20, [])
    bottom, right = 340, _WIDTH - 190
    across = _Axis([x for x, _ in points], 60, right - 20)
    up = _Axis([y for _, y in points], bottom, _TOP + 10, margin=0.4)
    parts = []
    for tick in up.ticks():
        y = up.place(tick)
        parts += [f'<path d="M60 {y:.1f}H{right}" stroke="{_GRID}"/>', _text(54, y + 4, f"{tick:,.0f}", anchor="end")]
    for tick in sorted({x for x, _ in points}):
        parts.append(_text(across.place(tick), bottom + 18, f"{tick:,.0f}", anchor="middle"))
    for number, (name, line) in enumerate(values.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in line)
        y = _TOP + 14 + number * 18
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(f'<circle cx="{across.place(x):.1f}" cy="{up.place(v):.1f}" r="3" fill="{colour}"/>' for x, v in line),
            f'<rect x="{right + 14}" y="{y - 9}" width="12" height="4" fill="{colour}"/>',
            _text(right + 32, y - 3, name),
        ]
    return _picture(title, bottom + 36, parts)


class _Axis:
    """A logarithmic axis between two places of the picture."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, margin: float = 0.0) -> None:
        positive = [value for value in values if value > 0] or [1.0]
        self._low, self._high = math.log10(min(positive)), math.log10(max(positive))
        self._low, self._high = self._low - margin, self._high + margin
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return where a value stands."""
        share = (math.log10(max(value, 1e-9)) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Return round values within the axis."""
        tens = range(math.floor(self._low), math.ceil(self._high) + 1)
        found = [step * 10.0**ten for ten in tens for step in (1, 2, 5)]
        return [value for value in found if self._low <= math.log10(value) <= self._high]


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _picture(title: str, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" '
        f'font-family="sans-serif" fill="{_INK}">'
    )
    ground = f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
    return "\n".join([head, ground, _text(16, 24, title, size=14), *parts, "</svg>"]) + "\n"
