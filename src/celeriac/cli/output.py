"""What commands print besides tables: JSON, moments and lengths of time."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

__all__ = ["ago", "as_json", "count_of", "duration", "hint", "iso", "print_json", "shown_value"]

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def print_json(value: Any) -> None:
    """Print a value as JSON, indented; what JSON does not know is printed as its text."""
    click.echo(as_json(value, indent=2))


def as_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON."""
    return json.dumps(value, indent=indent, ensure_ascii=False, default=_plain)


def shown_value(value: Any) -> str:
    """Return a result for people and programs: JSON where it is that, else its repr."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def iso(moment: float) -> str:
    """Return a unix time as ISO 8601, in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def ago(moment: float, now: float) -> str:
    """Return how long ago a unix time was."""
    seconds = now - moment
    if seconds < 1:
        return "just now"
    coarse = next((size for size, _ in _UNITS if seconds >= size), 1)
    return f"{duration(seconds // coarse * coarse)} ago"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    seconds = round(seconds)
    for index, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            smaller, smaller_unit = (_UNITS[index + 1]) if index + 1 < len(_UNITS) else (1, "s")
            return f"{whole} {unit} {rest // smaller} {smaller_unit}" if rest // smaller else f"{whole} {unit}"
    return f"{seconds} s"


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return e.g. ``1 message``, ``2 messages``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def hint(sentence: str, *, quiet: bool) -> None:
    """Say something that helps a person and would disturb a program: to standard error, unless it is no terminal."""
    if not quiet and sys.stderr.isatty():
        click.echo(click.style(sentence, dim=True), err=True)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else repr(value)
