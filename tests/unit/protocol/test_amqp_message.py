"""Messages as AMQP's properties and headers, and back."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from celeriac.exceptions import EncodeError
from celeriac.protocol.amqp_delay import delayed_key
from celeriac.protocol.amqp_message import from_properties, plain_headers, refusal_of, to_properties
from celeriac.protocol.amqp_properties import Properties
from celeriac.protocol.message import Message

NOW = 1_700_000_000.0


def message(**changes) -> Message:
    fields = {"id": "task-1", "queue": "celery", "headers": {"task": "a.b", "id": "task-1"}, "body": b"[[], {}, {}]"}
    return Message(**(fields | changes))


def delivered(properties: Properties, exchange: str = "", routing_key: str = "celery") -> Message:
    return from_properties(properties, b"[[], {}, {}]", queue="celery", exchange=exchange, routing_key=routing_key)


def test_a_message_comes_back_as_it_was():
    sent = message(
        headers={"task": "a.b", "id": "task-1", "nested": {"list": [1, 2.5, None, "ü", True]}},
        priority=7,
        reply_to="reply",
        delivery_mode=1,
        content_type="application/x-python-serialize",
        content_encoding="binary",
    )
    assert delivered(to_properties(sent, NOW)) == sent
    elsewhere = message(exchange="letters", routing_key="a.b")
    assert delivered(to_properties(elsewhere, NOW), "letters", "a.b") == elsewhere


def test_the_properties_are_those_celery_writes():
    assert to_properties(message(reply_to="oid", expires_at=NOW + 60), NOW) == Properties(
        content_type="application/json",
        content_encoding="utf-8",
        headers={"task": "a.b", "id": "task-1"},
        delivery_mode=2,
        correlation_id="task-1",
        reply_to="oid",
        expiration="60000",
    )


@pytest.mark.parametrize(
    ("expires_at", "expiration"), [(NOW + 1.5, "1500"), (NOW - 9, "0"), (NOW + 4e6, "4000000000"), (NOW + 5e6, None)]
)
def test_expiration_is_text_in_milliseconds_and_never_more_than_rabbitmq_takes(expires_at, expiration):
    assert to_properties(message(expires_at=expires_at), NOW).expiration == expiration


def test_a_copy_that_waits_has_no_expiration():
    assert to_properties(message(expires_at=NOW + 60), NOW, expires=False).expiration is None


def test_what_has_waited_has_its_queue_for_an_address():
    for exchange in ("celery_delayed_delivery", "celery_delayed_0", "celery_delayed_26"):
        waited = delivered(Properties(correlation_id="a"), exchange, delayed_key(9, "celery"))
        assert (waited.queue, waited.exchange, waited.routing_key) == ("celery", "", None)


def test_moments_come_from_the_headers():
    headers = {"eta": "2023-11-14T22:13:25.500000+00:00", "expires": "2023-11-14T22:14:20"}
    read = delivered(Properties(headers=headers))
    assert (read.not_before, read.expires_at) == (NOW + 5.5, NOW + 60)
    assert delivered(Properties(headers={"eta": "soon", "expires": 5})).not_before is None


def died_in(queue: str) -> dict:
    return {"count": 1, "reason": "expired", "queue": queue, "time": datetime(2023, 11, 14, tzinfo=UTC)}


def test_what_rabbitmq_wrote_about_deaths_in_other_queues_is_read_and_never_sent():
    headers = {"x-death": [died_in("celery_delayed_0"), died_in("mine")], "x-first-death-queue": "mine", "own": 1}
    read = delivered(Properties(headers=headers))
    assert read.headers["x-death"][1]["time"] == "2023-11-14T00:00:00+00:00"
    assert read.headers["x-first-death-queue"] == "mine"
    assert to_properties(read, NOW).headers == {"own": 1}


def test_a_message_looks_the_same_however_often_it_has_waited_or_was_taken():
    deaths = [died_in("celery_delayed_0"), died_in("celery_delayed_3"), died_in("celeriac.hold.1")]
    noted = {"x-death": deaths, "x-first-death-queue": "celery_delayed_3", "x-delivery-count": 2, "celeriac-hold": "7"}
    assert delivered(Properties(headers={"own": 1} | noted)) == delivered(Properties(headers={"own": 1}))
    assert delivered(Properties(headers={"own": 1, "x-delivery-count": 2})).headers == {"own": 1}


def test_values_that_only_amqp_has_become_plain():
    headers = {
        "decimal": Decimal("1.50"),
        "bytes": b"\xff\xc3\xbc",
        "array": bytearray(b"ok"),
        "moment": datetime(2023, 11, 14, 22, 13, 20),
        "deep": [{"list": [Decimal(2), (1, b"x")]}],
        "big": 2**63 - 1,
        "nothing": None,
    }
    plain = plain_headers(headers)
    assert plain == {
        "decimal": "1.50",
        "bytes": "\\xff\u00fc",
        "array": "ok",
        "moment": "2023-11-14T22:13:20+00:00",
        "deep": [{"list": ["2", [1, "x"]]}],
        "big": 2**63 - 1,
        "nothing": None,
    }
    assert json.loads(json.dumps(plain)) == plain
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plain)) == plain


def test_messages_of_other_programs_that_say_little_are_read_as_kombu_reads_them():
    read = delivered(Properties())
    assert (read.id, read.headers, read.content_type, read.content_encoding) == ("", {}, "application/data", "utf-8")
    assert delivered(Properties(headers={"id": "h"}, correlation_id="c", message_id="m")).id == "h"
    assert delivered(Properties(headers={"id": 5}, correlation_id="c", message_id="m")).id == "c"
    assert delivered(Properties(message_id="m")).id == "m"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"headers": {"big": 2**64}}, "'big'.*integer of 65 bits"),
        ({"headers": {"deep": {"list": [1, -(2**63) - 1]}}}, "'deep'.*64"),
        ({"headers": {"n" * 256: 1}}, "of a name, it has 256 bytes"),
        ({"headers": {"half": "\ud800"}}, "lone surrogate"),
        ({"id": "ü" * 128}, "The id .* it has 256 bytes, and 255 is the most"),
        ({"reply_to": "r" * 256}, "The reply_to"),
        ({"queue": "q" * 256}, "The routing key"),
    ],
)
def test_what_amqp_cannot_carry_is_named_in_one_sentence(changes, words):
    refusal = refusal_of(message(**changes))
    assert isinstance(refusal, EncodeError)
    with pytest.raises(EncodeError, match=words):
        raise refusal


def test_what_no_engine_carries_is_a_type_error():
    assert isinstance(refusal_of(message(headers={"odd": [object()]})), TypeError)
    assert isinstance(refusal_of(message(headers={"odd": {1: 2}})), TypeError)


def test_nothing_is_wrong_with_a_usual_message():
    assert refusal_of(message(headers={"a": [1, 2.5, None, {"b": True}], "c": "ü" * 999})) is None
