"""Messages that wait in RabbitMQ."""

import time

import msgspec
import pytest

from celeriac.brokers.amqp.delaying import bind_delays, declare_topology, outgoing_delayed, waits_until
from celeriac.protocol.amqp_message import WAITED_UNTIL, from_properties
from celeriac.protocol.message import Message
from celeriac.queues import Binding, Exchange, Queue
from celeriac.testing.conformance.harness import until


@pytest.fixture
def ready_channel(channel):
    declare_topology(channel.connection, "quorum")
    return channel


def message(queue: str, **changes) -> Message:
    return Message(**({"id": "a", "queue": queue, "headers": {"task": "t", "id": "a"}, "body": b"[]"} | changes))


def send(channel, waiting: Message) -> None:
    receipts = channel.publish([outgoing_delayed(waiting, time.time())], timeout=5)
    assert not receipts.failures
    assert not receipts.unanswered


def receive(channel, queue: str) -> Message:
    arrival = until(lambda: channel.get(queue, no_ack=True))
    return from_properties(
        arrival.properties,
        arrival.body,
        queue=queue,
        exchange=arrival.exchange,
        routing_key=arrival.routing_key,
    )


def test_declaring_again_changes_nothing_and_takes_what_is_there(ready_channel):
    declare_topology(ready_channel.connection, "classic")
    assert ready_channel.is_open


def test_a_message_waits_whole_seconds_and_never_less_than_it_was_told(ready_channel, queue_name):
    ready_channel.declare_queue(queue_name)
    bind_delays(ready_channel, Queue(queue_name))
    due = time.time() + 0.3
    send(ready_channel, message(queue_name, not_before=due))
    received = receive(ready_channel, queue_name)
    assert time.time() >= due
    assert received.headers[WAITED_UNTIL] >= due


def test_a_message_can_wait_twice_in_the_same_queues(ready_channel, queue_name):
    ready_channel.declare_queue(queue_name)
    bind_delays(ready_channel, Queue(queue_name))
    first = message(queue_name, not_before=time.time() + 1, priority=3, reply_to="r")
    send(ready_channel, first)
    once = receive(ready_channel, queue_name)
    # What RabbitMQ wrote about the first wait must not make the second one look like a circle.
    send(ready_channel, msgspec.structs.replace(once, not_before=time.time() + 1))
    twice = receive(ready_channel, queue_name)
    assert msgspec.structs.replace(twice, headers=first.headers, not_before=first.not_before) == first
    assert twice.headers.keys() == {"task", "id", WAITED_UNTIL}


def test_a_copy_that_expires_while_it_waits_is_not_released_early(ready_channel, queue_name):
    ready_channel.declare_queue(queue_name)
    bind_delays(ready_channel, Queue(queue_name))
    due = time.time() + 0.9
    send(ready_channel, message(queue_name, not_before=due, expires_at=time.time() + 0.1))
    receive(ready_channel, queue_name)
    assert time.time() >= due


def test_a_queue_does_not_take_what_waits_for_one_whose_name_ends_alike(ready_channel, queue_name):
    longer = f"high.{queue_name}"
    try:
        for name in (queue_name, longer):
            ready_channel.declare_queue(name)
            bind_delays(ready_channel, Queue(name))
        send(ready_channel, message(longer, not_before=time.time() + 0.1))
        receive(ready_channel, longer)
        assert ready_channel.get(queue_name) is None
    finally:
        ready_channel.delete_queue(longer)


def test_a_message_that_waits_for_a_topic_exchange_s_routing_key_comes_too(ready_channel, queue_name):
    queue = Queue(queue_name, bindings=(Binding(Exchange("letters", "topic"), f"letters.{queue_name}.*"),))
    ready_channel.declare_queue(queue_name)
    bind_delays(ready_channel, queue)
    send(ready_channel, message(f"letters.{queue_name}.urgent", not_before=time.time() + 0.1))
    assert receive(ready_channel, queue_name).id == "a"


def test_names_that_cannot_be_delayed_are_left_out_quietly_when_they_are_consumed(ready_channel, queue_name):
    for name in ("x" * 200, "*"):
        bind_delays(ready_channel, Queue(name))
    assert ready_channel.is_open


@pytest.mark.parametrize(
    ("not_before", "waited_until", "expected"),
    [
        (None, None, None),
        (99.0, None, None),
        (101.0, None, 101.0),
        (101.0, 101.5, None),
        (101.0, 101.0, None),
        (400.0, 101.5, 400.0),
        (101.0, "text", 101.0),
    ],
)
def test_what_has_waited_in_the_broker_until_its_moment_is_due_whatever_the_clock_says(
    not_before, waited_until, expected
):
    headers = {} if waited_until is None else {WAITED_UNTIL: waited_until}
    assert waits_until(message("q", headers=headers, not_before=not_before), 100.0) == expected
