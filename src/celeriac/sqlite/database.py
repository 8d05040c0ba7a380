"""One database file as this process uses it: connections, transactions, and the errors they end in.

Two connections: one writes (by group commit), one reads, which in WAL mode nobody blocks. Both are opened at first use,
closed before a fork, and opened anew when the file has been deleted or replaced, which is said by an error first.
"""

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from celeriac.exceptions import OperationalError
from celeriac.sqlite.bells import Bell, Ringer, make_directory
from celeriac.sqlite.connections import close_quietly, connect, has_schema, patiently, prepare
from celeriac.sqlite.errors import explain, is_busy
from celeriac.sqlite.forks import watch
from celeriac.sqlite.group_commit import Claim, GroupCommit, Transaction
from celeriac.sqlite.location import Location
from celeriac.sqlite.locks import SessionLock
from celeriac.sqlite.queries import QUERIES

__all__ = ["PATIENCE", "Database", "FileLostError"]

logger = logging.getLogger("celeriac.sqlite")

T = TypeVar("T")

#: Seconds to wait for a lock that another process holds, unless the caller says otherwise.
PATIENCE = 5.0
#: Seconds between two looks whether the file is still there, while commit follows commit. Whoever deletes it loses what
#: was in it; this is how long it may take until that is said.
_VERIFY_INTERVAL = 0.05
#: Connections that a parent had open when somebody forked behind Python's back: never to be used nor closed here.
_abandoned: list[sqlite3.Connection] = []


class FileLostError(OSError):
    """The file is not the one that was opened."""


class Database:
    """A file, safe for many threads and many processes."""

    def __init__(self, location: Location) -> None:
        self.location = location
        #: Grows whenever the file turns out to be another one than before: what was registered in it is gone.
        self.generation = 0
        self.ringer = Ringer(location.live_directory)
        self._commits = GroupCommit(self._begin, self._verify)
        self._reading = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        #: What ``write_alone``'s statement has told so far.
        self._told: list[str] = []
        #: Which file it is, by its own word.
        self._identity: int | None = None
        #: Device and inode of the file that the writer and the reader have open.
        self._writer_inode: tuple[int, int] | None = None
        self._reader_inode: tuple[int, int] | None = None
        #: Monotonic time of the last look.
        self._verified_at = 0.0
        #: The file is not there any more; whoever writes next opens what is.
        self._is_lost = False
        self._is_paused = False
        self._holds_reading = False
        self._pid = os.getpid()
        watch(self)

    def open(self) -> None:
        """Make sure that the file is there and ours; raises ``OperationalError`` with the cure. Safe to call twice."""
        self.write(_do_nothing)

    def close(self) -> None:
        """Close the connections. Safe to call twice; whatever is used next opens them again."""
        if self._commits.pause(PATIENCE):
            try:
                self._close_writer()
            finally:
                self._commits.resume()
        with self._reading:
            self._close_reader()
        self.ringer.close()

    def __del__(self) -> None:
        # A process may end, or forget its engine, without closing it.
        with contextlib.suppress(AttributeError):
            self._close_writer()
            self._close_reader()

    def write(
        self,
        operation: Callable[[Transaction], T],
        *,
        timeout: float = PATIENCE,
        error: type[OperationalError] = OperationalError,
    ) -> T:
        """Run an operation in a transaction of its own; return its result once it is committed.

        An operation may be run a second time if the first was rolled back. Raises ``error``: nothing is stored then.
        """
        self._notice_fork()
        with _Explaining(self.location.path, error):
            try:
                result, rings = self._commits.run(operation, time.monotonic() + timeout)
            except TimeoutError as caught:
                raise error(
                    f"The database {self.location.path} was busy with this process's own writes for {timeout:g} s. "
                    "Its disk may be too slow for what is asked of it."
                ) from caught
        if rings:
            self.ring(rings)
        return result

    def write_alone(
        self, statement: str, parameters: Sequence[object], *, error: type[OperationalError] = OperationalError
    ) -> tuple[int, list[str]] | None:
        """Run one statement that inserts one row and is a transaction by itself, if nobody else writes.

        Returns the number of the row, and with what the statement has called the SQL function ``tell``. None: the
        statement has changed nothing, or somebody writes, in this process or in another; what is to be written is a
        matter for ``write`` then. Raises ``error``: nothing is stored then.
        """
        self._notice_fork()
        claim = Claim()
        try:
            writer = self._writer if self._commits.claim(claim) and not self._is_lost else None
            if writer is None:
                return None
            self._told.clear()
            cursor = writer.execute(statement, parameters)
            if cursor.rowcount < 1:
                return None
            self._verify()
            return cursor.lastrowid or 0, self._told.copy()
        except sqlite3.Error as caught:
            if is_busy(caught):
                return None
            raise error(explain(caught, self.location.path)) from caught
        except FileLostError as caught:
            raise error(str(caught)) from caught
        finally:
            self._commits.release(claim)

    def ring(self, rings: Mapping[str, Iterable[str]]) -> None:
        """Ring bells, each with its words, and forget those that nobody hears."""
        unheard = [bell for bell, words in rings.items() if not self.ringer.ring(bell, words)]
        if unheard:
            with contextlib.suppress(OperationalError):
                self.forget_bells(unheard)

    def read(self, query: Callable[[sqlite3.Connection], T], *, error: type[OperationalError] = OperationalError) -> T:
        """Run a query on one state of the database; it sees everything committed before. Raises ``error``."""
        self._notice_fork()
        deadline = time.monotonic() + PATIENCE
        with _Explaining(self.location.path, error):
            while True:
                with self._reading:
                    reader = self._open_reader(deadline)
                    if reader is not None:
                        return patiently(partial(query, reader), deadline)
                # Whoever writes makes the schema.
                self._commits.run(_do_nothing, deadline)

    def make_bell(self) -> Bell:
        """Return a new bell for one waiter."""
        mode = self._file_mode()
        with contextlib.suppress(OSError):
            make_directory(self.location.live_directory, mode)
        return Bell(self.location.live_directory, mode)

    def lock_session(self, session: str) -> SessionLock:
        """Return a locked file of this name in the live directory; raises ``OperationalError``."""
        mode = self._file_mode()
        try:
            make_directory(self.location.live_directory, mode)
            return SessionLock(self.location.live_directory / f"{session}.lock", mode)
        except OSError as caught:
            raise OperationalError(
                f"No lock file can be made in {self.location.live_directory} ({caught.strerror}), "
                "so other nodes could not tell whether this one lives. The directory must be on a local disk and "
                f"writable for user id {os.geteuid()}."
            ) from caught

    def forget_bells(self, names: list[str]) -> None:
        """Remove bells that nobody hears."""

        def forget(transaction: Transaction) -> None:
            for name in names:
                transaction.connection.execute(QUERIES["forget_bell_of_listener"], (name,))
                transaction.connection.execute(QUERIES["forget_bell_of_result_waiter"], (name,))

        self.write(forget)
        for name in names:
            with contextlib.suppress(OSError):
                (self.location.live_directory / name).unlink()

    # Forks.

    def before_fork(self) -> None:
        """Come to rest and close the connections."""
        self._is_paused = self._commits.pause(PATIENCE)
        if self._is_paused:
            self._close_writer()
        self._holds_reading = self._reading.acquire(timeout=PATIENCE)
        if self._holds_reading:
            self._close_reader()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._is_paused:
            self._commits.resume()
        if self._holds_reading:
            self._reading.release()

    def after_fork_in_child(self) -> None:
        """Begin anew, with this process's only thread."""
        self._pid = os.getpid()
        self._commits.reset()
        self._reading = threading.Lock()
        _abandoned.extend(connection for connection in (self._writer, self._reader) if connection is not None)
        self._writer = self._reader = None

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self.after_fork_in_child()

    # Connections.

    def _begin(self, deadline: float) -> sqlite3.Connection:
        if self._is_lost:
            self._close_writer()
            self._is_lost = False
        if self._writer is None:
            self._writer = self._open_writer(deadline)
        writer = self._writer
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            patiently(lambda: writer.execute("BEGIN IMMEDIATE"), deadline)
        return writer

    def _open_writer(self, deadline: float) -> sqlite3.Connection:
        connection = connect(self.location, deadline)
        try:
            prepare(connection, self.location.path, deadline)
            (identity,) = patiently(lambda: connection.execute(QUERIES["identity"]).fetchone(), deadline)
            self._writer_inode = self._look()
            # Not Python code, in which the handler of a signal could raise. It returns None.
            connection.create_function("tell", 1, self._told.append)
        except BaseException:
            connection.close()
            raise
        if identity != self._identity:
            self._identity = identity
            self.generation += 1
        return connection

    def _open_reader(self, deadline: float) -> sqlite3.Connection | None:
        """Return the reader, or None if the database has to be made first."""
        if self._reader is None:
            connection = connect(self.location, deadline)
            try:
                is_made = patiently(lambda: has_schema(connection, self.location.path), deadline)
            except BaseException:
                connection.close()
                raise
            if not is_made:
                connection.close()
                return None
            self._reader = connection
            self._reader_inode = self._look()
        elif self._look() != self._reader_inode:
            self._close_reader()
            self._is_lost = True
            raise self._lost()
        return self._reader

    def _verify(self) -> None:
        """Find out after a commit whether it went into a file that has been deleted or replaced."""
        now = time.monotonic()
        if now - self._verified_at < _VERIFY_INTERVAL:
            return
        self._verified_at = now
        if self._look() != self._writer_inode:
            self._is_lost = True
            raise self._lost()

    def _look(self) -> tuple[int, int] | None:
        """Return device and inode of the file that is there, None if there is none."""
        try:
            there = self.location.path.stat()
        except OSError:
            return None
        return there.st_dev, there.st_ino

    def _lost(self) -> FileLostError:
        happened = "deleted" if self._look() is None else "replaced by another"
        return FileLostError(
            f"The database {self.location.path} was {happened} while it was in use. What was in it is lost, and what "
            "was just to be stored was not; the next attempt uses the file that is there, or makes a new one."
        )

    def _file_mode(self) -> int:
        try:
            return self.location.path.stat().st_mode & 0o666
        except OSError:
            return 0o600

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            close_quietly(writer)

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            close_quietly(reader)


class _Explaining:
    """Turns what SQLite raises into sentences, and every error of ours into the kind the caller raises."""

    __slots__ = ("_error", "_path")

    def __init__(self, path: Path, error: type[OperationalError]) -> None:
        self._path = path
        self._error = error

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, caught: BaseException | None, traceback: object) -> None:
        if isinstance(caught, sqlite3.Error):
            raise self._error(explain(caught, self._path)) from caught
        if isinstance(caught, (FileLostError, OperationalError)) and not isinstance(caught, self._error):
            raise self._error(str(caught)) from caught


def _do_nothing(_: Transaction) -> None:
    pass
