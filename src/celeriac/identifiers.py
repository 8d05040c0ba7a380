"""Identifiers of tasks and of processes."""

import os
import socket

__all__ = ["gethostname", "node_origin", "uuid"]


def uuid() -> str:
    """Return a new random id, in the form of a version 4 UUID."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


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
