"""Tables: for a person on a terminal, for a program in a pipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Column", "print_table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    title: str
    justify: Literal["left", "right"] = "left"
    #: Never broken into two lines, nor cut.
    whole: bool = False
    #: Cut where the terminal ends, rather than broken into lines.
    cut: bool = False
    #: Style by a cell's text, e.g. ``{"running": "green"}``.
    styles: tuple[tuple[str, str], ...] = ()


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, no_color: bool = False) -> None:
    """Print rows of text: as wide as the terminal, or, elsewhere, one line a row, in columns, however long."""
    console = Console(no_color=no_color or None, highlight=False)
    if console.is_terminal:
        console.print(_table(columns, rows))
    else:
        for line in _lines(columns, rows):
            click.echo(line)


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            justify=column.justify,
            no_wrap=column.whole or column.cut,
            overflow="ellipsis" if column.cut else "fold",
            min_width=max([len(column.title), *(len(row[len(table.columns)]) for row in rows)])
            if column.whole
            else None,
        )
    for row in rows:
        cells = zip(columns, row, strict=True)
        table.add_row(*(Text(cell, style=dict(column.styles).get(cell, "")) for column, cell in cells))
    return table


def _lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    header = [column.title.upper() for column in columns]
    cells = [header, *([" ".join(cell.split()) or "-" for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    return ["  ".join(_padded(columns, widths, row)).rstrip() for row in cells]


def _padded(columns: Sequence[Column], widths: Sequence[int], row: Sequence[str]) -> list[str]:
    return [
        cell.rjust(width) if column.justify == "right" else cell.ljust(width)
        for column, width, cell in zip(columns, widths, row, strict=True)
    ]
