"""Kinds of values on the command line, each with an error that says how to write it."""

import json
import os
import re
from datetime import datetime, timedelta
from typing import Any

import click

__all__ = [
    "COUNT",
    "DURATION",
    "EXPIRY",
    "JSON_LIST",
    "JSON_OBJECT",
    "LOG_LEVEL",
    "MOMENT",
    "MOMENT_OR_DURATION",
    "QUEUES",
    "SECONDS",
    "SLOTS",
    "flat",
]

#: Bytes of a queue's name, as on RabbitMQ.
_LONGEST_NAME = 255
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "min": "minutes", "m": "minutes", "s": "seconds", "": "seconds"}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(w|d|h|min|m|s|)(?![a-z])\s*")

SECONDS = click.FloatRange(min=0, min_open=True)
COUNT = click.IntRange(min=1)
LOG_LEVEL = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL"], case_sensitive=False)


class _JsonType(click.ParamType[Any]):
    """A JSON list or object."""

    def __init__(self, kind: type, name: str, example: str) -> None:
        self.kind = kind
        self.name = name
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, self.kind):
            return value
        hint = f"Write it as in {self.example!r}; text needs double quotes."
        try:
            parsed = json.loads(value)
        except ValueError as error:
            self.fail(f"{value!r} is not JSON ({str(error).rstrip('.')}). {hint}", param, ctx)
        if not isinstance(parsed, self.kind):
            self.fail(f"{value!r} is JSON, but not {self.name}. {hint}", param, ctx)
        return parsed


class _Moment(click.ParamType[Any]):
    """A moment: ISO 8601."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment; write it as in '2030-12-31T23:59:00+00:00'.", param, ctx)


class _Expiry(_Moment):
    """A moment, or a number of seconds from now."""

    name = "moment or seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return float(value)
        except (TypeError, ValueError):
            return super().convert(value, param, ctx)


class _Duration(click.ParamType[Any]):
    """A length of time."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        length = value if isinstance(value, timedelta) else _length(value)
        if length is None or length <= timedelta(0):
            self.fail(f"{value!r} is no length of time; write it as in '90s', '30min', '1h 30min' or '7d'.", param, ctx)
        return length


class _MomentOrDuration(_Moment):
    """A moment, or a length of time from now on."""

    name = "moment or duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        length = value if isinstance(value, timedelta) else _length(value)
        if length is not None:
            return length
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a moment, as '2030-12-31T23:59', nor a length of time, as '2h' or '7d'.",
                param,
                ctx,
            )


def _length(text: str) -> timedelta | None:
    """Return a length of time: numbers with units, seconds where there is none; None if it is something else."""
    parts = list(_LENGTH.finditer(text.strip().lower()))
    if not parts or "".join(part[0] for part in parts) != text.strip().lower():
        return None
    try:
        return sum((timedelta(**{_UNITS[part[2]]: float(part[1])}) for part in parts), timedelta(0))
    except OverflowError:
        return None


class _Queues(click.ParamType[Any]):
    """Names of queues, parted by commas."""

    name = "queues"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(","))
        for name in names:
            if not name:
                self.fail(f"{value!r} holds an empty name; part names by one comma, as in 'celery,mail'.", param, ctx)
            if any(character.isspace() or not character.isprintable() for character in name):
                self.fail(f"{name!r} is no name for a queue: it holds a space or a control character.", param, ctx)
            if len(name.encode()) > _LONGEST_NAME:
                self.fail(f"{name[:20]!r}... is too long for a queue: {_LONGEST_NAME} bytes are possible.", param, ctx)
        return names


class _Slots(click.ParamType[Any]):
    """A number of slots, or ``auto``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "auto":
            affinity = getattr(os, "sched_getaffinity", None)
            return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
        try:
            count = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor auto.", param, ctx)
        if count < 1:
            self.fail(f"A worker needs at least one slot, not {count}; auto is one for each processor.", param, ctx)
        return count


JSON_LIST = _JsonType(list, "a list", '[1, "text"]')
JSON_OBJECT = _JsonType(dict, "an object", '{"name": "value"}')
MOMENT = _Moment()
DURATION = _Duration()
MOMENT_OR_DURATION = _MomentOrDuration()
EXPIRY = _Expiry()
QUEUES = _Queues()
SLOTS = _Slots()


def flat(queues: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return the names of an option of kind ``QUEUES`` that may be given several times, each name once."""
    return tuple(dict.fromkeys(name for names in queues for name in names))
