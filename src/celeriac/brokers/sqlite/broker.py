"""Messages in an SQLite file: the broker."""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.brokers.base import (
    DEFAULT_LEASE,
    DEFAULT_PUBLISH_TIMEOUT,
    Broadcast,
    Broker,
    Capabilities,
    Channel,
    Consumer,
    DeadLetter,
    NodeRecord,
    QueueSize,
    Subscription,
)
from celeriac.brokers.dead_letters import revived
from celeriac.brokers.sqlite.consumer import SqliteConsumer
from celeriac.brokers.sqlite.envelope_form import EnvelopeForm
from celeriac.brokers.sqlite.messages import (
    MessageRow,
    delete_messages,
    insert_messages,
    line_up,
    publish_alone,
    to_row,
    to_rows,
)
from celeriac.brokers.sqlite.session import read_nodes
from celeriac.brokers.sqlite.subscription import SqliteSubscription, encode_broadcast, send
from celeriac.exceptions import BrokerUnavailable
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.call_form import FilledForm
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.sqlite.database import Database
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.location import Location
from celeriac.sqlite.queries import QUERIES
from celeriac.sqlite.results import store_results
from celeriac.sqlite.sharing import SqliteEngine

__all__ = ["SqliteBroker"]

#: Rows dropped or moved in one transaction, at most, so that nobody waits long for the lock.
_CHUNK = 5000


class SqliteBroker(Broker, SqliteEngine):
    """Many processes of one machine, one file."""

    timetable_engine: ClassVar[str | None] = "sqlite"

    capabilities: ClassVar[Capabilities] = Capabilities(
        priorities=tuple(range(9, -1, -1)), delay=True, peek=True, atomic_settle=True, fenced=True, shared=True
    )

    def __init__(self, url: str, *, options: Mapping[str, Any] | None = None) -> None:
        location = Location.from_url(url, options or {})
        SqliteEngine.__init__(self, Database(location))
        self.url = location.url

    def open(self) -> None:
        self.database.open()

    def close(self) -> None:
        self.database.close()

    def declare(self, queue: Queue) -> None:
        self.database.write(lambda transaction: transaction.connection.execute(QUERIES["declare_queue"], (queue.name,)))

    def publish(self, messages: Sequence[Message], *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        self._publish(to_rows(messages), timeout)

    def publish_filled(self, filled: FilledForm, *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        form = filled.form
        envelopes = form.prepared.get(EnvelopeForm)
        if envelopes is None or envelopes.origin != filled.origin or envelopes.reply_to != filled.reply_to:
            envelopes = form.prepared[EnvelopeForm] = EnvelopeForm(filled)
        urgency = -(form.priority or 0)
        fill = envelopes.fill
        self._publish([MessageRow(form.queue, urgency, None, fill(each)) for each in filled.fillings], timeout)

    def publish_with_results(
        self,
        messages: Sequence[Message],
        results: Sequence[StoredResult],
        backend: ResultBackend,
        *,
        timeout: float = DEFAULT_PUBLISH_TIMEOUT,
    ) -> None:
        if not self.shares_file_with(backend):
            super().publish_with_results(messages, results, backend, timeout=timeout)
            return
        rows = to_rows(messages)

        def publish(transaction: Transaction) -> None:
            if results:
                store_results(transaction, results)
            if rows:
                insert_messages(transaction, rows)

        self.database.write(publish, timeout=timeout, error=BrokerUnavailable)

    def consumer(
        self, queues: Sequence[Queue], *, node: str, results: ResultBackend | None = None, lease: float = DEFAULT_LEASE
    ) -> Consumer:
        if results is not None and not results.stores_results:
            results = None
        return SqliteConsumer(
            self.database,
            queues,
            node=node,
            results=results,
            is_atomic=results is None or self.shares_store_with(results),
            lease=lease,
        )

    def shares_store_with(self, backend: ResultBackend) -> bool:
        return not backend.stores_results or self.shares_file_with(backend)

    def queues(self) -> list[str]:
        return [name for (name,) in self._select("queue_names")]

    def size(self, queue: str) -> QueueSize:
        now = time.time()

        def count(connection: sqlite3.Connection) -> QueueSize:
            (ready,) = connection.execute(QUERIES["count_ready"], (queue,)).fetchone()
            delayed, due = connection.execute(QUERIES["count_delayed"], (now, queue)).fetchone()
            (in_flight,) = connection.execute(QUERIES["count_in_flight"], (queue,)).fetchone()
            new, _, later = connection.execute(QUERIES["count_without_place"], (now, queue)).fetchone()
            return QueueSize(ready=ready + due + new - later, delayed=delayed - due + later, in_flight=in_flight)

        return self.database.read(count)

    def peek(self, queue: str, limit: int = 10, offset: int = 0) -> list[Message]:
        def look(connection: sqlite3.Connection) -> list[tuple[bytes]]:
            rows = connection.execute(QUERIES["peek_ready"], (queue, limit, offset)).fetchall()
            if len(rows) < limit:
                (ready,) = connection.execute(QUERIES["count_ready"], (queue,)).fetchone()
                new, delayed, _ = connection.execute(QUERIES["count_without_place"], (0, queue)).fetchone()
                rest = (queue, limit - len(rows), max(0, offset - (ready + new - delayed)))
                rows += connection.execute(QUERIES["peek_delayed"], rest).fetchall()
            return rows

        return [envelopes.decode(envelope) for (envelope,) in self.database.read(look)]

    def purge(self, queue: str) -> int:
        return self._drop("first_ready_ids", queue) + self._drop("first_delayed_ids", queue)

    def delete(self, queue: str) -> None:
        self.purge(queue)
        self.database.write(lambda transaction: transaction.connection.execute(QUERIES["delete_queue"], (queue,)))

    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        return [_to_dead_letter(row) for row in self._select("dead_letters", limit, offset)]

    def find_dead_letters(self, task_id: str) -> list[DeadLetter]:
        return [_to_dead_letter(row) for row in self._select("dead_letters_of", task_id)]

    def retry_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        if task_ids is not None:
            encoded = json.dumps(list(task_ids))
            return self.database.write(
                lambda transaction: _retry(
                    transaction, transaction.connection.execute(QUERIES["dead_letters_to_retry_of"], (encoded,))
                )
            )
        total = 0
        while count := self.database.write(
            lambda transaction: _retry(
                transaction, transaction.connection.execute(QUERIES["dead_letters_to_retry"], (_CHUNK,))
            )
        ):
            total += count
        return total

    def purge_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        def purge(transaction: Transaction) -> int:
            if task_ids is None:
                return transaction.connection.execute(QUERIES["delete_all_dead_letters"]).rowcount
            encoded = json.dumps(list(task_ids))
            return transaction.connection.execute(QUERIES["delete_dead_letters_of"], (encoded,)).rowcount

        return self.database.write(purge)

    def nodes(self) -> list[NodeRecord]:
        return read_nodes(self.database)

    def broadcast(self, channel: Channel, broadcast: Broadcast) -> None:
        payload = encode_broadcast(broadcast)
        self.database.write(lambda transaction: send(transaction, channel.name, payload), error=BrokerUnavailable)

    def subscribe(self, channel: Channel, pattern: str = "#") -> Subscription:
        self.database.open()
        return SqliteSubscription(self.database, channel, pattern)

    def _publish(self, rows: Sequence[MessageRow], timeout: float) -> None:
        if len(rows) == 1 and publish_alone(self.database, rows[0]):
            return
        if rows:
            self.database.write(
                lambda transaction: insert_messages(transaction, rows), timeout=timeout, error=BrokerUnavailable
            )

    def _select(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return self.database.read(lambda connection: connection.execute(QUERIES[query], arguments).fetchall())

    def _drop(self, query: str, queue: str) -> int:
        def drop(transaction: Transaction) -> int:
            line_up(transaction.connection)
            numbers = [number for (number,) in transaction.connection.execute(QUERIES[query], (queue, _CHUNK))]
            delete_messages(transaction.connection, numbers)
            return len(numbers)

        total = 0
        while True:
            count = self.database.write(drop)
            total += count
            if count < _CHUNK:
                return total


def _to_dead_letter(row: tuple[Any, ...]) -> DeadLetter:
    task_id, queue, task, reason, died_at, envelope = row
    return DeadLetter(id=task_id, queue=queue, task=task, reason=reason, died_at=died_at, envelope=envelope)


def _retry(transaction: Transaction, letters: Iterable[tuple[int, str, bytes]]) -> int:
    """Put dead letters back on their queues; return how many."""
    now = time.time()
    numbers: list[int] = []
    rows: list[MessageRow] = []
    for number, queue, old_envelope in letters:
        numbers.append(number)
        envelope, message = revived(old_envelope)
        if message is None:
            rows.append(MessageRow(queue, 0, None, envelope))
        else:
            rows.append(to_row(message, now, envelope)._replace(queue=queue))
    if rows:
        insert_messages(transaction, rows)
        transaction.connection.execute(QUERIES["delete_dead_letters"], (json.dumps(numbers),))
    return len(rows)
