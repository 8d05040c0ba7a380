"""Celery's envelope on Redis is written and read; what others leave out, or write otherwise, is read too."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import envelope, kombu_envelope
from celeriac.protocol.call_form import CallForm, FilledForm
from celeriac.protocol.message import Message
from celeriac.protocol.task_call import TaskCall, encode_task

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=6,
)


def in_celerys(message):
    return kombu_envelope.encode(message, delivery_tag="unique")


@given(
    headers=st.dictionaries(st.text().filter(lambda name: name not in {"id", "eta", "expires"}), VALUES, max_size=4),
    body=st.binary(max_size=50),
    exchange=st.sampled_from(["", "letters"]),
)
def test_a_message_comes_back_as_it_was(headers, body, exchange):
    sent = Message(
        id="1-2",
        queue="q",
        headers=headers,
        priority=7,
        reply_to="me",
        exchange=exchange,
        routing_key="q" if exchange else None,
        delivery_mode=1,
        content_type="application/x-msgpack",
        content_encoding="binary",
        body=body,
    )
    assert envelope.decode(in_celerys(sent)) == sent


@given(
    task=st.text(min_size=1),
    arguments=st.lists(VALUES, max_size=3),
    names=st.dictionaries(st.text(), VALUES, max_size=2),
    reply_to=st.none() | st.text(),
)
def test_the_envelopes_of_a_form_are_those_of_its_messages(task, arguments, names, reply_to):
    form = CallForm(encode_task(TaskCall(task=task, id="model", origin="me"), queue=task, priority=3), 3)
    filled = FilledForm(form, form.fill(["1-2", "3-4"], [(arguments, names), ((), {})]), "me", reply_to)
    envelopes = kombu_envelope.EnvelopeForm(filled)
    expected = [in_celerys(message) for message in filled.messages()]
    assert [envelopes.write(filling, b"unique") for filling in filled.fillings] == expected
    assert envelopes.write_many(filled.fillings, [b"unique", b"unique"]) == expected


def test_the_head_is_read_without_the_body():
    headers = {"task": "add", "id": "1-2", "retries": 2, "celeriac-crashes": 1, "mine": [1]}
    head = envelope.decode_head(in_celerys(Message(id="1-2", queue="q", headers=headers, priority=3)))
    assert (head.id, head.queue, head.task_name, head.priority) == ("1-2", "q", "add", 3)
    assert (head.headers.retries, head.headers.crashes) == (2, 1)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-26T12:00:00+00:00", 1795694400.0),
        ("2026-11-26T12:00:00.500000", 1795694400.5),
        ("2026-11-26T14:00:00+02:00", 1795694400.0),
        ("2026-11-26T12:00:00Z", 1795694400.0),
        ("tomorrow", None),
        (17, None),
        (None, None),
    ],
)
def test_what_was_delayed_is_due_when_it_is_read_and_its_moments_are_known(written, moment):
    message = Message(id="1", queue="q", headers={"task": "add", "id": "1", "eta": written, "expires": written})
    read = envelope.decode(in_celerys(message))
    head = envelope.decode_head(in_celerys(message))
    assert (read.not_before, read.expires_at) == (head.not_before, head.expires_at) == (moment, moment)


def test_how_long_a_message_lives_is_told_in_milliseconds():
    message = Message(id="1", queue="q", headers={}, expires_at=1000.25)
    for now, expiration in ((1000.0, "250"), (2000.0, "0")):
        written = json.loads(kombu_envelope.encode(message, delivery_tag="t", now=now))
        assert written["properties"]["expiration"] == expiration


def test_no_priority_is_written_as_0_and_read_as_none():
    for priority in (None, 0):
        written = in_celerys(Message(id="1", queue="q", headers={}, priority=priority))
        assert json.loads(written)["properties"]["priority"] == 0
        assert envelope.decode(written).priority is None


def test_what_other_clients_leave_out_has_a_meaning():
    read = envelope.decode(b'{"body": "plain text", "properties": {"correlation_id": "1", "delivery_tag": 5}}')
    assert (read.id, read.headers, read.body) == ("1", {}, b"plain text")
    assert (read.content_type, read.content_encoding) == ("application/json", "utf-8")


@pytest.mark.parametrize(
    "damaged",
    [
        b"{",
        b"{}",
        b'{"body": 5}',
        b'{"body": "a", "properties": {"body_encoding": "base64"}}',
        b'{"body": "", "headers": []}',
        b'{"body": "\xff"}',
    ],
)
def test_what_is_no_envelope_is_said_to_be_none(damaged):
    with pytest.raises(UnreadableMessage):
        envelope.decode(damaged)


def test_a_header_that_json_cannot_carry_is_an_error():
    with pytest.raises(TypeError):
        in_celerys(Message(id="1", queue="q", headers={"mine": object()}))


@pytest.mark.parametrize(
    "body",
    ['"body": ""', '"body": "a \\"quoted\\" word"', '"body": "ends on one\\""', '"body": null', '"body" : ["a", "b"]'],
)
@pytest.mark.parametrize("size", [0, 10_000])
def test_the_head_beside_a_large_body_is_read_whatever_the_body_is(body, size):
    large = body.replace('""', f'"{"x" * size}"').replace("word", "word" * size)
    padding = "x" * size
    element = (
        f'{{{large}, "headers": {{"id": "1-2", "task": "a.b", "more": "{padding}"}}, "properties": {{}}}}'.encode()
    )
    head = kombu_envelope.decode_head(element)
    assert (head.id, head.task_name) == ("1-2", "a.b")


def test_a_large_envelope_without_an_end_is_unreadable():
    with pytest.raises(UnreadableMessage):
        kombu_envelope.decode_head(b'{"body": "' + b"x" * 10_000)
