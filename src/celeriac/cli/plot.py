"""A plot in the terminal, of plain characters."""

from collections.abc import Mapping, Sequence

__all__ = ["column_plot"]


def column_plot(values: Sequence[int], marks: Mapping[int, str], *, height: int = 8) -> list[str]:
    """Return the lines of a plot with one column of characters for each value.

    ``marks`` are texts below the axis, by the column that they begin at; those that would touch are left out.
    """
    top = max(values, default=0)
    filled = [max(1, round(value * height / top)) if value else 0 for value in values]
    margin = len(f"{top:,}")
    lines = []
    for level in range(height, 0, -1):
        scale = f"{top:,}" if level == height else ""
        lines.append(f"{scale:>{margin}} |{''.join('#' if each >= level else ' ' for each in filled)}".rstrip())
    lines.append(f"{0:>{margin}} +{''.join('+' if column in marks else '-' for column in range(len(values)))}")
    below = ""
    for column, text in sorted(marks.items()):
        if len(below) <= column - bool(below) and column + len(text) <= max(len(values), margin):
            below = below.ljust(column) + text
    return [*lines, f"{'':{margin}}  {below}".rstrip()]
