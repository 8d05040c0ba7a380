"""Celery's delays on RabbitMQ, as values."""

import re

import pytest

from celeriac.exceptions import EncodeError
from celeriac.protocol.amqp_delay import (
    DELIVERY_EXCHANGE,
    LEVELS,
    MAX_SECONDS,
    delayed_key,
    queue_pattern,
    topology,
    undelayed_key,
    whole_seconds,
)


def matches(pattern: str, routing_key: str) -> bool:
    """Whether a topic exchange sends this key along that binding."""
    text = "".join(
        r"(\.[^.]+)*" if word == "#" else r"\.[^.]+" if word == "*" else r"\." + re.escape(word)
        for word in pattern.split(".")
    )
    return re.fullmatch(text, "." + routing_key) is not None


def levels_passed(routing_key: str) -> tuple[list[int], str]:
    """Follow a message through the topology; return the seconds it waits on its way, and where it comes out."""
    declared = topology()
    exchange, waits = "celery_delayed_27", []
    queues = {queue.name: queue.arguments for queue in declared.queues}
    while exchange != DELIVERY_EXCHANGE:
        into = [
            one for one in declared.queue_bindings if one.exchange == exchange and matches(one.routing_key, routing_key)
        ]
        past = [
            one
            for one in declared.exchange_bindings
            if one.source == exchange and matches(one.routing_key, routing_key)
        ]
        assert len(into) + len(past) == 1
        if into:
            arguments = queues[into[0].queue]
            waits.append(arguments["x-message-ttl"] // 1000)
            exchange = arguments["x-dead-letter-exchange"]
        else:
            exchange = past[0].destination
    return waits, routing_key


@pytest.mark.parametrize("seconds", [1, 2, 3, 86_400, 100_000_000, MAX_SECONDS])
def test_a_message_waits_as_long_as_its_digits_say_in_all(seconds):
    waits, _ = levels_passed(delayed_key(seconds, "celery"))
    assert sum(waits) == seconds
    assert waits == sorted(waits, reverse=True)


def test_the_key_is_kombu_s():
    assert delayed_key(5, "celery") == ".".join("0" * 25 + "101") + ".celery"
    assert delayed_key(5, "a.b") == ".".join("0" * 25 + "101") + ".a.b"


def test_digits_of_an_earlier_delay_are_no_part_of_the_address():
    assert undelayed_key(delayed_key(77, "mail.high")) == "mail.high"
    assert delayed_key(5, delayed_key(77, "celery")) == delayed_key(5, "celery")
    assert undelayed_key("1.0.celery") == "1.0.celery"


def test_a_queue_takes_what_has_waited_for_it_and_no_other_queue_s():
    for name in ("mail", "high.mail", "1.mail", "with space", "ümläut"):
        assert matches(queue_pattern(name), delayed_key(3, name))
    assert not matches(queue_pattern("mail"), delayed_key(3, "high.mail"))
    assert not matches(queue_pattern("mail"), delayed_key(3, "1.mail"))


def test_names_too_long_for_a_key_are_refused_with_a_sentence():
    longest = "x" * 199
    assert len(delayed_key(1, longest)) == len(queue_pattern(longest)) == 255
    for refused in (lambda: delayed_key(1, longest + "x"), lambda: queue_pattern("ü" * 100)):
        with pytest.raises(EncodeError, match="leaves 199 for the name"):
            refused()


def test_names_that_would_take_other_queues_messages_are_refused():
    for refused in ("*", "#", "mail.#"):
        with pytest.raises(EncodeError, match="stand for others"):
            queue_pattern(refused)


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        (-5, 0),
        (0, 0),
        (0.2, 1),
        (1, 1),
        (1.0000000001, 1),
        (1.01, 2),
        (59.5, 60),
        (2**28, MAX_SECONDS),
        (1e12, MAX_SECONDS),
    ],
)
def test_delays_round_up_to_whole_seconds_and_end_at_the_longest(delay, seconds):
    assert whole_seconds(delay) == seconds


def test_the_queues_are_declared_as_celery_declares_them():
    quorum = {queue.name: queue.arguments for queue in topology("quorum").queues}
    assert len(quorum) == LEVELS
    assert quorum["celery_delayed_3"] == {
        "x-queue-type": "quorum",
        "x-overflow": "reject-publish",
        "x-message-ttl": 8000,
        "x-dead-letter-exchange": "celery_delayed_2",
        "x-dead-letter-strategy": "at-least-once",
    }
    assert quorum["celery_delayed_0"]["x-dead-letter-exchange"] == "celery_delayed_delivery"
    classic = {queue.name: queue.arguments for queue in topology("classic").queues}
    assert classic["celery_delayed_27"] == {
        "x-queue-type": "classic",
        "x-overflow": "reject-publish",
        "x-message-ttl": 2**27 * 1000,
        "x-dead-letter-exchange": "celery_delayed_26",
    }
