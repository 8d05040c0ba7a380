"""Identifiers of tasks and of processes."""

import os
import socket
import time
from collections.abc import Iterator

__all__ = ["gethostname", "node_origin", "uuid", "uuids"]


def uuid() -> str:
    """Return a new id: a version 7 UUID, which begins with the time and ends with 62 random bits.

    What is stored under ids made one after the other so lies side by side: a store that holds a million results writes
    one page for many new ones, not a page for each.
    """
    return _form(os.urandom(8).hex())


def uuids(count: int) -> Iterator[str]:
    """Yield so many ids; cheaper than one by one."""
    digits = os.urandom(8 * count).hex()
    return (_form(digits[start : start + 16]) for start in range(0, len(digits), 16))


def _form(digits: str) -> str:
    """Return a UUID of this moment and sixteen random hexadecimal digits."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    head = f"{milliseconds:012x}"
    # Twelve bits for the fraction of the millisecond.
    fraction = (nanoseconds << 12) // 1_000_000
    variant = "89ab"[int(digits[0], 16) & 3]
    return f"{head[:8]}-{head[8:]}-7{fraction:03x}-{variant}{digits[1:4]}-{digits[4:]}"


class _Host:
    """This machine's name, asked for once."""

    name: str | None = None
    origin: tuple[int, str] = (0, "")


def gethostname() -> str:
    """Return this machine's name."""
    if _Host.name is None:
        _Host.name = socket.gethostname()
    return _Host.name


def node_origin() -> str:
    """Return how a process that is no worker names itself in what it publishes: ``gen<pid>@<host>``."""
    pid = os.getpid()
    if _Host.origin[0] != pid:
        _Host.origin = (pid, f"gen{pid}@{gethostname()}")
    return _Host.origin[1]
