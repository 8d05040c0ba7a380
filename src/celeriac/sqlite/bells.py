"""Door bells: how a process that has committed something wakes those that wait for it, at once and without polling.

A bell is a datagram socket in the database's live directory. Whoever waits has written the bell's name into the
database, to a queue, a channel or a task; whoever commits something for them reads the names in the same transaction
and rings after the commit. A ring carries words (ids of tasks), or nothing, which means: look for yourself. A ring may
get lost (the socket's buffer is full, the file system knows no sockets), so a waiter also looks by itself now and then.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import select
import socket
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from celeriac.sqlite.forks import watch

__all__ = ["Bell", "Ringer", "make_directory"]

#: Seconds between two looks of a waiter that nobody rings.
PATIENCE = 1.0
#: The same where no bell can be had, because the file system has no sockets.
PATIENCE_WITHOUT_BELL = 0.05

#: Bytes of a socket's path that every system takes (macOS: 104 with the final NUL).
_PATH_LIMIT = 100
#: Bytes of one ring; a larger one becomes a ring without words.
_RING_LIMIT = 1500
#: Rings and bytes taken in at once from which on others may have been turned away: Linux keeps 11 rings, macOS 4 KiB.
_FULL = (8, 2000)
_RINGER = "ringer"
_DEAD = {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK, errno.EPROTOTYPE}


def make_directory(path: Path, file_mode: int) -> None:
    """Make the live directory, open to whoever may use the database. Safe to repeat."""
    mode = file_mode | (file_mode & 0o444) >> 2
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode)
        # The umask is the creator's; the database's own mode says who may take part.
        path.chmod(mode)


class Ringer:
    """Rings bells of one live directory. Safe for many threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        #: The one socket, made by the first who rings.
        self._sockets: dict[str, socket.socket] = {}

    def ring(self, name: str, words: Iterable[str] = ()) -> bool:
        """Ring a bell; return False if nobody will ever hear it again."""
        ringer = self._sockets.get(_RINGER) or self._open()
        payload = "\n".join(words).encode("utf-8", "surrogatepass")
        try:
            ringer.sendto(payload if len(payload) <= _RING_LIMIT else b"", _address(self._directory, name))
        except OSError as error:
            if error.errno in _DEAD:
                return False
        return True

    def is_heard(self, name: str) -> bool:
        """Say whether somebody has this bell, without ringing it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(_address(self._directory, name))
            except OSError as error:
                return error.errno not in _DEAD
        return True

    def _open(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        opened.setblocking(False)
        # One step, and no lock that a fork could copy while it is held.
        kept = self._sockets.setdefault(_RINGER, opened)
        if kept is not opened:
            opened.close()
        return kept

    def close(self) -> None:
        """Give the descriptor back. Safe to call twice; a later ring opens another."""
        ringer = self._sockets.pop(_RINGER, None)
        if ringer is not None:
            ringer.close()

    def __del__(self) -> None:
        self.close()


class Bell:
    """One waiter's bell. One thread waits; any thread may ``wake`` it."""

    def __init__(self, directory: Path, mode: int) -> None:
        self.name = f"{secrets.token_hex(8)}.bell"
        self._directory = directory
        self._mode = mode
        self._wake_reader, self._wake_writer = _pipe()
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._poll.register(self._wake_reader, select.POLLIN)
        self._is_closed = False
        #: Held while the pipe is written or closed: its number may be another file's a moment later.
        self._mutex = threading.RLock()
        self.hang()
        watch(self)

    @property
    def can_ring(self) -> bool:
        """Others can ring it; else its waiter has to look often."""
        return self._socket is not None

    @property
    def patience(self) -> float:
        """Seconds after which the waiter shall look by itself."""
        return PATIENCE if self._socket is not None else PATIENCE_WITHOUT_BELL

    @property
    def is_in_place(self) -> bool:
        """The socket is still where others look for it, or never could be."""
        return self._socket is None or (self._directory / self.name).exists()

    def hang(self) -> None:
        """Put the socket where others find it; again, if somebody has removed it."""
        self._take_down()
        waiter = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        waiter.setblocking(False)
        try:
            with contextlib.suppress(FileNotFoundError):
                # Its own, where it still hangs: no socket takes a name that is there.
                (self._directory / self.name).unlink()
            waiter.bind(_address(self._directory, self.name))
            (self._directory / self.name).chmod(self._mode)
        except OSError:
            waiter.close()
            return
        self._socket = waiter
        self._poll.register(waiter, select.POLLIN)

    def wait(self, timeout: float) -> list[str] | None:
        """Wait for a ring or ``wake``, at most ``timeout`` seconds; return the words, None for "look for yourself".

        An empty list: nobody rang.
        """
        return self.drain() if self._poll.poll(max(0.0, timeout) * 1000) else []

    def drain(self) -> list[str] | None:
        """Take in every ring so far, without waiting; return as ``wait`` does."""
        look = False
        with contextlib.suppress(OSError):
            while os.read(self._wake_reader, 4096):
                look = True
        rings: list[bytes] = []
        if self._socket is not None:
            with contextlib.suppress(OSError):
                while True:
                    rings.append(self._socket.recv(_RING_LIMIT))
        if look or b"" in rings or len(rings) >= _FULL[0] or sum(map(len, rings)) >= _FULL[1]:
            return None
        return b"\n".join(rings).decode("utf-8", "surrogatepass").split("\n") if rings else []

    def wake(self) -> None:
        """Make the wait end, also one that has not begun. Safe from any thread."""
        with self._mutex, contextlib.suppress(OSError):
            if not self._is_closed:
                os.write(self._wake_writer, b"\0")

    def close(self) -> None:
        """Take it down. Safe to call twice."""
        if not self._is_closed:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    (self._directory / self.name).unlink()
            self._let_go()

    def __del__(self) -> None:
        # A process may end, or forget its engine, without closing it.
        with contextlib.suppress(AttributeError):
            self.close()

    def _take_down(self) -> None:
        if self._socket is not None:
            self._poll.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _let_go(self) -> None:
        with self._mutex:
            if not self._is_closed:
                self._is_closed = True
                self._take_down()
                os.close(self._wake_reader)
                os.close(self._wake_writer)

    def before_fork(self) -> None:
        """Nothing to do."""

    def after_fork_in_parent(self) -> None:
        """Nothing to do."""

    def after_fork_in_child(self) -> None:
        """Drop the copy, or the bell would seem to be heard after its owner's death."""
        self._mutex = threading.RLock()
        self._let_go()


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer


def _address(directory: Path, name: str) -> str:
    """Return a path to a bell that is short enough for a socket."""
    path = f"{directory}/{name}"
    if len(os.fsencode(path)) <= _PATH_LIMIT:
        return path
    return f"{_shortcut(directory)}/{name}"


def _shortcut(directory: Path) -> Path:
    """Return a symbolic link to a directory with a long path: this user's, in the directory for temporary files."""
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    link = Path(tempfile.gettempdir(), f"celeriac-{os.geteuid()}-{digest}")
    for _ in range(2):
        try:
            if link.lstat().st_uid == os.geteuid() and link.readlink() == directory:
                return link
        except OSError:
            pass
        with contextlib.suppress(OSError):
            link.symlink_to(directory)
    raise OSError(errno.ENAMETOOLONG, "This path is too long for a socket, and no short way to it could be made")
