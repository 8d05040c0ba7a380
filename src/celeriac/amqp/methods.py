"""The methods of AMQP 0-9-1 that a client of RabbitMQ needs, as a table; and their bytes.

Kinds of arguments: ``o`` 8, ``h`` 16, ``l`` 32 and ``q`` 64 bits without sign, ``s`` text up to 255 bytes, ``S`` long
text or bytes, ``b`` one bit (neighbours share a byte), ``t`` a table.
"""

import struct
from typing import Any, NamedTuple

from celeriac.amqp.table import read_table, write_short, write_table
from celeriac.exceptions import DecodeError

__all__ = ["CODES", "Method", "read_delivery", "read_method", "write_method"]


class Method(NamedTuple):
    """A method as it came: ``queue.declare-ok`` and its arguments in order."""

    name: str
    arguments: tuple[Any, ...]


#: Name -> class, method, kinds of the arguments.
_TABLE = {
    "connection.start": (10, 10, "ootSS"),
    "connection.start-ok": (10, 11, "tsSs"),
    "connection.secure": (10, 20, "S"),
    "connection.secure-ok": (10, 21, "S"),
    "connection.tune": (10, 30, "hlh"),
    "connection.tune-ok": (10, 31, "hlh"),
    "connection.open": (10, 40, "ssb"),
    "connection.open-ok": (10, 41, "s"),
    "connection.close": (10, 50, "hshh"),
    "connection.close-ok": (10, 51, ""),
    "connection.blocked": (10, 60, "s"),
    "connection.unblocked": (10, 61, ""),
    "channel.open": (20, 10, "s"),
    "channel.open-ok": (20, 11, "S"),
    "channel.flow": (20, 20, "b"),
    "channel.flow-ok": (20, 21, "b"),
    "channel.close": (20, 40, "hshh"),
    "channel.close-ok": (20, 41, ""),
    "exchange.declare": (40, 10, "hssbbbbbt"),
    "exchange.declare-ok": (40, 11, ""),
    "exchange.delete": (40, 20, "hsbb"),
    "exchange.delete-ok": (40, 21, ""),
    "exchange.bind": (40, 30, "hsssbt"),
    "exchange.bind-ok": (40, 31, ""),
    "exchange.unbind": (40, 40, "hsssbt"),
    "exchange.unbind-ok": (40, 51, ""),
    "queue.declare": (50, 10, "hsbbbbbt"),
    "queue.declare-ok": (50, 11, "sll"),
    "queue.bind": (50, 20, "hsssbt"),
    "queue.bind-ok": (50, 21, ""),
    "queue.purge": (50, 30, "hsb"),
    "queue.purge-ok": (50, 31, "l"),
    "queue.delete": (50, 40, "hsbbb"),
    "queue.delete-ok": (50, 41, "l"),
    "queue.unbind": (50, 50, "hssst"),
    "queue.unbind-ok": (50, 51, ""),
    "basic.qos": (60, 10, "lhb"),
    "basic.qos-ok": (60, 11, ""),
    "basic.consume": (60, 20, "hssbbbbt"),
    "basic.consume-ok": (60, 21, "s"),
    "basic.cancel": (60, 30, "sb"),
    "basic.cancel-ok": (60, 31, "s"),
    "basic.publish": (60, 40, "hssbb"),
    "basic.return": (60, 50, "hsss"),
    "basic.deliver": (60, 60, "sqbss"),
    "basic.get": (60, 70, "hsb"),
    "basic.get-ok": (60, 71, "qbssl"),
    "basic.get-empty": (60, 72, "s"),
    "basic.ack": (60, 80, "qb"),
    "basic.nack": (60, 120, "qbb"),
    "confirm.select": (85, 10, "b"),
    "confirm.select-ok": (85, 11, ""),
}

#: Name -> the number that a method frame begins with: class and method, 16 bits each.
CODES = {name: number << 16 | method for name, (number, method, _) in _TABLE.items()}
_BY_CODE = {number << 16 | method: (name, kinds) for name, (number, method, kinds) in _TABLE.items()}

_FIXED = {"o": struct.Struct(">B"), "h": struct.Struct(">H"), "l": struct.Struct(">I"), "q": struct.Struct(">Q")}
_CODE = struct.Struct(">I")
_read_tag = struct.Struct(">QB").unpack_from


def write_method(name: str, *arguments: Any) -> bytes:
    """Return the content of a method frame; raises ``EncodeError`` for an argument that does not fit."""
    _, _, kinds = _TABLE[name]
    parts = [_CODE.pack(CODES[name])]
    bits, count = 0, 0
    for kind, value in zip(kinds, arguments, strict=True):
        if kind == "b":
            bits |= bool(value) << count
            count += 1
            continue
        if count:
            parts.append(bytes((bits,)))
            bits, count = 0, 0
        parts.append(_write(kind, value))
    if count:
        parts.append(bytes((bits,)))
    return b"".join(parts)


def _write(kind: str, value: Any) -> bytes:
    match kind:
        case "s":
            return write_short(value)
        case "S":
            raw = value.encode() if isinstance(value, str) else bytes(value)
            return _FIXED["l"].pack(len(raw)) + raw
        case "t":
            return write_table(value or {})
    return _FIXED[kind].pack(value)


def read_method(data: bytes, at: int, end: int) -> Method:
    """Return the method in a frame's content; raises ``DecodeError``."""
    code: int = _CODE.unpack_from(data, at)[0]
    if code not in _BY_CODE:
        raise DecodeError(f"The server sent the method {code >> 16}.{code & 0xFFFF}, which celeriac does not know.")
    name, kinds = _BY_CODE[code]
    at += 4
    arguments: list[Any] = []
    bit = 0
    try:
        for position, kind in enumerate(kinds):
            if kind == "b":
                arguments.append(bool(data[at] >> bit & 1))
                bit += 1
                if kinds[position + 1 : position + 2] != "b":
                    at, bit = at + 1, 0
                continue
            value, at = _read(kind, data, at)
            arguments.append(value)
    except (IndexError, struct.error) as error:
        raise DecodeError(f"The server's {name} is cut off.") from error
    if at > end:
        raise DecodeError(f"The server's {name} is cut off.")
    return Method(name, tuple(arguments))


def read_delivery(data: bytes, at: int) -> tuple[str, int, bool, str, str]:
    """Return the arguments of ``basic.deliver``, which comes more often than all others."""
    start = at + 1
    at = start + data[at]
    consumer = data[start:at]
    tag, redelivered = _read_tag(data, at)
    start = at + 10
    at = start + data[at + 9]
    exchange = data[start:at]
    start = at + 1
    routing_key = data[start : start + data[at]]
    return consumer.decode(), tag, redelivered != 0, exchange.decode(), routing_key.decode("utf-8", "replace")


def _read(kind: str, data: bytes, at: int) -> tuple[Any, int]:
    match kind:
        case "s":
            start = at + 1
            end = start + data[at]
            return data[start:end].decode("utf-8", "replace"), end
        case "S" | "t":
            start = at + 4
            end = start + _FIXED["l"].unpack_from(data, at)[0]
            return (read_table(data, start, end) if kind == "t" else data[start:end]), end
    fixed = _FIXED[kind]
    return fixed.unpack_from(data, at)[0], at + fixed.size
