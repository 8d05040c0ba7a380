"""Waiting for changes of entries: a bell, and a counter that is looked at once a second all the same."""

import sqlite3
import threading
import time

from celeriac.exceptions import OperationalError
from celeriac.sqlite.bells import Bell
from celeriac.sqlite.database import Database
from celeriac.sqlite.forks import watch
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES
from celeriac.timetables.sqlite.changes import TOPIC

__all__ = ["Listening"]


class Listening:
    """One waiter. The bell is hung at the first wait."""

    _bell: Bell | None
    _is_woken: bool

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reset()
        watch(self)

    def saw(self, connection: sqlite3.Connection) -> None:
        """Note that everything changed so far is known."""
        self._seen = _read_changes(connection)

    def wait(self, timeout: float) -> bool:
        """Wait for a change since the last look; return False if there was none."""
        deadline = time.monotonic() + timeout
        while True:
            bell = self._hang()
            bell.drain()
            seen, self._seen = self._seen, self._database.read(_read_changes)
            if seen != self._seen:
                return True
            remaining = deadline - time.monotonic()
            if self._is_woken or remaining <= 0:
                self._is_woken = False
                return False
            bell.wait(min(remaining, bell.patience))

    def wake(self) -> None:
        """End a wait, also one that has not begun. Safe from any thread."""
        self._is_woken = True
        with self._mutex:
            bell = self._bell
        if bell is not None:
            bell.wake()

    def close(self) -> None:
        """Take the bell down. Safe to call twice; a later wait hangs another."""
        with self._mutex:
            bell, self._bell = self._bell, None
        if bell is not None:
            bell.close()
            try:
                self._database.forget_bells([bell.name])
            except OperationalError:
                # Whoever rings it in vain does it.
                return

    def before_fork(self) -> None:
        """Nothing to do."""

    def after_fork_in_parent(self) -> None:
        """Nothing to do."""

    def after_fork_in_child(self) -> None:
        """Begin anew: the bell is the parent's."""
        self._reset()

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._bell = None
        #: ``Database.generation`` when the bell's name was written into the file.
        self._generation = -1
        #: The counter of changes at the last look.
        self._seen = -1
        self._is_woken = False

    def _hang(self) -> Bell:
        """Return a bell whose name is in the file, where others find it."""
        with self._mutex:
            if self._bell is None:
                self._bell = self._database.make_bell()
                self._generation = -1
            bell = self._bell
        if not bell.is_in_place:
            bell.hang()
        if self._generation != self._database.generation:
            self._database.write(lambda transaction: self._listen(transaction, bell))
        return bell

    def _listen(self, transaction: Transaction, bell: Bell) -> None:
        if bell.can_ring:
            transaction.connection.execute(QUERIES["insert_listener"], (TOPIC, bell.name))
        self._generation = self._database.generation


def _read_changes(connection: sqlite3.Connection) -> int:
    (changes,) = connection.execute(QUERIES["timetable_changes"]).fetchone()
    return int(changes)
