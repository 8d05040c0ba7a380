"""What the timetable has claimed and what the broker was given, each as its own store has seen it.

None asks celeriac: SQLite's own triggers write it down, Redis' append-only file has every write there was, and on
RabbitMQ a second queue is bound to the exchange.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from celeriac import Celeriac
from celeriac.brokers.base import Outcome, Settlement
from celeriac.protocol import envelope as envelopes
from celeriac.routing import Exchange, Queue
from tests.beat.clockwork import QUEUE

__all__ = ["Claimed", "RabbitTap", "RedisTap", "SqliteTap", "Tap"]


class Claimed(NamedTuple):
    """A run that was taken off the timetable."""

    id: str
    entry: str
    due: float
    #: When it was taken.
    at: float
    reason: str


class Tap(Protocol):
    """Sees everything from its making on; reads when the storm is over."""

    def claimed(self) -> list[Claimed]:
        """Return all runs that were claimed, in order."""

    def published(self) -> Counter[str]:
        """Return how often a message of each id was published."""


class SqliteTap:
    """Two triggers in the file. A message's envelope begins with its id."""

    SCHEMA = """
        CREATE TABLE tap_claim (id TEXT, entry TEXT, due REAL, at REAL, reason TEXT);
        CREATE TABLE tap_message (id TEXT);
        CREATE TRIGGER tap_claims AFTER INSERT ON schedule_run BEGIN
            INSERT INTO tap_claim VALUES (new.id, new.entry, new.due, new.due + new.lateness, new.reason);
        END;
        CREATE TRIGGER tap_messages AFTER INSERT ON message BEGIN
            INSERT INTO tap_message VALUES (CAST(substr(new.envelope, 4, 36) AS TEXT));
        END;
    """

    def __init__(self, path: Path) -> None:
        """The file is one that an app has opened."""
        self._path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(self.SCHEMA)

    def claimed(self) -> list[Claimed]:
        return [Claimed(*row) for row in self._select("SELECT * FROM tap_claim ORDER BY rowid")]

    def published(self) -> Counter[str]:
        return Counter(task_id for (task_id,) in self._select("SELECT id FROM tap_message"))

    def _select(self, query: str) -> list[tuple]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(query).fetchall()


class RedisTap:
    """The append-only file, which is not to be rewritten (``SETTINGS``)."""

    SETTINGS: ClassVar = {"auto-aof-rewrite-percentage": "0"}

    _TOKEN = re.compile(
        rb"\$5\r\n(?P<multi>MULTI)\r\n"
        rb"|\$5\r\nLPUSH\r\n\$\d+\r\nceleriac\.schedule\.history\.(?P<entry>[^\r]+)\r\n\$\d+\r\n(?P<line>[^\r]+)\r\n"
        rb"|\$5\r\nLPUSH\r\n\$\d+\r\n" + QUEUE.encode() + rb"\r\n\$\d+\r\n(?P<message>[^\r]+)\r\n"
    )
    _ID = re.compile(rb'"id": ?"([0-9a-f-]{36})"')

    def __init__(self, directory: Path) -> None:
        """It is the server's."""
        self._directory = directory / "appendonlydir"

    def claimed(self) -> list[Claimed]:
        return [_claimed(token["entry"].decode(), token["line"].decode()) for token in self._tokens() if token["entry"]]

    def published(self) -> Counter[str]:
        """Count what was pushed by a step that also claims: a message that is given back is none that is published."""
        found: Counter[str] = Counter()
        pushed: list[str] = []
        for token in self._tokens():
            if token["multi"]:
                pushed = []
            elif token["message"]:
                pushed.append(self._ID.search(token["message"])[1].decode())
            else:
                found.update(pushed)
                pushed = []
        return found

    def _tokens(self) -> Iterator[re.Match[bytes]]:
        for path in sorted(self._directory.glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3])):
            yield from self._TOKEN.finditer(path.read_bytes())


def _claimed(entry: str, line: str) -> Claimed:
    """Return the run in a line of the history, whose form is told in ``claim.lua``."""
    due, lateness, _published_at, reason, run_id = line.split(":")
    return Claimed(run_id, entry, float(due), float(due) + float(lateness), reason)


class RabbitTap:
    """A queue of its own that gets what the exchange gets; the claims are in Redis."""

    QUEUE = Queue("tap", Exchange(QUEUE, "topic"), routing_key="#")

    def __init__(self, app: Celeriac, claims: RedisTap) -> None:
        """Declares the queue."""
        self._app = app
        self._claims = claims
        app.broker.declare(self.QUEUE)

    def claimed(self) -> list[Claimed]:
        return self._claims.claimed()

    def published(self) -> Counter[str]:
        """Take all messages from the queue."""
        found: Counter[str] = Counter()
        consumer = self._app.broker.consumer([self.QUEUE], node="tap@test")
        silent = 0
        try:
            while silent < 3:
                deliveries = consumer.receive(1000, 0.5)
                silent = 0 if deliveries else silent + 1
                found.update(envelopes.decode(delivery.envelope).headers["id"] for delivery in deliveries)
                consumer.settle([Settlement(delivery=each, outcome=Outcome.ACK) for each in deliveries])
        finally:
            consumer.close()
        return found
