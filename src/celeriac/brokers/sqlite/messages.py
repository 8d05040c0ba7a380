"""Messages into a transaction."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from celeriac.exceptions import BrokerUnavailable, OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.sqlite.database import Database
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES

__all__ = [
    "MessageRow",
    "delete_messages",
    "insert_messages",
    "line_up",
    "publish_alone",
    "queue_topic",
    "ring_queues",
    "to_row",
    "to_rows",
]

#: Messages that are published alone, from one to the next whose publisher gives them all their places: where nobody
#: takes, whoever counts them has to look at no more than these one by one.
_LINE_UP_INTERVAL = 1000
_INSERT_ALONE = QUERIES["insert_message_alone"]


class MessageRow(NamedTuple):
    """The parameters of ``insert_message``."""

    queue: str
    urgency: int
    not_before: float | None
    envelope: bytes


def to_row(message: Message, now: float, envelope: bytes | None = None) -> MessageRow:
    """Return a message as the table keeps it; raises ``TypeError`` for headers that no envelope can carry."""
    not_before = message.not_before
    return MessageRow(
        message.queue,
        -(message.priority or 0),
        not_before if not_before is not None and not_before > now else None,
        envelope or envelopes.encode(message),
    )


def to_rows(messages: Iterable[Message]) -> list[MessageRow]:
    """Return messages as the table keeps them."""
    now = time.time()
    return [to_row(message, now) for message in messages]


def queue_topic(queue: str) -> str:
    """Return what those who wait for a queue listen to."""
    return f"queue:{queue}"


def insert_messages(transaction: Transaction, rows: Sequence[MessageRow], *, own_bell: str = "") -> None:
    """Publish: rows in, queues declared, those who wait rung, except the one that does this."""
    connection = transaction.connection
    if len(rows) == 1:
        connection.execute(QUERIES["insert_message"], rows[0])
    else:
        connection.executemany(QUERIES["insert_message"], rows)
    line_up(connection)
    for queue in {row.queue for row in rows}:
        # One statement for both questions: another process may have deleted the queue since it was declared.
        for (bell,) in connection.execute(QUERIES["listening_or_undeclared"], (queue_topic(queue), queue)).fetchall():
            if bell is None:
                connection.execute(QUERIES["declare_queue"], (queue,))
            elif bell != own_bell:
                transaction.ring(bell)


def line_up(connection: sqlite3.Connection) -> None:
    """Give every message that has no place one, in a transaction."""
    connection.execute(QUERIES["line_up"], connection.execute(QUERIES["highest_place"]).fetchone())


def delete_messages(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Delete messages and their places, in a transaction."""
    encoded = json.dumps(numbers)
    connection.execute(QUERIES["delete_places"], (encoded,))
    connection.execute(QUERIES["delete_messages"], (encoded,))


def publish_alone(database: Database, row: MessageRow) -> bool:
    """Publish one message by one statement; return False if that is not to be had, and nothing is stored.

    The message gets no place: whoever takes next gives it one, with the others that have come since.
    """
    parameters = (row.urgency, row.not_before, row.envelope, row.queue, queue_topic(row.queue))
    written = database.write_alone(_INSERT_ALONE, parameters, error=BrokerUnavailable)
    if written is None:
        return False
    number, told = written
    for bells in told:
        database.ring(dict.fromkeys(bells.split(","), ()))
    if number % _LINE_UP_INTERVAL == 0:
        _line_all_up(database)
    return True


def _line_all_up(database: Database) -> None:
    """Give every message a place if nobody else writes; if that fails, it is for the next one to do."""
    with contextlib.suppress(OperationalError):
        database.write(lambda transaction: line_up(transaction.connection), timeout=0)


def ring_queues(transaction: Transaction, queues: Iterable[str], *, own_bell: str = "") -> None:
    """Ring those who wait for these queues, except the one that does this."""
    for queue in queues:
        for (bell,) in transaction.connection.execute(QUERIES["listening"], (queue_topic(queue),)):
            if bell != own_bell:
                transaction.ring(bell)
