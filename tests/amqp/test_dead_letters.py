"""Dead letters in RabbitMQ."""

import time

import pytest

from celeriac.amqp.content import Outgoing
from celeriac.brokers.amqp import dead_letters
from celeriac.brokers.amqp.dead_letters import DeadLetterBox, declare_dead_queue, outgoing_dead
from celeriac.brokers.base import Delivery
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.amqp_properties import Properties
from celeriac.protocol.message import Message
from celeriac.testing.conformance.harness import in_thread, until
from tests.amqp.lender import Lender


@pytest.fixture
def box(location, channel, queue_name, monkeypatch):
    """A box of this test's own."""
    monkeypatch.setattr(dead_letters, "DEAD_QUEUE", f"{queue_name}.dead")
    declare_dead_queue(channel)
    channel.declare_queue(queue_name)
    yield DeadLetterBox(Lender(location), declare=lambda name: None)
    channel.delete_queue(f"{queue_name}.dead")


def bury(channel, queue: str, *task_ids: str, **changes) -> None:
    letters = []
    for task_id in task_ids:
        headers = {"task": "t", "id": task_id, "celeriac-crashes": 3}
        fields = {"id": task_id, "queue": queue, "headers": headers, "body": b"[]"} | changes
        delivery = Delivery(tag=1, queue=queue, envelope=envelopes.encode(Message(**fields)), execution=1)
        letters.append(outgoing_dead(delivery, f"{task_id} is bad", 1_700_000_000.5))
    assert not channel.publish(letters, timeout=5).failures


def ids(box) -> list[str]:
    return [letter.id for letter in box.all()]


def test_a_letter_says_all_that_is_known(box, channel, queue_name):
    bury(channel, queue_name, "a")
    [letter] = box.all()
    assert (letter.id, letter.queue, letter.task, letter.reason) == ("a", queue_name, "t", "a is bad")
    assert letter.died_at == 1_700_000_000.5
    assert envelopes.decode(letter.envelope).body == b"[]"


def test_looking_changes_nothing_however_often(box, channel, queue_name):
    bury(channel, queue_name, *"abcde")
    for _ in range(30):
        assert ids(box) == list("edcba")


def test_a_message_nobody_can_read_stays_where_it_is(box, channel, queue_name):
    delivery = Delivery(tag=1, queue=queue_name, envelope=b"rubbish", execution=1)
    channel.publish([outgoing_dead(delivery, "half a character: \ud800", 1.0)], timeout=5)
    assert box.retry(None) == 0
    assert box.all()[0].reason == "half a character: \\ud800"


def test_what_somebody_else_put_into_the_queue_is_shown_too(box, channel, queue_name):
    stray = Outgoing(routing_key=f"{queue_name}.dead", properties=Properties(), body=b"rubbish")
    channel.publish([stray], timeout=5)
    assert [(letter.id, letter.died_at, letter.envelope) for letter in box.all()] == [("", 0.0, b"rubbish")]


def test_two_who_look_at_the_same_time_both_see_everything(box, channel, queue_name):
    bury(channel, queue_name, *"abc")
    seen: list[list[str]] = []
    threads = [in_thread(lambda: seen.append(ids(box))) for _ in range(20)]
    for thread in threads:
        thread.join()
    assert seen == [list("cba")] * 20


def test_a_retried_letter_does_not_vanish_because_it_has_expired_meanwhile(box, channel, queue_name):
    bury(channel, queue_name, "a", expires_at=time.time() - 60)
    assert box.retry(["a"]) == 1
    arrival = until(lambda: channel.get(queue_name, no_ack=True))
    assert arrival.properties.expiration is None
    assert arrival.properties.headers == {"task": "t", "id": "a"}
    assert box.all() == []


def test_a_letter_whose_queue_takes_nothing_stays_a_dead_letter(box, channel, queue_name):
    bury(channel, queue_name, "a")
    channel.delete_queue(queue_name)
    with pytest.raises(OperationalError, match="1 of 1 dead letters"):
        box.retry(None)
    assert ids(box) == ["a"]


def test_without_the_queue_there_are_none(location, monkeypatch, queue_name):
    monkeypatch.setattr(dead_letters, "DEAD_QUEUE", f"{queue_name}.nowhere")
    box = DeadLetterBox(Lender(location), declare=lambda name: None)
    assert (box.all(), box.retry(None), box.purge(None)) == ([], 0, 0)


def test_many_letters_are_read_and_given_back_in_their_order(box, channel, queue_name):
    task_ids = [str(number) for number in range(3000)]
    bury(channel, queue_name, *task_ids)
    assert box.purge(["1500"]) == 1
    assert ids(box) == [task_id for task_id in reversed(task_ids) if task_id != "1500"]
