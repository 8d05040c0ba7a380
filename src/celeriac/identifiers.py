"""Identifiers of tasks and of processes."""

import os
import socket
import time

__all__ = ["gethostname", "node_origin", "uuid", "uuids"]


def uuid() -> str:
    """Return a new id: a version 7 UUID, which begins with the time and ends with 62 random bits.

    What is stored under ids made one after the other so lies side by side: a store that holds a million results writes
    one page for many new ones, not a page for each.
    """
    try:
        end = _ends.pop()
    except IndexError:
        end, *more = _random_ends(_AHEAD)
        _ends.extend(more)
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    known, beginning = _Beginning.last
    if known != milliseconds:
        digits = f"{milliseconds:012x}"
        beginning = f"{digits[:8]}-{digits[8:]}-7"
        _Beginning.last = milliseconds, beginning
    # Twelve bits for the fraction of the millisecond.
    return f"{beginning}{(rest << 12) // 1_000_000:03x}{end}"


def uuids(count: int) -> list[str]:
    """Return so many ids, in their order; cheaper than one by one."""
    # In parts of a millisecond, 4096 each: what a UUID begins with.
    first = (time.time_ns() << 12) // 1_000_000
    moments = [f"{moment:015x}" for moment in range(first, first + count)]
    ends = _random_ends(count)
    return [f"{moment[:8]}-{moment[8:12]}-7{moment[12:]}{end}" for moment, end in zip(moments, ends, strict=True)]


class _Beginning:
    """What the ids of one millisecond begin with: the last one, and its text."""

    last: tuple[int, str] = (-1, "")


def _random_ends(count: int) -> list[str]:
    """Return ends of UUIDs: the variant's two bits and 62 random ones each."""
    digits = os.urandom(8 * count).hex()
    return [
        f"-{_VARIANT[digits[start]]}{digits[start + 1 : start + 4]}-{digits[start + 4 : start + 16]}"
        for start in range(0, 16 * count, 16)
    ]


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
#: How many ends are made at once; what is left over belongs to this process alone.
_AHEAD = 64
_ends: list[str] = []
os.register_at_fork(after_in_child=_ends.clear)


class _Host:
    """This machine's name, asked for once."""

    name: str | None = None
    #: How this process names itself; a fork's child has another.
    origin: str | None = None

    @classmethod
    def forget_origin(cls) -> None:
        cls.origin = None


os.register_at_fork(after_in_child=_Host.forget_origin)


def gethostname() -> str:
    """Return this machine's name."""
    if _Host.name is None:
        _Host.name = socket.gethostname()
    return _Host.name


def node_origin() -> str:
    """Return how a process that is no worker names itself in what it publishes: ``gen<pid>@<host>``."""
    origin = _Host.origin
    if origin is None:
        origin = _Host.origin = f"gen{os.getpid()}@{gethostname()}"
    return origin
