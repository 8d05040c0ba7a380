"""Which task a message calls, and under which id."""

import json
from typing import Any

import msgspec
import pytest

from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import envelope, kombu_envelope
from celeriac.protocol.identity import Identity, identity_in, identity_of
from celeriac.protocol.message import Message


def message(headers: dict[str, Any], body: Any = None, **fields: Any) -> Message:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(id="m", queue="q", headers=headers, body=data, **fields)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (message({"task": "a.b", "id": "m"}), ("a.b", "m")),
        (message({"task": "a.b"}), ("a.b", "m")),
        (message({"task": 5, "id": "m"}, {"task": "c"}), ("", "m")),
        (message({}, {"task": "a.b", "id": "y"}), ("a.b", "y")),
        (message({}, {"task": ["no"], "id": None}), ("", "m")),
        (message({}, [1]), ("", "m")),
        (message({}, b"\xff"), ("", "m")),
        (message({"compression": "application/x-gzip"}, {"task": "a.b"}), ("", "m")),
        (message({}, {"task": "a.b"}, content_type="application/x-python-serialize"), ("", "m")),
        (
            message({}, msgspec.msgpack.encode({"task": "a.b"}), content_type="application/x-msgpack"),
            ("a.b", "m"),
        ),
    ],
)
def test_a_call_is_known_by_what_its_message_says(sent: Message, expected: tuple[str, str]) -> None:
    assert identity_of(sent) == Identity(*expected)
    assert identity_in(envelope.encode(sent)) == Identity(*expected)
    assert identity_in(kombu_envelope.encode(sent, delivery_tag="t")) == Identity(*expected)


def test_what_is_no_envelope_is_said_to_be_none() -> None:
    with pytest.raises(UnreadableMessage):
        identity_in(b"rubbish")


def test_a_body_that_cannot_be_unpacked_hides_the_name_only() -> None:
    data = b'{"body": "!", "headers": {}, "properties": {"correlation_id": "c", "body_encoding": "base64"}}'
    assert identity_in(data) == Identity("", "c")
