"""Publishing to a file: what is asked of it on the way."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from celeriac import Celeriac
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.exceptions import BrokerUnavailable
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import in_thread


def message(queue: str = "letters") -> Message:
    return Message(id="1", queue=queue, headers={})


def test_a_queue_that_somebody_else_has_deleted_exists_again_once_something_is_published_to_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/celeriac.sqlite3"
    ours, theirs = SqliteBroker(url), SqliteBroker(url)
    ours.declare(Queue("letters"))
    ours.publish([message()])
    theirs.delete("letters")
    assert ours.queues() == []
    ours.publish([message(), message("parcels")])
    assert theirs.queues() == ["letters", "parcels"]
    ours.close()
    theirs.close()


def test_who_listens_is_rung_whether_the_queue_was_declared_or_not(tmp_path: Path) -> None:
    broker = SqliteBroker(f"sqlite:///{tmp_path}/celeriac.sqlite3")
    consumer = broker.consumer([Queue("letters")], node="node@test")
    broker.delete("letters")
    for _ in range(2):
        broker.publish([message()])
        assert len(consumer.receive(10, timeout=5.0)) == 1
    assert broker.queues() == ["letters"]
    consumer.close()
    broker.close()


def test_one_message_is_one_statement(tmp_path: Path) -> None:
    broker = SqliteBroker(f"sqlite:///{tmp_path}/celeriac.sqlite3")
    broker.declare(Queue("letters"))
    asked: list[str] = []
    assert broker.database._writer is not None
    broker.database._writer.set_trace_callback(asked.append)
    broker.publish([message()])
    assert [statement.split()[0] for statement in asked] == ["INSERT"]
    broker.close()


def test_one_message_rings_all_who_listen_to_its_queue_and_nobody_else(tmp_path: Path) -> None:
    broker = SqliteBroker(f"sqlite:///{tmp_path}/celeriac.sqlite3")
    broker.declare(Queue("letters"))
    first, second, other = (broker.database.make_bell() for _ in range(3))
    with closing(sqlite3.connect(tmp_path / "celeriac.sqlite3", isolation_level=None)) as connection:
        for topic, bell in (("queue:letters", first), ("queue:letters", second), ("queue:parcels", other)):
            connection.execute("INSERT INTO listener (topic, bell) VALUES (?, ?)", (topic, bell.name))
    for _ in range(2):
        broker.publish([message()])
        look_for_yourself = None
        assert [bell.wait(5.0) for bell in (first, second)] == [look_for_yourself] * 2
    assert other.drain() == []
    for bell in (first, second, other):
        bell.close()
    broker.close()


def test_a_message_waits_for_the_lock_of_another_process(tmp_path: Path) -> None:
    broker = SqliteBroker(f"sqlite:///{tmp_path}/celeriac.sqlite3")
    broker.declare(Queue("letters"))
    with closing(sqlite3.connect(tmp_path / "celeriac.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailable, match="stayed locked"):
            broker.publish([message()], timeout=0.1)
        thread = in_thread(broker.publish, [message()])
        other.execute("COMMIT")
        thread.join()
    assert broker.size("letters").ready == 1
    broker.close()


def test_threads_that_publish_one_message_each_get_past_each_other(tmp_path: Path) -> None:
    broker = SqliteBroker(f"sqlite:///{tmp_path}/celeriac.sqlite3")
    broker.declare(Queue("letters"))

    def publish() -> None:
        for _ in range(200):
            broker.publish([message()])

    threads = [in_thread(publish) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert broker.size("letters").ready == 800
    broker.close()


def test_calls_made_again_are_stored_as_the_first_one_was(tmp_path: Path) -> None:
    app = Celeriac("stored_alike", broker=f"sqlite:///{tmp_path}/celeriac.sqlite3", task_default_queue="letters")

    @app.task(name="add")
    def add(left: int, right: int = 0) -> int:
        return left + right

    calls = [add.s("ä" * 300, right=index).set(priority=3) for index in range(3)]
    ids = [call.apply_async().id for call in calls]
    first, *others = app.broker.peek("letters")
    assert [message.id for message in (first, *others)] == ids
    for index, message in enumerate(others, start=1):
        changed = {"id": message.id, "root_id": message.id, "kwargsrepr": f"{{'right': {index}}}"}
        body = first.body.replace(b'"right": 0', f'"right": {index}'.encode())
        expected = msgspec.structs.replace(first, id=message.id, headers=first.headers | changed, body=body)
        assert message == expected
    app.close()
