"""AMQP's field tables, which carry a message's headers: bytes to dict and back.

This is where most of a message's cost is, so the common kinds come first and nothing is copied twice.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from celeriac.exceptions import DecodeError, EncodeError

__all__ = ["read_table", "write_short", "write_table"]

_UINT = struct.Struct(">I")
_INT = struct.Struct(">i")
_LONG = struct.Struct(">q")
_DOUBLE = struct.Struct(">d")
_read_uint = _UINT.unpack_from
_read_int = _INT.unpack_from
_write_uint = _UINT.pack

#: Names seen in tables, decoded once; and written ones, encoded once.
_names: dict[bytes, str] = {}
_written_names: dict[str, bytes] = {}
#: How many names are remembered before it begins anew: whoever sends messages chooses them.
_REMEMBERED = 2048
#: Tables and lists within each other, at most.
_MAX_DEPTH = 64

#: Kinds that are one number: how to read it, and its size.
_NUMBERS: dict[int, tuple[Callable[..., tuple[Any, ...]], int]] = {
    ord("b"): (struct.Struct(">b").unpack_from, 1),
    ord("B"): (struct.Struct(">B").unpack_from, 1),
    ord("s"): (struct.Struct(">h").unpack_from, 2),
    ord("U"): (struct.Struct(">h").unpack_from, 2),
    ord("u"): (struct.Struct(">H").unpack_from, 2),
    ord("I"): (_read_int, 4),
    ord("i"): (_read_uint, 4),
    ord("l"): (_LONG.unpack_from, 8),
    ord("L"): (_LONG.unpack_from, 8),
    ord("f"): (struct.Struct(">f").unpack_from, 4),
    ord("d"): (_DOUBLE.unpack_from, 8),
}


def read_table(data: bytes, at: int, end: int, depth: int = 0) -> dict[str, Any]:
    """Return the table whose fields lie between two places; raises ``DecodeError`` for bytes that are none."""
    if depth > _MAX_DEPTH:
        raise DecodeError(f"A header holds tables within tables, more than {_MAX_DEPTH} levels deep.")
    table: dict[str, Any] = {}
    try:
        while at < end:
            start = at + 1
            at = start + data[at]
            raw = data[start:at]
            name = _names.get(raw)
            if name is None:
                name = _remember(raw)
            kind = data[at]
            if kind == 83:  # S, text
                start = at + 5
                at = start + _read_uint(data, at + 1)[0]
                try:
                    table[name] = data[start:at].decode()
                except UnicodeDecodeError:
                    table[name] = data[start:at]
            elif kind == 86:  # V, nothing
                table[name] = None
                at += 1
            else:
                table[name], at = _read_value(data, at, depth)
    except (IndexError, struct.error, ValueError, OverflowError, OSError) as error:
        raise DecodeError(f"The headers of a message are no table of AMQP: {error}.") from error
    if at != end:
        raise DecodeError("The headers of a message are no table of AMQP: a value runs over the end.")
    return table


def _remember(raw: bytes) -> str:
    if len(_names) >= _REMEMBERED:
        _names.clear()
    name = _names[raw] = raw.decode("utf-8", "backslashreplace")
    return name


def _read_value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return the value that begins here with the letter of its kind, and the place after it."""
    kind = data[at]
    at += 1
    if kind in _NUMBERS:
        read, size = _NUMBERS[kind]
        return read(data, at)[0], at + size
    match chr(kind):
        case "t":
            return data[at] != 0, at + 1
        case "V":
            return None, at
        case "S" | "x" | "F" | "A":
            start = at + 4
            end = start + _read_uint(data, at)[0]
            return _read_long(chr(kind), data, start, end, depth), end
        case "T":
            return datetime.fromtimestamp(_LONG.unpack_from(data, at)[0], UTC), at + 8
        case "D":
            return Decimal(_read_int(data, at + 1)[0]).scaleb(-data[at]), at + 5
    raise DecodeError(f"A header has a value of the kind {chr(kind)!r}, which AMQP does not know.")


def _read_long(kind: str, data: bytes, start: int, end: int, depth: int) -> Any:
    if end > len(data):
        raise DecodeError("A header's value is cut off.")
    match kind:
        case "F":
            return read_table(data, start, end, depth + 1)
        case "A":
            return _read_list(data, start, end, depth + 1)
        case "S":
            try:
                return data[start:end].decode()
            except UnicodeDecodeError:
                return data[start:end]
    return data[start:end]


def _read_list(data: bytes, at: int, end: int, depth: int) -> list[Any]:
    if depth > _MAX_DEPTH:
        raise DecodeError(f"A header holds lists within lists, more than {_MAX_DEPTH} levels deep.")
    values: list[Any] = []
    while at < end:
        value, at = _read_value(data, at, depth)
        values.append(value)
    return values


def write_table(table: Mapping[str, Any]) -> bytes:
    """Return the table with its size before it.

    Raises ``TypeError`` for a value of no kind that AMQP knows, ``EncodeError`` for one that does not fit.
    """
    parts: list[bytes] = []
    for name, value in table.items():
        written = _written_names.get(name)
        parts.append(_remember_written(name) if written is None else written)
        if value is None:
            parts.append(b"V")
        elif type(value) is str:
            raw = _encode(value)
            parts.append(b"S" + _write_uint(len(raw)))
            parts.append(raw)
        else:
            parts.append(_write_value(value))
    joined = b"".join(parts)
    return _write_uint(len(joined)) + joined


def _remember_written(name: Any) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"A header's name must be text, not {name!r}.")
    if len(_written_names) >= _REMEMBERED:
        _written_names.clear()
    written = _written_names[name] = write_short(name)
    return written


def write_short(text: str) -> bytes:
    """Return a text of up to 255 bytes with its size before it; raises ``EncodeError`` for a longer one."""
    raw = _encode(text)
    if len(raw) > 255:
        raise EncodeError(f"{text[:40]!r}… has {len(raw)} bytes; a name on AMQP has 255 at most.")
    return bytes((len(raw),)) + raw


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"A text with half a character (a lone surrogate) cannot be sent: {text[:40]!r}.") from error


def _write_value(value: Any) -> bytes:
    """Return a value after the letter of its kind. The kinds are those that Celery's client writes."""
    match value:
        case None:
            return b"V"
        case bool():
            return b"t\x01" if value else b"t\x00"
        case int():
            return _write_integer(value)
        case float():
            return b"d" + _DOUBLE.pack(value)
        case Mapping():
            return b"F" + write_table(value)
        case str():
            return _write_sized(b"S", _encode(value))
        case list() | tuple():
            return _write_sized(b"A", b"".join(map(_write_value, value)))
    return _write_rare(value)


def _write_sized(kind: bytes, content: bytes) -> bytes:
    return kind + _write_uint(len(content)) + content


def _write_rare(value: Any) -> bytes:
    match value:
        case bytes() | bytearray() | memoryview():
            return _write_sized(b"x", bytes(value))
        case datetime():
            moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
            return b"T" + _LONG.pack(int(moment.timestamp()))
        case Decimal():
            return _write_decimal(value)
    raise TypeError(f"AMQP carries no {type(value).__name__} in a header: {value!r}.")


def _write_integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"I" + _INT.pack(value)
    if -(2**63) <= value < 2**63:
        return b"l" + _LONG.pack(value)
    raise EncodeError(f"AMQP carries integers from -2**63 to 2**63 - 1, and {value} is none of them. Send it as text.")


def _write_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise EncodeError(f"AMQP carries no {value} in a header.")
    number = int("".join(map(str, digits))) * (-1 if sign else 1) * 10 ** max(0, exponent)
    if not -(2**31) <= number < 2**31 or -exponent > 255:
        raise EncodeError(f"AMQP's decimals have 32 bits, too few for {value}. Send it as text.")
    return b"D" + bytes((max(0, -exponent),)) + _INT.pack(number)
