"""Publishing to a file: what is asked of it on the way."""

from pathlib import Path

from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol.message import Message
from celeriac.routing import Queue


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
