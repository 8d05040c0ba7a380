"""How a call's arguments look in logs and lists: a ``repr`` that is cut short and never fails.

The text goes over the wire (``argsrepr``, ``kwargsrepr``) and is the same as Celery's (``celery/utils/saferepr.py``),
also in how it is cut: containers are closed, what is left out is ``...``.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from numbers import Number
from typing import Any, NoReturn

__all__ = ["MAX_LENGTH", "MAX_LEVELS", "represent"]

#: Characters, closing brackets and dots not counted.
MAX_LENGTH = 1024
#: Containers inside containers that are written out; 0 stands for all.
MAX_LEVELS = 3


#: Types whose instances ``str`` shows as ``repr`` does, and that cannot be long or fail. Long numbers can.
_PLAIN_TYPES = frozenset({bool, float, type(None)})
_NUMBERS = _PLAIN_TYPES | {int}
_LARGE = 10**100
_CONTAINERS = (tuple, list, dict, set, frozenset)
_PLAIN_CONTAINERS = frozenset(_CONTAINERS)
_QUICK_CONTAINERS = frozenset({tuple, list, dict})


#: Items of a container up to which the quick way is tried: so it looks at little, and at no text that must be cut.
_FEW = 8


class _NotShortError(Exception):
    """The value needs the careful way."""


class _FullError(Exception):
    """The text is as long as it may be: only brackets are closed now."""


def represent(value: Any, *, max_length: int = MAX_LENGTH, max_levels: int = MAX_LEVELS) -> str:
    """Return the value as text; never raises, whatever the value's own ``repr`` does."""
    kind = type(value)
    try:
        # No item takes less than three characters, with what stands between.
        if (kind is tuple or kind is list) and len(value) * 3 <= max_length and _NUMBERS.issuperset(map(type, value)):
            text = repr(value)
            if len(text) < max_length:
                return text
        text = _represent_short(value, max_levels or MAX_LEVELS)
        if len(text) < max_length:
            return _encodable(text)
    except (_NotShortError, ValueError):  # a number with too many digits for Python
        pass
    writer = _Writer(max_length, max_levels)
    try:
        writer.write(value)
    except _FullError:
        pass
    except RecursionError:
        return "..."
    return _encodable("".join(writer.parts))


def _represent_short(value: Any, levels: int) -> str:
    """Do the same, in less time, for the few plain and short values most calls have; raises ``_NotShortError``.

    Text shorter than the limit is right; longer text may have needed cuts.
    """
    kind = type(value)
    if kind is str and len(value) < MAX_LENGTH:
        escaped: str = value.replace("'", "\\'")
        return f"'{escaped}'"
    if kind in _PLAIN_TYPES or (kind is int and -_LARGE < value < _LARGE):
        return str(value)
    if not levels or kind not in _QUICK_CONTAINERS or len(value) > _FEW:
        raise _NotShortError
    if kind is dict:
        pairs = [f"{_represent_short(key, 0)}: {_represent_short(item, levels - 1)}" for key, item in value.items()]
        return "{" + ", ".join(pairs) + "}"
    if _NUMBERS.issuperset(map(type, value)):
        # Python writes a tuple or list of numbers just so.
        return repr(value)
    items = ", ".join([_represent_short(item, levels - 1) for item in value])
    if kind is list:
        return f"[{items}]"
    return f"({items},)" if len(value) == 1 else f"({items})"


def _encodable(text: str) -> str:
    """Return the text without half surrogate pairs, which no broker carries."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


class _Writer:
    """Writes one value, counting characters down: what does not fit is not looked at."""

    __slots__ = ("_level", "_max_levels", "_open", "_room", "parts")

    def __init__(self, max_length: int, max_levels: int) -> None:
        self.parts: list[str] = []
        self._room = max_length
        self._max_levels = max_levels
        self._level = 0
        #: The ids of the containers being written.
        self._open: set[int] = set()

    def write(self, value: Any) -> None:
        """Write a value; raises ``_FullError`` when nothing more fits."""
        if type(value) in _PLAIN_CONTAINERS:
            self._write_container(value)
        elif isinstance(value, Decimal):
            self._write_text(_attempt(repr, value))
        elif isinstance(value, Number):
            self._write_text(_attempt(str, value))
        elif isinstance(value, (str, bytes)):
            self._check_room()
            self._put(_quote(value, self._room))
        elif isinstance(value, _CONTAINERS):
            self._write_container(value)
        else:
            self._write_text(_attempt(repr, value))

    def _write_container(self, container: Any) -> None:
        if isinstance(container, (set, frozenset)) and not container:
            self._write_text(f"{type(container).__name__}()")
            return
        opening, closing = _brackets(container)
        if self._max_levels and self._level >= self._max_levels:
            self._write_mark(f"{opening}...{closing}")
            return
        if id(container) in self._open:
            self._write_text(f"<Recursion on {type(container).__name__} with id={id(container)}>")
            return
        self._write_mark(opening)
        self._open.add(id(container))
        self._level += 1
        try:
            self._write_items(container)
        except _FullError:
            self.parts.append(closing)
            raise
        self._level -= 1
        self._open.discard(id(container))
        self._put(closing)

    def _write_items(self, container: Iterable[Any]) -> None:
        if isinstance(container, dict):
            self._write_pairs(container)
            return
        put, room, between = self.parts.append, self._room, False
        for value in container:
            if between:
                if room <= 0:
                    self._give_up()
                put(", ")
                room -= 2
            between = True
            text = _short(value, room)
            if text:
                put(text)
                room -= len(text)
            else:
                self._room = room
                self.write(value)
                room = self._room
        self._room = room

    def _write_pairs(self, pairs: dict[Any, Any]) -> None:
        put, room, between = self.parts.append, self._room, False
        for key, value in pairs.items():
            if between:
                if room <= 0:
                    self._give_up()
                put(", ")
                room -= 2
            between = True
            name = f"'{key}': " if type(key) is str and key.isidentifier() and key.isascii() else ""
            if name and len(name) < room:
                put(name)
                room -= len(name)
            else:
                self._room = room
                self._check_room()
                self._put(represent(key, max_length=self._room, max_levels=self._max_levels))
                self._write_mark(": ")
                room = self._room
            text = _short(value, room)
            if text:
                put(text)
                room -= len(text)
            else:
                self._room = room
                self.write(value)
                room = self._room
        self._room = room

    def _write_text(self, text: str) -> None:
        self._check_room()
        self._put(_cut(text, self._room))

    def _write_mark(self, mark: str) -> None:
        self._check_room()
        self._put(mark)

    def _check_room(self) -> None:
        if self._room <= 0:
            self._give_up()

    def _give_up(self) -> NoReturn:
        self.parts.append(", ...")
        raise _FullError

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self._room -= len(text)


def _short(value: Any, room: int) -> str:
    """Return the text of a plain value that fits as a whole, which most are; the empty text for others."""
    kind = type(value)
    if kind is str:
        return "'" + value.replace("'", "\\'") + "'" if len(value) < room else ""
    if kind in _PLAIN_TYPES or (kind is int and -_LARGE < value < _LARGE):
        text = str(value)
        return text if len(text) < room else ""
    return ""


def _brackets(container: Any) -> tuple[str, str]:
    if isinstance(container, dict):
        return "{", "}"
    if isinstance(container, list):
        return "[", "]"
    if isinstance(container, tuple):
        return "(", ",)" if len(container) == 1 else ")"
    if type(container) is set:
        return "{", "}"
    return f"{type(container).__name__}({{", "})"


def _quote(value: str | bytes, room: int) -> str:
    if isinstance(value, str):
        return "'" + _cut(value, room).replace("'", "\\'") + "'"
    dots = "..." if len(value) > room else ""
    value = value[:room]
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.hex()
    return f"b'{text}{dots}'"


def _cut(text: str, room: int) -> str:
    """Cut at a space if there is one: half a word tells less than none."""
    return text if len(text) < room else text[:room].rsplit(" ", 1)[0] + "..."


def _attempt(convert: Callable[[Any], str], value: Any) -> str:
    try:
        return convert(value)
    except Exception as error:  # noqa: BLE001 - code of the user's: a call shall not fail for its looks
        return f"<Unrepresentable {type(value)!r} at {id(value):#x}: {type(error).__name__}>"
