"""``kill -9`` of any process at any moment loses nothing and settles nothing twice."""

import random
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

from celeriac.backends.base import StoredResult
from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.base import Consumer, Delivery, Outcome, QueueSize, Settlement
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import until
from tests.sqlite.conftest import Start

#: Processes killed.
ROUNDS = 60
#: Of them at the same time.
TOGETHER = 3


def test_processes_killed_at_random_moments_lose_nothing_and_settle_nothing_twice(
    start: Start, path: Path, url: str, tmp_path: Path, broker: SqliteBroker, backend: SqliteBackend
) -> None:
    moments = random.Random(20261122)
    log = tmp_path / "published"
    broker.open()
    running: list[subprocess.Popen[str]] = []
    for _ in range(ROUNDS):
        size = log.stat().st_size if log.exists() else 0
        running.append(start("hammer", url, str(log)))
        if len(running) < TOGETHER:
            continue
        until(lambda size=size: log.exists() and log.stat().st_size > size)  # type: ignore[misc]
        victim = running.pop(0)
        try:
            victim.wait(moments.uniform(0, 0.08))
        except subprocess.TimeoutExpired:
            victim.kill()
        assert victim.wait() == -9, "This process was to be killed, and ended by itself."
    for process in running:
        process.kill()
        process.wait()

    drain(broker, backend)

    published = log.read_text().split()
    assert len(published) > ROUNDS
    children = Counter(message.id for message in broker.peek("children", 10_000_000))
    lost = set(published) - set(children)
    assert lost == set()
    assert set(children.values()) == {1}, "A delivery was settled twice."
    assert set(backend.fetch(published)) == set(published)
    assert broker.size("q") == QueueSize()
    with sqlite3.connect(path) as connection:
        waiting = connection.execute("SELECT task_id FROM result WHERE state <> 'SUCCESS'").fetchall()
        assert waiting == [], "A result was stored without the message it was published with."
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def drain(broker: SqliteBroker, backend: SqliteBackend) -> None:
    """Take over what the killed processes had in flight, and settle everything."""
    consumer = broker.consumer([Queue("q")], node="heir@hammer", results=backend)

    def is_empty() -> bool:
        consumer.recover()
        while deliveries := consumer.receive(500, 0):
            settle(consumer, deliveries, backend)
        return broker.size("q") == QueueSize()

    until(is_empty, timeout=60, pause=0.1)
    assert [node.name for node in broker.nodes()] == ["heir@hammer"]
    consumer.close()


def settle(consumer: Consumer, deliveries: list[Delivery], backend: SqliteBackend) -> None:
    results = [envelopes.decode(delivery.envelope).id for delivery in deliveries]
    assert "SUCCESS" not in backend.states(results).values(), "A message whose result was stored came again."
    refused = consumer.settle(
        [
            Settlement(
                delivery=delivery,
                outcome=Outcome.ACK,
                result=stored(task_id, delivery.execution),
                follow_ups=(Message(id=task_id, queue="children", headers={}),),
            )
            for task_id, delivery in zip(results, deliveries, strict=True)
        ]
    )
    assert refused == []


def stored(task_id: str, execution: int) -> StoredResult:
    return StoredResult(task_id=task_id, state="SUCCESS", document=b"{}", execution=execution)
