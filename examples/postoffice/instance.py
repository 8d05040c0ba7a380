"""What one running demo occupies and no other may have: a directory, a queue and two ports."""

import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:
    sys.exit("The post office needs Linux or macOS; on Windows, run it in WSL.")

VAR = Path(__file__).resolve().parent / "var"


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


def queue_of(directory: Path) -> str:
    """The queue of the demo in this directory, where demos share a server; POSTOFFICE_QUEUE names another."""
    if asked := os.environ.get("POSTOFFICE_QUEUE"):
        return asked
    if directory == VAR:
        return "postoffice"
    return f"postoffice-{directory.name if directory.parent == VAR else f'{zlib.crc32(bytes(directory)):08x}'}"
