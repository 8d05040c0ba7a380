"""Forks: a child uses connections, bells and locks of its own, and the parent's are left alone."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from celeriac.backends.base import StoredResult
from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.sqlite.locks import Holder, look_at
from celeriac.testing.conformance.harness import in_thread, until


def message(task_id: str) -> Message:
    return Message(id=task_id, queue="q", headers={})


def result(task_id: str) -> StoredResult:
    return StoredResult(task_id=task_id, state="SUCCESS", document=b"{}")


def fork(action: Callable[[], object]) -> int:
    """Run it in a forked child; return the child's process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        action()
        status = 0
    finally:
        os._exit(status)


def expect_success(child: int) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def ids(broker: SqliteBroker) -> set[str]:
    return {message.id for message in broker.peek("q", 1000)}


def test_parent_and_child_go_on_publishing_side_by_side(broker: SqliteBroker) -> None:
    broker.publish([message("before")])

    def publish() -> None:
        for number in range(50):
            broker.publish([message(f"child-{number}")])

    children = [fork(publish)]
    for number in range(50):
        broker.publish([message(f"parent-{number}")])
    for child in children:
        expect_success(child)
    expected = {"before"} | {f"{who}-{number}" for who in ("child", "parent") for number in range(50)}
    assert ids(broker) == expected


def test_what_a_child_writes_survives_the_end_of_its_parent_s_connections(
    path: Path, url: str, broker: SqliteBroker
) -> None:
    broker.publish([message("parent")])
    ready_reader, ready_writer = os.pipe()
    closed_reader, closed_writer = os.pipe()

    def publish() -> None:
        broker.publish([message("child 1")])
        os.write(ready_writer, b"x")
        os.read(closed_reader, 1)
        broker.publish([message("child 2")])
        assert ids(broker) == {"parent", "child 1", "child 2"}

    child = fork(publish)
    os.read(ready_reader, 1)
    # The last connection to be closed deletes the log. This one must know that the child has one too.
    broker.close()
    other = SqliteBroker(url)
    other.publish([message("other")])
    other.close()
    os.write(closed_writer, b"x")
    until(lambda: ids(broker) >= {"parent", "child 1", "other"})
    for descriptor in (ready_reader, ready_writer, closed_reader, closed_writer):
        os.close(descriptor)
    os.waitpid(child, 0)
    assert ids(broker) == {"parent", "child 1", "other", "child 2"}


def test_a_fork_in_the_middle_of_other_threads_writes_waits_for_them(broker: SqliteBroker) -> None:
    stop = threading.Event()
    counts: list[int] = []

    def publish() -> None:
        count = 0
        while not stop.is_set():
            broker.publish([message("x")])
            count += 1
        counts.append(count)

    threads = [in_thread(publish) for _ in range(3)]

    def publish_some() -> None:
        for _ in range(5):
            broker.publish([message("y")])

    children = [fork(publish_some) for _ in range(8)]
    for child in children:
        expect_success(child)
    stop.set()
    for thread in threads:
        thread.join()
    assert broker.size("q").ready == sum(counts) + 40


def test_a_child_waits_for_results_with_a_bell_of_its_own(broker: SqliteBroker, backend: SqliteBackend) -> None:
    assert backend.wait(["warm up"], 0.01) == {}

    def wait() -> None:
        assert set(backend.wait(["a"], 30)) == {"a"}

    child = fork(wait)
    thread = in_thread(wait)
    backend.store([result("a")])
    thread.join()
    expect_success(child)


def test_a_fork_while_another_thread_waits_for_a_result_disturbs_neither(backend: SqliteBackend) -> None:
    found: dict[str, StoredResult] = {}
    thread = in_thread(lambda: found.update(backend.wait(["a"], 30)))
    child = fork(lambda: backend.store([result("b")]))
    expect_success(child)
    backend.store([result("a")])
    thread.join()
    assert set(found) == {"a"}


def test_a_node_s_lock_does_not_outlive_it_in_its_children(path: Path, url: str) -> None:
    reader, writer = os.pipe()
    grandchild_reader, grandchild_writer = os.pipe()

    def be_a_node() -> None:
        node = SqliteBroker(url)
        consumer = node.consumer([Queue("q")], node="forker@here")
        grandchild = fork(lambda: os.read(grandchild_reader, 1))
        os.write(writer, f"{grandchild}\n".encode())
        assert consumer is not None

    node = fork(be_a_node)
    os.waitpid(node, 0)
    assert os.read(reader, 100)
    # The grandchild is alive, and the node is not.
    [lock] = path.with_name(f"{path.name}-live").glob("*.lock")
    try:
        # It may only just have been born, and lets go of what it has inherited at once.
        until(lambda: look_at(lock) is Holder.GONE)
        broker = SqliteBroker(url)
        [record] = broker.nodes()
        assert record.gone
    finally:
        os.write(grandchild_writer, b"x")
    for descriptor in (reader, writer, grandchild_reader, grandchild_writer):
        os.close(descriptor)
    broker.close()


def test_a_consumer_s_deliveries_are_untouched_by_a_fork(broker: SqliteBroker) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    broker.publish([message("a")])
    [delivery] = consumer.receive(1, 5)
    expect_success(fork(lambda: broker.publish([message("b")])))
    assert envelopes.decode(delivery.envelope).id == "a"
    assert broker.size("q").in_flight == 1
    assert len(consumer.receive(1, 5)) == 1
    consumer.close()
    assert broker.size("q").ready == 2
