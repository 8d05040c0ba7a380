"""A port for a server to listen on: the one that is wanted, or the next that is free."""

import errno
import socket
from collections.abc import Collection
from typing import NamedTuple

from celeriac.exceptions import ImproperlyConfigured

__all__ = ["PortChoice", "choose_port", "is_listening", "reachable"]

#: How many ports after the first are tried.
_TRIED = 100
#: Seconds that the attempt to reach somebody who listens may take.
_PATIENCE = 1.0


class PortChoice(NamedTuple):
    """A port to listen on, and the one that was wanted but is in use, if so."""

    port: int
    instead_of: int | None = None


def choose_port(*, option: str, asked: int | None, default: int, host: str, avoid: Collection[int] = ()) -> PortChoice:
    """Return the port asked for, which must be free; else the default or the next free one after it.

    Raises ``ImproperlyConfigured`` with a port that would do.
    """
    first = asked or default
    candidates = range(first, min(first + _TRIED, 65536))
    free = next((port for port in candidates if port not in avoid and _is_free(host, port)), None)
    if free == first:
        return PortChoice(free)
    if asked:
        proposal = f"{option} {free} would do" if free else f"choose another with {option}"
        raise ImproperlyConfigured(f"Port {first} is in use by another program; {proposal}.")
    if free is None:
        raise ImproperlyConfigured(
            f"None of the ports from {first} to {candidates[-1]} is free; choose one with {option}."
        )
    return PortChoice(free, instead_of=first)


def reachable(host: str) -> str:
    """Return where to knock for a server that listens on this host."""
    return {"0.0.0.0": "127.0.0.1", "0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing listens here


def is_listening(host: str, port: int) -> bool:
    """Say whether somebody answers there. Raises ``OSError`` for a host that this machine does not know."""
    with socket.socket(_family(host)) as caller:
        caller.settimeout(_PATIENCE)
        return caller.connect_ex((reachable(host), port)) == 0


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.socket(_family(host)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        # Where a server listens on another address of this port, binding succeeds on some systems.
        return not is_listening(host, port)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise ImproperlyConfigured(f"This machine cannot listen on {host}: {error.strerror}.") from error
        if isinstance(error, PermissionError):
            raise ImproperlyConfigured(f"Port {port} is not for everybody's use; choose one from 1024 on.") from error
        return False


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
