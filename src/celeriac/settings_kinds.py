"""What kinds of value a setting takes, and how a written value becomes one.

Settings arrive from Python, from the environment and from files, so text that says a number or yes is taken for one.
"""

import enum
import math
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

__all__ = ["Kind", "coerce"]

_YES = frozenset({"true", "yes", "on", "1", "y", "t"})
_NO = frozenset({"false", "no", "off", "0", "n", "f"})


class Kind(enum.Enum):
    """One kind of value; its text is what people read: "must be …"."""

    FLAG = "true or false"
    INTEGER = "a whole number"
    NUMBER = "a number"
    SECONDS = "a number of seconds or a timedelta"
    TEXT = "text"
    PATH = "a path"
    LIST = "a list"
    MAPPING = "a dict"
    OBJECT = "an object"


def coerce(kind: Kind, value: Any) -> Any:
    """Return the value as this kind of value; raises ``ValueError`` (without a message) when it is none."""
    return _COERCIONS[kind](value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
    raise ValueError


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    raise ValueError


def _number(value: Any) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            raise ValueError from None
        if not math.isnan(number):
            return number
    raise ValueError


def _seconds(value: Any) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else _number(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError


def _path(value: Any) -> str | bytes:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    raise ValueError


def _list(value: Any) -> Any:
    """Keep lists and tuples, so that ``conf.imports += ("module",)`` goes on working; one text is a list of one."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, Mapping)):
        return list(value)
    raise ValueError


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value if isinstance(value, dict) else dict(value)
    raise ValueError


def _object(value: Any) -> Any:
    return value


_COERCIONS: dict[Kind, Callable[[Any], Any]] = {
    Kind.FLAG: _flag,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.SECONDS: _seconds,
    Kind.TEXT: _text,
    Kind.PATH: _path,
    Kind.LIST: _list,
    Kind.MAPPING: _mapping,
    Kind.OBJECT: _object,
}
