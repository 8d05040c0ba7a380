"""Deliveries that are held by a copy in a queue of the node's own (``test_consumer_timeout`` says why)."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celeriac.brokers.amqp import holding
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.base import Outcome, Settlement
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import until
from tests.amqp.nodes import hold_on, message, receive_one


@pytest.fixture
def make_broker(rabbit_url):
    brokers: list[AmqpBroker] = []

    def make(**options) -> AmqpBroker:
        broker = AmqpBroker(rabbit_url, options=options)
        brokers.append(broker)
        return broker

    yield make
    for broker in brokers:
        broker.close()


@pytest.fixture(autouse=True)
def briefly_stranded(monkeypatch):
    """Copies whose node dies soon after the hand-over need not lie about for as long as elsewhere.

    Nor need hold queues be old: no server is killed here.
    """
    monkeypatch.setattr(holding, "_STRANDED", 1000)
    monkeypatch.setattr(holding, "_SETTLING", 0.0)


@pytest.fixture
def held(make_broker):
    """A consumer that holds a delivery by a copy, and the delivery."""
    broker = make_broker()
    broker.publish([message("a", "held")])
    consumer = broker.consumer([Queue("held")], node="one@test")
    delivery = receive_one(consumer)
    hold_on(consumer)
    yield consumer, delivery
    consumer.close()
    with broker._pool.channel() as channel:
        channel.purge("held")


@pytest.mark.parametrize("outcome", [Outcome.REQUEUE, Outcome.REPLACE, Outcome.REJECT])
def test_what_is_held_ends_like_any_other_delivery(held, make_broker, outcome):
    consumer, delivery = held
    end = Settlement(
        delivery=delivery, outcome=outcome, replacement=message("b", "held"), reason="no good", follow_ups=()
    )
    assert consumer.settle([end]) == []
    consumer.close()
    broker = make_broker()
    if outcome is Outcome.REJECT:
        assert [letter.id for letter in broker.dead_letters()] == ["a"]
        broker.purge_dead_letters()
        return
    other = broker.consumer([Queue("held")], node="two@test")
    again = envelopes.decode(receive_one(other).envelope)
    expected = "b" if outcome is Outcome.REPLACE else "a"
    assert again == message(expected, "held")
    assert other.receive(1, 0.3) == []
    other.close()


def test_closing_gives_back_what_is_held(held, make_broker):
    consumer, delivery = held
    consumer.close()
    other = make_broker().consumer([Queue("held")], node="two@test")
    again = receive_one(other)
    assert envelopes.decode(again.envelope) == envelopes.decode(delivery.envelope)
    assert again.redelivered
    other.close()


def come_back(consumer) -> None:
    """Go on after a broken connection, until what was lost is here again; nothing else may come."""
    [flight] = consumer._flights
    former = flight.place

    def is_back() -> bool:
        with contextlib.suppress(OperationalError):
            assert consumer.receive(1, 0.1) == []
        return flight.place not in {former, None}

    until(is_back, timeout=20)


def test_a_node_whose_connection_breaks_keeps_what_it_holds_if_the_server_gives_it_back(held):
    consumer, delivery = held
    consumer.cut_off()
    come_back(consumer)
    assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
    assert consumer.receive(1, 0.5) == []


def test_what_ended_while_the_connection_was_broken_ends_when_its_copy_is_back(held):
    consumer, delivery = held
    consumer.cut_off()
    assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
    until(lambda: consumer.receive(1, 0.1) or not len(consumer._flights), timeout=20)
    assert consumer.receive(1, 0.5) == []


def test_somebody_deletes_the_hold_queue_and_nothing_is_lost(held, make_broker):
    consumer, delivery = held
    holder = consumer._holder
    [name] = holder._queues.values()
    with make_broker()._pool.channel() as channel:
        channel.delete_queue(name)
    until(lambda: consumer.renew() and list(holder._queues.values()) not in ([name], []))
    consumer.close()
    other = make_broker().consumer([Queue("held")], node="two@test")
    assert envelopes.decode(receive_one(other).envelope) == envelopes.decode(delivery.envelope)
    other.close()


def test_who_may_declare_nothing_goes_on_without(held, monkeypatch, caplog):
    consumer, delivery = held
    # The server refuses names of this kind to everybody.
    monkeypatch.setattr(holding, "HOLD_PREFIX", "amq.")
    consumer._holder._queues.clear()
    [flight] = consumer._flights
    flight.arrived_at = 0.0
    consumer._holder._next_look = 0.0
    assert consumer.renew()
    assert "could not be handed over yet" in caplog.text
    assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []


NODE = """
import sys, time
from celeriac.brokers.amqp import holding
from celeriac.brokers.amqp import holding
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.queues import Queue

holding._STRANDED = 1000
holding._SETTLING = 0.0
url, queue = sys.argv[1:]
consumer = AmqpBroker(url, options={"consumer_timeout": 0.6}).consumer([Queue(queue)], node="doomed@test")
while not consumer.receive(5, 0.2):
    pass
print("has it", flush=True)
told = False
while True:
    consumer.renew()
    consumer.receive(0, 0)
    if not told and all(flight.held for flight in consumer._flights):
        told = True
        print("holds it", flush=True)
"""


def run_node(url, queue: str) -> subprocess.Popen[str]:
    """A node that hands over five times a second."""
    source = Path(__file__).parents[2] / "src"
    return subprocess.Popen(
        [sys.executable, "-c", NODE, url, queue],
        env={"PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("queue_type", ["quorum", pytest.param("classic", marks=pytest.mark.soak)])
def test_a_node_that_is_killed_while_it_holds_loses_nothing(rabbit_url, make_broker, queue_type):
    name = f"killed-{queue_type}"
    broker = make_broker(default_queue_type=queue_type)
    broker.publish([message(f"task-{number}", name) for number in range(5)])
    node = run_node(rabbit_url, name)
    assert node.stdout.readline() == "has it\n"
    assert node.stdout.readline() == "holds it\n"
    node.kill()
    node.wait()
    node.stdout.close()
    rescuer = broker.consumer([Queue(name)], node="two@test")
    received: set[str] = set()

    def are_all_there() -> bool:
        received.update(envelopes.decode(each.envelope).id for each in rescuer.receive(10, 0.2))
        return len(received) == 5

    until(are_all_there, timeout=20)
    rescuer.close()


def test_killed_at_any_moment_of_a_hand_over_nothing_is_lost(rabbit_url, make_broker):
    name = "any-moment"
    broker = make_broker()
    broker.publish([message(f"task-{number}", name) for number in range(3)])
    seen: set[str] = set()
    for attempt in range(3):
        node = run_node(rabbit_url, name)
        assert node.stdout.readline() == "has it\n"
        # Within its first hand-overs, which come five times a second.
        time.sleep(0.15 + 0.03 * attempt)
        node.kill()
        node.wait()
        node.stdout.close()
        rescuer = broker.consumer([Queue(name)], node="two@test")
        seen.clear()

        def are_all_there(rescuer=rescuer) -> bool:
            seen.update(envelopes.decode(each.envelope).id for each in rescuer.receive(10, 0.2))
            return len(seen) == 3

        until(are_all_there, timeout=20)
        rescuer.close()
