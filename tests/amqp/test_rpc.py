"""``rpc://`` in processes: their queues, forks and ends."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celeriac.amqp.errors import NOT_FOUND, Refused
from celeriac.backends.base import StoredResult
from celeriac.backends.rpc import RpcBackend
from celeriac.backends.rpc.letters import outgoing_result
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.memory import MemoryBroker
from celeriac.exceptions import BackendStoreError, ImproperlyConfigured, OperationalError
from celeriac.protocol.amqp_properties import Properties
from celeriac.testing.conformance.harness import in_thread, until
from tests.servers.proxy import Proxy
from tests.servers.shared import amqp_url


@pytest.fixture
def backend():
    backend = RpcBackend("rpc://", broker=AmqpBroker(amqp_url()))
    yield backend
    backend._remove()
    backend.close()


def result(task_id: str, reply_to: str | None, state: str = "SUCCESS") -> StoredResult:
    return StoredResult(task_id=task_id, state=state, document=b'{"status": "SUCCESS"}', reply_to=reply_to)


def exists(channel, queue: str) -> bool:
    other = channel.connection.channel()
    try:
        other.declare_queue(queue, passive=True)
    except Refused as refusal:
        if refusal.code != NOT_FOUND:
            raise
        return False
    return True


def test_the_queue_is_there_from_the_moment_its_name_is_given(backend, channel):
    address = backend.reply_address()
    assert backend.reply_address() == address
    assert exists(channel, address)


def test_a_worker_that_only_sends_results_has_no_queue(backend):
    backend.open()
    backend.store([result("a", "gone")])
    assert backend._mailbox is None


def test_a_process_that_ends_takes_its_queue_along(channel):
    program = (
        "import sys\n"
        "from celeriac.backends.rpc import RpcBackend\n"
        "from celeriac.brokers.amqp.broker import AmqpBroker\n"
        "backend = RpcBackend('rpc://', broker=AmqpBroker(sys.argv[1]))\n"
        "print(backend.reply_address())\n"
    )
    source = Path(__file__).parents[2] / "src"
    ended = subprocess.run(
        [sys.executable, "-c", program, amqp_url()],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not exists(channel, ended.stdout.strip())


def test_after_a_fork_the_child_has_a_queue_of_its_own(backend):
    address = backend.reply_address()
    backend.store([result("parent's", address)])
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        own = backend.reply_address()
        backend.store([result("child's", own), result("for the parent", address)])
        found = backend.wait(["child's", "parent's"], 10)
        os.write(writer, f"{own} {sorted(found)}".encode())
        backend._remove()
        os._exit(0)
    os.waitpid(child, 0)
    own, _, found = os.read(reader, 1000).decode().partition(" ")
    os.close(reader)
    os.close(writer)
    assert own != address
    assert found == '["child\'s"]'
    assert set(backend.wait(["parent's", "for the parent"], 10, 2)) == {"parent's", "for the parent"}


def test_a_client_whose_connection_died_while_it_was_idle_gives_out_a_queue_that_exists(location, channel):
    port = location.servers[0].port
    with Proxy(port) as proxy:
        backend = RpcBackend("rpc://", broker=AmqpBroker(proxy.url(amqp_url())))
        address = backend.reply_address()

        def is_there_again() -> bool:
            backend._mailbox._looked_at = 0.0
            assert backend.reply_address() == address
            return exists(channel, address)

        channel.delete_queue(address)
        until(is_there_again)
        proxy.cut()
        channel.delete_queue(address)
        until(is_there_again)
        backend._remove()
        backend.close()


def test_during_an_outage_the_address_is_known_if_it_ever_was(location):
    with Proxy(location.servers[0].port) as proxy:
        backend = RpcBackend("rpc://", broker=AmqpBroker(proxy.url(amqp_url())))
        late = RpcBackend("rpc://", broker=AmqpBroker(proxy.url(amqp_url())))
        address = backend.reply_address()
        proxy.refuse()
        backend._mailbox._looked_at = 0.0
        assert backend.reply_address() == address
        with pytest.raises(OperationalError, match="No RabbitMQ listens"):
            late.reply_address()
        with pytest.raises(BackendStoreError, match="was not sent"):
            late.store([result("a", address)])
        proxy.accept()
        assert late.reply_address()
        late.store([result("a", address)])
        assert backend.wait(["a"], 10)
        for each in (backend, late):
            each._remove()
            each.close()


def test_results_are_kept_by_the_server_s_disk_if_they_are_to_be_persistent():
    for is_persistent, mode in ((False, 1), (True, 2)):
        outgoing = outgoing_result(result("a", "queue"), is_persistent=is_persistent)
        assert outgoing.properties.delivery_mode == mode


def test_what_comes_while_a_waiter_s_connection_is_cut_is_not_lost(location):
    port = location.servers[0].port
    sender = RpcBackend("rpc://", broker=AmqpBroker(amqp_url()))
    with Proxy(port) as proxy:
        waiter = RpcBackend("rpc://", broker=AmqpBroker(proxy.url(amqp_url())))
        address = waiter.reply_address()
        for number in range(5):
            found: dict[str, StoredResult] = {}
            ids = [f"{number}-{count}" for count in range(50)]
            thread = in_thread(lambda ids=ids, found=found: found.update(waiter.wait(ids, 20, 50)))
            until(lambda: waiter._mailbox._is_read)
            sender.store([result(each, address) for each in ids[:25]])
            proxy.cut()
            sender.store([result(each, address) for each in ids[25:]])
            thread.join()
            assert sorted(found) == sorted(ids)
        waiter._remove()
        waiter.close()
    sender.close()


def test_a_result_that_says_nothing_of_itself_is_read_from_its_document(backend, channel):
    from celeriac.amqp.content import Outgoing

    address = backend.reply_address()
    bodies = {
        "a": (b'{"status": "FAILURE", "task_id": "a"}', "application/json"),
        "b": (b"\x80\x04\x95.status\x94\x8c\x07SUCCESS", "application/x-python-serialize"),
    }
    for task_id, (body, content_type) in bodies.items():
        properties = Properties(correlation_id=task_id, content_type=content_type)
        channel.publish([Outgoing(routing_key=address, properties=properties, body=body)], timeout=5)
    stray = Outgoing(routing_key=address, properties=Properties(), body=b"{}")
    channel.publish([stray], timeout=5)
    found = backend.wait(["a", "b"], 10, 2)
    assert {task_id: each.state for task_id, each in found.items()} == {"a": "FAILURE", "b": "SUCCESS"}


def test_results_nobody_asks_for_are_not_kept_without_end(backend, monkeypatch):
    monkeypatch.setattr("celeriac.backends.rpc.mailbox._KEPT", 10)
    address = backend.reply_address()
    backend.store([result(str(number), address) for number in range(30)])
    assert set(backend.fetch(["0", "29"])) == {"29"}
    assert len(backend._mailbox._kept) == 10


def test_waiting_costs_no_polling(backend):
    backend.reply_address()
    began, used = time.monotonic(), time.process_time()
    assert backend.wait(["never"], 1.0) == {}
    assert time.monotonic() - began >= 1.0
    assert time.process_time() - used < 0.1


@pytest.mark.parametrize(
    ("broker", "words"), [(MemoryBroker(), "the broker is memory://"), (None, "there is no broker")]
)
def test_without_rabbitmq_it_is_refused_with_the_cure(broker, words):
    with pytest.raises(ImproperlyConfigured, match=f"through RabbitMQ, and {words}. Set result_backend"):
        RpcBackend("rpc://", broker=broker)


def test_a_url_with_a_server_names_another_one_than_the_broker_s(location):
    port = location.servers[0].port
    backend = RpcBackend(f"rpc://guest:guest@127.0.0.1:{port}//", broker=MemoryBroker())
    address = backend.reply_address()
    backend.store([result("a", address)])
    assert backend.wait(["a"], 10)
    backend._remove()
    backend.close()
