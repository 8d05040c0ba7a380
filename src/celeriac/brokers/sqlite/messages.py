"""Messages into a transaction."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from celeriac.exceptions import BrokerUnavailable
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.sqlite.database import Database
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES

__all__ = ["MessageRow", "insert_messages", "publish_alone", "queue_topic", "ring_queues", "to_row", "to_rows"]

_INSERT = QUERIES["insert_message_if_declared"]
_LISTENING = QUERIES["listening"]


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
    for queue in {row.queue for row in rows}:
        # One statement for both questions: another process may have deleted the queue since it was declared.
        for (bell,) in connection.execute(QUERIES["listening_or_undeclared"], (queue_topic(queue), queue)).fetchall():
            if bell is None:
                connection.execute(QUERIES["declare_queue"], (queue,))
            elif bell != own_bell:
                transaction.ring(bell)


def publish_alone(database: Database, row: MessageRow) -> bool:
    """Publish one message by one statement; return False if that is not to be had, and nothing is stored.

    Who waits is read after the commit: whoever begins to wait later looks at the queue after that, and finds it there.
    """
    bells = database.write_alone(
        _INSERT,
        (row.urgency, row.not_before, row.envelope, row.queue),
        _LISTENING,
        queue_topic(row.queue),
        error=BrokerUnavailable,
    )
    if bells:
        database.ring({bell: () for (bell,) in bells})
    return bells is not None


def ring_queues(transaction: Transaction, queues: Iterable[str], *, own_bell: str = "") -> None:
    """Ring those who wait for these queues, except the one that does this."""
    for queue in queues:
        for (bell,) in transaction.connection.execute(QUERIES["listening"], (queue_topic(queue),)):
            if bell != own_bell:
                transaction.ring(bell)
