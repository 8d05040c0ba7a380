"""How nodes of an SQLite broker find out about each other: lock files, leases, and what is left behind."""

import json
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.base import Consumer, QueueSize
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.brokers.sqlite.session import GRACE
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import until
from tests.sqlite.conftest import Start


def tell(node: "Popen[str]", command: str) -> Any:
    assert node.stdin is not None
    node.stdin.write(command + "\n")
    return hear(node)


def hear(node: "Popen[str]") -> Any:
    assert node.stdout is not None
    line = node.stdout.readline()
    assert line, "The node has ended."
    return json.loads(line)


def publish(broker: SqliteBroker, *task_ids: str) -> None:
    broker.publish([Message(id=task_id, queue="q", headers={}) for task_id in task_ids])


def node_that_took(start: Start, url: str, *, count: int, lease: float) -> "Popen[str]":
    node = start("node", url, "other@here", str(lease))
    assert hear(node) == {"ready": "other@here"}
    assert len(tell(node, f"take {count}")) == count
    return node


def rescuer(broker: SqliteBroker, lease: float = 60.0) -> Consumer:
    return broker.consumer([Queue("q")], node="rescuer@here", lease=lease)


def renew_and_recover(consumer: Consumer) -> int:
    # On a busy machine a short lease may end between two renewals; then it begins anew.
    consumer.renew()
    return consumer.recover()


def test_a_killed_node_s_deliveries_come_back_long_before_its_lease_ends(
    start: Start, url: str, broker: SqliteBroker
) -> None:
    publish(broker, "a", "b")
    consumer = rescuer(broker)
    node = node_that_took(start, url, count=2, lease=3600)
    assert consumer.recover() == 0
    node.kill()
    node.wait()
    killed_at = time.monotonic()
    assert [record.gone for record in broker.nodes()] == [True, False]
    assert until(consumer.recover) == 2
    assert time.monotonic() - killed_at >= GRACE
    deliveries = consumer.receive(10, 5)
    assert [envelopes.decode(delivery.envelope).id for delivery in deliveries] == ["a", "b"]
    assert all(delivery.redelivered for delivery in deliveries)
    assert [record.name for record in broker.nodes()] == ["rescuer@here"]
    consumer.close()


def test_a_stopped_node_s_deliveries_come_back_after_its_lease_and_its_late_settlement_is_refused(
    start: Start, url: str, broker: SqliteBroker, backend: SqliteBackend
) -> None:
    publish(broker, "a", "b")
    consumer = rescuer(broker, lease=0.5)
    node = node_that_took(start, url, count=2, lease=0.5)
    assert tell(node, "renew") is True
    node.send_signal(signal.SIGSTOP)

    assert until(lambda: renew_and_recover(consumer)) == 2
    [delivery] = consumer.receive(1, 5)
    assert envelopes.decode(delivery.envelope).id == "a"
    node.send_signal(signal.SIGCONT)
    # Somebody has "a"; nobody has begun "b" yet.
    assert tell(node, "settle") == ["a"]
    assert tell(node, "renew") is False
    assert tell(node, "renew") is True
    assert set(backend.fetch(["a", "b"])) == {"b"}
    assert broker.size("q") == QueueSize(in_flight=1)
    consumer.close()


def test_a_node_that_was_stopped_works_on(start: Start, url: str, broker: SqliteBroker) -> None:
    publish(broker, "a")
    consumer = rescuer(broker, lease=0.5)
    node = node_that_took(start, url, count=1, lease=0.5)
    node.send_signal(signal.SIGSTOP)
    assert until(lambda: renew_and_recover(consumer)) == 1
    node.send_signal(signal.SIGCONT)
    assert tell(node, "settle") == []
    publish(broker, "b")
    assert tell(node, "take 1") == ["b"]
    assert consumer.recover() == 0
    consumer.close()


def test_an_idle_node_that_is_killed_leaves_nothing_behind(
    start: Start, url: str, path: Path, broker: SqliteBroker
) -> None:
    consumer = rescuer(broker)
    directory = path.with_name(f"{path.name}-live")
    before = set(directory.iterdir())
    node = start("node", url, "other@here", "60")
    hear(node)
    assert len(set(directory.iterdir()) - before) == 2
    node.kill()
    node.wait()

    def is_clean() -> bool:
        assert consumer.recover() == 0
        return set(directory.iterdir()) == before

    until(is_clean)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(DISTINCT bell) FROM listener").fetchone() == (1,)
    connection.close()
    consumer.close()
    assert list(directory.iterdir()) == []


def test_a_node_whose_files_are_removed_by_hand_is_not_taken_for_dead(
    start: Start, url: str, path: Path, broker: SqliteBroker
) -> None:
    publish(broker, "a")
    consumer = rescuer(broker)
    node = node_that_took(start, url, count=1, lease=3600)
    directory = path.with_name(f"{path.name}-live")
    shutil.rmtree(directory)
    deadline = time.monotonic() + 2 * GRACE
    while time.monotonic() < deadline:
        assert consumer.receive(1, 0.1) == []
        assert consumer.recover() == 0
    # Both put their files back when they renew, and are seen and rung again.
    assert consumer.renew()
    assert tell(node, "renew") is True
    assert len(list(directory.iterdir())) == 4
    node.kill()
    node.wait()
    assert until(consumer.recover) == 1
    consumer.close()


def test_deliveries_of_a_node_that_nobody_knows_come_back(path: Path, broker: SqliteBroker) -> None:
    publish(broker, "a")
    first, second = rescuer(broker), rescuer(broker)
    first.receive(1, 5)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM node WHERE id = (SELECT min(id) FROM node)")
    connection.close()
    assert second.recover() == 1
    assert not first.renew()
    assert first.renew()
    first.close()
    second.close()


def test_nodes_of_one_name_are_two_nodes(broker: SqliteBroker) -> None:
    publish(broker, "a")
    first, second = rescuer(broker), rescuer(broker)
    first.receive(1, 5)
    assert len(broker.nodes()) == 2
    second.close()
    assert broker.size("q").in_flight == 1
    first.close()
