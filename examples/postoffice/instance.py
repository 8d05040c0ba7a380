"""What one running demo occupies and no other may have: a directory and two ports."""

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import IO, NamedTuple

try:
    import fcntl
except ImportError:
    sys.exit("The post office needs Linux or macOS; on Windows, run it in WSL.")

VAR = Path(__file__).resolve().parent / "var"

#: How many ports after the first are tried before giving up.
PORTS_TRIED = 100


class DemoError(Exception):
    """What a person can put right; its text says how."""


@contextlib.asynccontextmanager
async def choosing_ports() -> AsyncIterator[None]:
    """One demo of this user at a time is here."""
    path = Path(tempfile.gettempdir()) / f"postoffice-ports-{os.getuid()}.lock"
    with path.open("a") as file:
        while not try_lock(file):  # noqa: ASYNC110 - another process holds it: there is no event to wait for
            await asyncio.sleep(0.1)
        yield


def try_lock(file: IO[str]) -> bool:
    """Lock the file until it is closed. False if somebody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def claim_directory(asked: Path | None) -> Iterator[Path]:
    """The directory asked for, or the first of `var`, `var/2`, … that no other demo uses; ours until the end."""
    for number in itertools.count(1):
        directory = asked or (VAR if number == 1 else VAR / str(number))
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = (directory / "demo.lock").open("a")
        except OSError as error:
            raise DemoError(
                f"The directory {directory} can't be used: {error.strerror}. Choose another with --directory."
            ) from error
        with lock:
            if try_lock(lock):
                yield directory.resolve()
                return
        if asked:
            raise DemoError(f"Another demo is running in {directory}: stop it, or choose another with --directory.")


def reachable(host: str) -> str:
    """Where to knock for a server that listens on this host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there, and nobody answers there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as caller, socket.socket(family) as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            # Where a server listens on another address of this port, binding succeeds on some systems.
            caller.settimeout(1)
            return caller.connect_ex((reachable(host), port)) != 0
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise DemoError(f"This machine can't listen on {host}: {error.strerror}.") from error
            if isinstance(error, PermissionError):
                raise DemoError(f"Port {port} is not for everybody's use; choose one from 1024 on.") from error
            return False


class PortChoice(NamedTuple):
    """A port to listen on, and the one that was wanted but in use, if so."""

    port: int
    instead_of: int | None = None


def choose_port(*, option: str, asked: int | None, default: int, host: str, avoid: Collection[int] = ()) -> PortChoice:
    """The port asked for, which must be free; else the default or the next free one after it."""
    first = asked or default
    candidates = range(first, min(first + PORTS_TRIED, 65536))
    free = next((port for port in candidates if port not in avoid and is_free(host, port)), None)
    if free == first:
        return PortChoice(free)
    if asked:
        proposal = f"{option} {free} would do" if free else f"choose another with {option}"
        raise DemoError(f"Port {first} is in use by another program; {proposal}.")
    if free is None:
        raise DemoError(f"None of the ports from {first} to {candidates[-1]} is free; choose one with {option}.")
    return PortChoice(free, instead_of=first)
