"""What a node of RabbitMQ takes and no more, and what becomes of its deliveries when the connection breaks."""

import contextlib
import time
import uuid
from collections.abc import Iterator

import pytest

from celeriac.backends.base import Holding, StoredResult
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.amqp import reunion
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.amqp.consumer import AmqpConsumer
from celeriac.brokers.base import Consumer, Delivery, Outcome, Settlement
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import BackendThatFails, until
from tests.servers.proxy import Proxy
from tests.servers.shared import amqp_url

TYPES = ["classic", "quorum"]


def message(queue: str, task_id: str | None = None) -> Message:
    task_id = task_id or str(uuid.uuid4())
    return Message(id=task_id, queue=queue, headers={"task": "a.task", "id": task_id}, body=b"[]")


class Site:
    """A broker with a queue of one type, a proxy before it, and nodes."""

    def __init__(self, queue: Queue, proxy: Proxy) -> None:
        self.queue = queue
        self.proxy = proxy
        self.broker = AmqpBroker(amqp_url())
        self.through_proxy = AmqpBroker(proxy.url(amqp_url()))
        self.nodes: list[Consumer] = []
        self.broker.declare(queue)

    def node(self, *, results=None, lease: float = 3.0, direct: bool = False) -> AmqpConsumer:
        broker = self.broker if direct else self.through_proxy
        node = broker.consumer([self.queue], node="test@here", results=results, lease=lease)
        assert isinstance(node, AmqpConsumer)
        self.nodes.append(node)
        return node

    def publish(self, *task_ids: str) -> None:
        self.broker.publish([message(self.queue.name, task_id) for task_id in task_ids])

    def ready(self) -> int:
        return self.broker.size(self.queue.name).ready or 0

    def close(self) -> None:
        for closable in (*self.nodes, self.broker, self.through_proxy):
            closable.close()


@pytest.fixture(params=TYPES)
def site(request, queue_name) -> Iterator[Site]:
    """Everything above, for each type of queue."""
    port = AmqpBroker(amqp_url()).location.servers[0].port
    with Proxy(port) as proxy:
        site = Site(Queue(queue_name, queue_arguments={"x-queue-type": request.param}), proxy)
        yield site
        site.close()


def receive(node: Consumer, count: int = 1) -> list[Delivery]:
    """Receive so many, whatever becomes of the connection meanwhile."""
    deliveries: list[Delivery] = []

    def is_done() -> bool:
        with contextlib.suppress(OperationalError):
            deliveries.extend(node.receive(count - len(deliveries), 0.2))
        return len(deliveries) >= count

    until(is_done)
    return deliveries


def ids(deliveries: list[Delivery]) -> list[str]:
    return [envelopes.decode(delivery.envelope).id for delivery in deliveries]


def ack(delivery: Delivery, **rest) -> Settlement:
    return Settlement(delivery=delivery, outcome=Outcome.ACK, **rest)


def keep_busy(node: Consumer, seconds: float) -> None:
    """Do what a node without room does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        node.recover()
        assert node.receive(0, 0) == []
        time.sleep(0.05)


def test_no_more_is_pushed_to_a_node_than_it_has_asked_for(site):
    site.publish("1", "2", "3", "4")
    node = site.node()
    [first] = receive(node)
    keep_busy(node, 0.3)
    assert site.ready() == 3
    # What it leaves is for others.
    assert ids(receive(site.node(), 3)) == ["2", "3", "4"]
    node.settle([ack(first)])


def test_what_was_pushed_to_a_node_that_has_no_room_any_more_goes_back(site):
    node = site.node()
    assert node.receive(5, 0) == []
    site.publish("1", "2", "3")
    until(lambda: site.ready() == 0)
    keep_busy(node, 1.0)
    assert sorted(ids(receive(site.node(), 3))) == ["1", "2", "3"]


@pytest.mark.parametrize("site", ["classic"], indirect=True)
def test_a_full_node_keeps_its_connection_for_longer_than_its_lease(site):
    site.publish("1")
    node = site.node(lease=3.0)
    [delivery] = receive(node)
    keep_busy(node, 4.5)
    assert node.renew()
    assert node.settle([ack(delivery)]) == []
    until(lambda: site.ready() == 0)


def test_a_task_that_runs_while_the_connection_breaks_is_not_run_again(site):
    site.publish("1", "2")
    results = MemoryBackend(f"memory://{uuid.uuid4()}")
    node = site.node(results=results)
    first, second = receive(node, 2)
    site.proxy.cut()
    until(lambda: renewed(node) is not None)
    # The end of the first comes before its message does, that of the second after.
    assert node.settle([ack(first)]) == []
    keep_busy(node, 0.5)
    assert node.settle([ack(second)]) == []
    node.close()
    assert site.node(direct=True).receive(2, 0.3) == []
    assert site.ready() == 0


def test_two_nodes_whose_connections_break_together_get_back_what_each_of_them_runs(site):
    site.publish("1", "2", "3", "4")
    nodes = [site.node(), site.node()]
    running = [receive(node, 2) for node in nodes]
    # What the first node acks, the server does not hear.
    site.proxy.silence()
    nodes[0].settle([ack(running[0][0])])
    site.proxy.cut()
    site.proxy.end_silence()
    for node in nodes:
        until(lambda node=node: renewed(node) is not None)
    # The second one is the first to ask for more, and nothing of the other's is begun there.
    for _ in range(8):
        for node in reversed(nodes):
            assert node.receive(2, 0.1) == []
    assert nodes[0].settle([ack(running[0][1])]) == []
    assert nodes[1].settle([ack(delivery) for delivery in running[1]]) == []
    for node in nodes:
        node.close()
    assert site.node(direct=True).receive(4, 0.3) == []
    assert site.ready() == 0


def renewed(node: Consumer) -> bool | None:
    try:
        return node.renew()
    except OperationalError:
        return None


def test_nothing_of_a_settlement_is_published_while_the_message_may_be_with_another_node(site):
    site.publish("1")
    node = site.node()
    [delivery] = receive(node)
    node.cut_off()
    [again] = receive(site.node(direct=True))
    assert again.redelivered
    assert again.execution > delivery.execution
    follow_up = message(site.queue.name, "never")
    assert node.settle([ack(delivery, follow_ups=(follow_up,))]) == []
    assert node.receive(1, 0.3) == []
    assert site.ready() == 0


def test_the_end_of_a_run_that_the_node_holds_is_kept_though_its_message_is_with_another_node(site):
    results = MemoryBackend(f"memory://{uuid.uuid4()}")
    results.hold(["1"], "node", 60.0)
    site.publish("1")
    node = site.node(results=results)
    [delivery] = receive(node)
    node.cut_off()
    other = site.node(direct=True)
    [again] = receive(other)
    result = StoredResult(task_id="1", state="SUCCESS", document=b"{}", lifetime=60.0)
    follow_up = message(site.queue.name, "next")
    assert node.settle([ack(delivery, result=result, follow_ups=(follow_up,), run="1")]) == []
    assert results.hold(["1"], "other", 60.0) == {"1": Holding.ENDED}
    assert results.fetch_one("1") == result
    other.settle([ack(again)])
    assert ids(receive(other)) == ["next"]
    assert node.receive(1, 0.3) == []
    assert site.ready() == 0


def test_an_ack_that_the_server_never_read_is_given_again_and_runs_nothing(site):
    site.publish("1", "2")
    node = site.node()
    first, second = receive(node, 2)
    site.proxy.silence()
    node.settle([ack(first)])
    site.proxy.cut()
    site.proxy.end_silence()
    until(lambda: renewed(node) is not None)
    keep_busy(node, 0.5)
    node.settle([ack(second)])
    node.close()
    assert site.node(direct=True).receive(2, 0.3) == []


def test_a_tag_is_never_that_of_another_delivery(site):
    site.publish("1")
    node = site.node()
    [before] = receive(node)
    node.cut_off()
    site.publish("2")
    node.settle([ack(before)])
    [after] = receive(node)
    assert ids([after]) == ["2"]
    assert after.tag != before.tag
    assert node.settle([ack(before)]) == [ack(before)]
    assert node.settle([ack(after)]) == []


def test_a_deleted_queue_is_made_again_and_consumed(site):
    node = site.node()
    assert node.receive(1, 0) == []
    other = AmqpBroker(amqp_url())
    other.delete(site.queue.name)
    other.close()
    until(lambda: node.receive(1, 0.05) == [] and renewed(node) is not None)
    site.publish("1")
    assert ids(receive(node)) == ["1"]


def test_a_message_that_cannot_be_settled_for_want_of_a_result_store_stays_ours(site):
    site.publish("1")
    results = BackendThatFails(f"memory://{uuid.uuid4()}")
    node = site.node(results=results)
    [delivery] = receive(node)
    result = StoredResult(task_id="1", state="SUCCESS", document=b"{}", lifetime=60.0)
    with pytest.raises(OperationalError):
        node.settle([ack(delivery, result=result, follow_ups=(message(site.queue.name, "next"),))])
    results.is_away = False
    assert node.settle([ack(delivery, result=result, follow_ups=(message(site.queue.name, "next"),))]) == []
    assert ids(receive(node)) == ["next"]
    assert node.receive(1, 0.1) == []


def test_consumption_goes_on_after_every_one_of_many_broken_connections(site):
    node = site.node()
    for number in range(10):
        site.proxy.cut()
        site.publish(f"{number}")
        [delivery] = receive(node)
        assert ids([delivery]) == [f"{number}"]
        assert node.settle([ack(delivery)]) == []


def test_a_node_that_is_given_what_another_is_running_sends_it_there(site):
    site.publish("1", "2", "3", "4")
    quick, slow = site.node(), site.node()
    running = {node: receive(node, 2) for node in (quick, slow)}
    for node in running:
        keep_busy(node, 0.2)
    site.proxy.cut()
    site.publish("new")

    # The quick one is back first, has room for all, and gets all: but runs none that the other may be running.
    until(lambda: renewed(quick) is not None)
    assert ids(until(lambda: quick.receive(5, 0.2))) == ["new"]
    assert quick.receive(5, 0.3) == []

    def are_back() -> bool:
        for node in running:
            with contextlib.suppress(OperationalError):
                node.recover()
                assert node.receive(0, 0) == []
        return not any(node._flights.lost for node in running)

    until(are_back, pause=0.05)
    for node, deliveries in running.items():
        assert node.settle([ack(delivery) for delivery in deliveries]) == []
    assert [node.receive(4, 0.3) for node in running] == [[], []]
    assert site.ready() == 0


@pytest.mark.parametrize("site", ["classic"], indirect=True)
def test_a_node_waits_only_a_moment_for_one_that_does_not_come_back(site, monkeypatch):
    monkeypatch.setattr(reunion, "_PATIENCE", 1.5)
    site.publish("1", "2")
    ours, theirs = site.node(), site.node()
    [mine] = receive(ours)
    receive(theirs)
    for node in (ours, theirs):
        keep_busy(node, 0.2)
    theirs.cut_off()
    site.proxy.cut()
    started = time.monotonic()
    assert ids(receive(ours)) == ["2"]
    assert time.monotonic() - started > 1
    assert ours.settle([ack(mine)]) == []


@pytest.mark.parametrize("site", ["quorum"], indirect=True)
def test_a_queue_whose_type_was_misjudged_is_consumed_all_the_same(site):
    site.publish("1", "2")
    site.through_proxy._declarer._shares[site.queue.name] = True
    assert ids(receive(site.node(), 2)) == ["1", "2"]
