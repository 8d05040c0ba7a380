"""Receiving what is broadcast: rows for a minute, and a bell."""

import sqlite3
import time

import msgspec

from celeriac.brokers.base import Broadcast, Channel, Subscription
from celeriac.queues import topic_matches
from celeriac.sqlite.database import Database
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES

__all__ = ["SqliteSubscription", "encode_broadcast", "send"]

#: Seconds a broadcast stays in the file: a subscription that looks less often misses it.
_KEPT = 60.0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Broadcast)


def encode_broadcast(broadcast: Broadcast) -> bytes:
    """Return a broadcast as the table keeps it."""
    return _encoder.encode(broadcast)


def _topic(channel: str) -> str:
    return f"channel:{channel}"


def send(transaction: Transaction, channel: str, payload: bytes) -> None:
    """Send to those who listen, if there are any."""
    connection = transaction.connection
    bells = connection.execute(QUERIES["listening"], (_topic(channel),)).fetchall()
    if not bells:
        return
    now = time.time()
    connection.execute(QUERIES["insert_broadcast"], (channel, payload, now))
    connection.execute(QUERIES["delete_old_broadcasts"], (now - _KEPT,))
    for (bell,) in bells:
        transaction.ring(bell)


class SqliteSubscription(Subscription):
    """One listener on one channel."""

    def __init__(self, database: Database, channel: Channel, pattern: str) -> None:
        self._database = database
        self._channel = channel.name
        self._pattern = pattern if channel.topics else None
        self._last = 0
        self._generation = -1
        self._is_woken = False
        self._is_closed = False
        self._bell = database.make_bell()
        try:
            database.write(self._listen)
        except BaseException:
            self._bell.close()
            raise

    def receive(self, timeout: float) -> list[Broadcast]:
        deadline = time.monotonic() + timeout
        while True:
            self._bell.drain()
            if self._generation != self._database.generation or not self._bell.is_in_place:
                self._bell.hang()
                self._database.write(self._listen)
            broadcasts = self._database.read(self._select)
            remaining = deadline - time.monotonic()
            if broadcasts or self._is_woken or remaining <= 0:
                self._is_woken = False
                return broadcasts
            self._bell.wait(min(remaining, self._bell.patience))

    def wake(self) -> None:
        self._is_woken = True
        self._bell.wake()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._bell.close()
            self._database.forget_bells([self._bell.name])

    def _listen(self, transaction: Transaction) -> None:
        # A row even where the bell cannot ring: it says that somebody listens.
        transaction.connection.execute(QUERIES["insert_listener"], (_topic(self._channel), self._bell.name))
        row = transaction.connection.execute(QUERIES["last_broadcast"]).fetchone()
        self._last = row[0] if row else 0
        self._generation = self._database.generation

    def _select(self, connection: sqlite3.Connection) -> list[Broadcast]:
        rows = connection.execute(QUERIES["broadcasts_after"], (self._last, self._channel)).fetchall()
        if rows:
            self._last = rows[-1][0]
        broadcasts = [_decoder.decode(payload) for _, payload in rows]
        if self._pattern is None:
            return broadcasts
        return [each for each in broadcasts if topic_matches(self._pattern, each.routing_key)]
