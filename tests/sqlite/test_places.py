"""A message is appended by its publisher and gets its place, among others, from whoever takes."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from celeriac.brokers.base import Consumer, Outcome, QueueSize, Settlement
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.sqlite.queries import QUERIES, SCHEMA_STEPS
from celeriac.testing.conformance.harness import until


def message(name: str, *, priority: int | None = None, delay: float = 0, body: bytes = b"") -> Message:
    not_before = time.time() + delay if delay else None
    return Message(id=name, queue="q", headers={}, priority=priority, not_before=not_before, body=body)


def publish(broker: SqliteBroker, *messages: Message) -> None:
    """Publish, each alone: after the first, which declares the queue, by one statement."""
    for each in messages:
        broker.publish([each])


def ids(messages: list[Message]) -> list[str]:
    return [each.id for each in messages]


def take(consumer: Consumer, limit: int = 10) -> list[str]:
    return ids([envelopes.decode(delivery.envelope) for delivery in consumer.receive(limit, 0)])


def has_messages_without_place(broker: SqliteBroker) -> bool:
    query = QUERIES["any_without_place"]
    return broker.database.read(lambda connection: connection.execute(query, ('["q"]',)).fetchone()) is not None


@pytest.fixture
def consumer(broker: SqliteBroker) -> Iterator[Consumer]:
    consumer = broker.consumer([Queue("q")], node="node@test")
    yield consumer
    consumer.close()


def test_what_has_no_place_yet_is_counted_and_shown_among_the_rest(broker: SqliteBroker) -> None:
    broker.publish([message("b"), message("d"), message("z", delay=90)])
    publish(broker, message("e"), message("a", priority=3), message("y", delay=60), message("c", priority=0))
    assert has_messages_without_place(broker)
    assert broker.size("q") == QueueSize(ready=5, delayed=2, in_flight=0)
    in_order = ["a", "b", "d", "e", "c", "y", "z"]
    assert ids(broker.peek("q")) == in_order
    assert [ids(broker.peek("q", 2, offset)) for offset in range(7)] == [in_order[n : n + 2] for n in range(7)]
    assert broker.size("other") == QueueSize(ready=0, delayed=0, in_flight=0)


def test_what_has_no_place_yet_is_taken_in_its_turn(broker: SqliteBroker, consumer: Consumer) -> None:
    broker.publish([message("b"), message("c", priority=1)])
    publish(broker, message("d"), message("a", priority=3), message("z", delay=60))
    assert take(consumer) == ["a", "c", "b", "d"]
    assert not has_messages_without_place(broker)
    assert broker.size("q") == QueueSize(ready=0, delayed=1, in_flight=4)


def test_what_has_no_place_yet_is_purged_too(broker: SqliteBroker) -> None:
    publish(broker, message("a"), message("b"), message("c", delay=60))
    assert broker.purge("q") == 3
    publish(broker, message("d"))
    assert ids(broker.peek("q")) == ["d"]
    assert broker.size("q") == QueueSize(ready=1, delayed=0, in_flight=0)


def test_a_queue_that_was_worked_off_begins_anew(broker: SqliteBroker, consumer: Consumer) -> None:
    publish(broker, message("a"), message("b"))
    for name in ("c", "d", "e"):
        deliveries = consumer.receive(10, 0)
        assert deliveries
        publish(broker, message(name))
        assert consumer.settle([Settlement(delivery=each, outcome=Outcome.ACK) for each in deliveries]) == []
    assert take(consumer) == ["e"]


def test_a_sleeping_consumer_learns_when_what_was_published_alone_is_due(
    broker: SqliteBroker, consumer: Consumer
) -> None:
    publish(broker, message("a"), message("b", delay=0.05))
    assert take(consumer) == ["a"]
    assert len(consumer.receive(10, timeout=30)) == 1


def test_what_comes_to_other_queues_does_not_keep_a_consumer_from_its_sleep(broker: SqliteBroker, path: Path) -> None:
    publish(broker, message("a"), message("b"))
    consumer = broker.consumer([Queue("other")], node="node@test")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert consumer.receive(10, 0) == []
        connection.execute("COMMIT")
    assert has_messages_without_place(broker)
    consumer.close()


def test_where_nobody_takes_one_in_a_thousand_publishers_gives_the_places(broker: SqliteBroker) -> None:
    publish(broker, *(message(f"{number}") for number in range(1000)))
    assert not has_messages_without_place(broker)
    publish(broker, message("last"))
    assert has_messages_without_place(broker)
    assert broker.size("q").ready == 1001


def test_a_large_message_is_not_written_again_when_it_is_taken_and_given_back(
    broker: SqliteBroker, consumer: Consumer, path: Path
) -> None:
    log = path.with_name(f"{path.name}-wal")
    publish(broker, *(message(f"{number}", body=b"x" * 100_000) for number in range(10)))
    before = log.stat().st_size
    deliveries = consumer.receive(10, 0)
    consumer.settle([Settlement(delivery=each, outcome=Outcome.REQUEUE) for each in deliveries])
    assert before > 1_000_000
    assert log.stat().st_size - before < 100_000


# What a process of the version before had prepared, or sends to a file that it has open.
_OLD_PUBLISH = """
    INSERT INTO message (queue, urgency, not_before, envelope) SELECT name, ?, ?, ? FROM queue WHERE name = ?
"""
_OLD_SELECT = """
    SELECT id, urgency, queue, envelope, deliveries FROM message INDEXED BY message_ready
    WHERE queue = ? AND node IS NULL AND not_before IS NULL ORDER BY urgency, id LIMIT ?
"""
_OLD_TAKE = "UPDATE message SET node = ?, execution = ?, deliveries = deliveries + 1 WHERE id = ?"
_OLD_EXECUTIONS = "SELECT id, execution FROM message WHERE id IN (SELECT value FROM json_each(?))"
_OLD_DELETE = "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?)) AND execution = ?"


@pytest.fixture
def older(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a file of version 3, on which a node that is gone by now had taken two messages of six."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for step in SCHEMA_STEPS[:3]:
            connection.executescript(step)
        connection.execute("PRAGMA application_id = 0x636C7263")
        connection.execute("PRAGMA user_version = 3")
        connection.execute("INSERT INTO queue (name) VALUES ('q')")
        for each in (message("taken"), message("given back"), message("b"), message("c"), message("a", priority=1)):
            publish_as_before(connection, each)
        publish_as_before(connection, message("late", delay=60))
        connection.execute("INSERT INTO node (session, name, lease_until, status) VALUES ('gone', 'old@test', 9e9, '')")
        assert [row[0] for row in connection.execute(_OLD_SELECT, ("q", 2))] == [5, 1]
        for number in (1, 2):
            connection.execute(_OLD_TAKE, (1, 7, number))
        connection.execute("UPDATE message SET node = NULL WHERE id = 2")
        connection.execute("UPDATE counter SET value = 7 WHERE name = 'execution'")
        yield connection


def publish_as_before(connection: sqlite3.Connection, each: Message) -> None:
    parameters = (-(each.priority or 0), each.not_before, envelopes.encode(each), each.queue)
    assert connection.execute(_OLD_PUBLISH, parameters).rowcount == 1


def test_a_file_of_the_version_before_keeps_its_messages(older: sqlite3.Connection, broker: SqliteBroker) -> None:
    assert broker.size("q") == QueueSize(ready=4, delayed=1, in_flight=1)
    assert ids(broker.peek("q")) == ["a", "given back", "b", "c", "late"]
    consumer = broker.consumer([Queue("q")], node="node@test")
    deliveries = consumer.receive(10, 0)
    assert [envelopes.decode(each.envelope).id for each in deliveries] == ["a", "given back", "b", "c"]
    assert [each.redelivered for each in deliveries] == [False, True, False, False]
    assert all(each.execution == 8 for each in deliveries)
    consumer.close()


def test_a_process_of_the_version_before_can_publish_and_can_neither_take_nor_settle(
    older: sqlite3.Connection, broker: SqliteBroker
) -> None:
    broker.open()
    publish_as_before(older, message("d"))
    publish_as_before(older, message("later", delay=90))
    assert broker.size("q") == QueueSize(ready=5, delayed=2, in_flight=1)
    with pytest.raises(sqlite3.OperationalError, match="no such index"):
        older.execute(_OLD_SELECT, ("q", 2))
    assert older.execute(_OLD_DELETE, (json.dumps([1, 2]), 7)).rowcount == 0
    assert older.execute(_OLD_EXECUTIONS, (json.dumps([1, 2]),)).fetchall() == [(1, -1), (2, -1)]
    assert ids(broker.peek("q")) == ["a", "given back", "b", "c", "d", "late", "later"]


def test_what_a_process_of_the_version_before_has_in_flight_comes_back_when_it_is_gone(
    older: sqlite3.Connection, broker: SqliteBroker
) -> None:
    consumer = broker.consumer([Queue("q")], node="node@test")
    (broker.database.location.live_directory / "gone.lock").touch()
    until(lambda: consumer.recover() == 1)
    assert broker.size("q") == QueueSize(ready=5, delayed=1, in_flight=0)
    assert take(consumer) == ["a", "taken", "given back", "b", "c"]
    consumer.close()
