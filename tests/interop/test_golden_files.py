"""Celeriac makes the bytes that a real Celery made of the same inputs, and reads them back.

``golden/README.md`` says how the files are recorded.
"""

import json
import runpy
from base64 import b64decode
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from celeriac import exceptions
from celeriac.protocol import compression, kombu_envelope, serialization
from celeriac.protocol.message import Message
from celeriac.protocol.representation import represent
from celeriac.protocol.result_document import ResultDocument, decode_document, encode_document
from celeriac.protocol.task_call import TaskCall, decode_task, encode_task

GOLDEN = Path(__file__).parent / "golden"
CASES = runpy.run_path(str(GOLDEN / "cases.py"))
ALL = {"json", "pickle", "yaml", "msgpack"}


def recorded(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="ascii"))["recorded"]


CALLS = recorded("calls")
OLD_CALLS = recorded("old_calls")
CANVAS = recorded("canvas")
DOCUMENTS = recorded("documents")
REPRESENTATIONS = recorded("representations")


def message_from(envelope: dict[str, Any]) -> Message:
    """Read kombu's envelope as it lies in Redis."""
    return kombu_envelope.decode(json.dumps(envelope).encode())


def as_sent(headers: Any) -> Any:
    """Return headers as the other side sees them, in their order: tuples are lists there."""
    return json.dumps(headers)


def plain(value: Any) -> Any:
    """Return a value as JSON carries it, so that what was sent and what was read can be compared."""
    return json.loads(serialization.dumps(value).data)


def assert_same_message(message: Message, golden: Message, compressed_as: str | None) -> None:
    assert as_sent(message.headers) == as_sent(golden.headers)
    for name in ("id", "priority", "reply_to", "exchange", "delivery_mode", "content_type", "content_encoding"):
        assert getattr(message, name) == getattr(golden, name), name
    if compressed_as:
        # Compressed bytes differ between versions of the compressing library.
        ours, theirs = (compression.decompress(each.body, compressed_as) for each in (message, golden))
        assert ours == theirs
    else:
        assert message.body == golden.body


@pytest.mark.parametrize("name", CALLS)
def test_a_call_becomes_the_message_that_celery_sends(name: str) -> None:
    fields, options = CASES["CALLS"][name]
    golden = message_from(CALLS[name])
    message = encode_task(TaskCall(**fields), queue="celery", **options)
    assert_same_message(message, golden, golden.headers.get("compression"))


@pytest.mark.parametrize("name", CALLS)
def test_celerys_envelope_is_written_as_celery_writes_it(name: str) -> None:
    golden = CALLS[name]
    written = json.loads(kombu_envelope.encode(message_from(golden), delivery_tag="tag"))
    assert written["properties"].pop("delivery_tag") == "tag"
    golden["properties"].pop("expiration", None)
    assert as_sent(written) == as_sent(golden)


@pytest.mark.parametrize("name", CALLS)
def test_celerys_message_is_read_as_the_call_it_was(name: str) -> None:
    fields, options = CASES["CALLS"][name]
    call = decode_task(message_from(CALLS[name]), ALL)
    is_json = options.get("serializer", "json") == "json"
    for field, value in fields.items():
        read = getattr(call, field)
        if field in {"args", "kwargs", "callbacks", "errbacks", "chain", "chord", "headers", "stamps", "timelimit"}:
            if is_json:
                assert plain(read) == plain(value), field
            else:
                assert type(value)(read) == value, field
        else:
            assert read == value, field
    assert call.root_id == fields.get("root_id", fields["id"])


def test_tagged_types_come_back_as_the_types_they_were() -> None:
    sent = CASES["TAGGED"][:13]
    read = decode_task(message_from(CALLS["tagged types"]), ALL).args[:13]
    assert tuple(read) == sent
    assert [type(value) for value in read] == [type(value) for value in sent]
    assert read[2].utcoffset() == sent[2].utcoffset()


@pytest.mark.parametrize("name", CANVAS)
def test_messages_of_composed_signatures_survive_reading_and_writing(name: str) -> None:
    for envelope in CANVAS[name]:
        golden = message_from(envelope)
        assert_same_message(encode_task(decode_task(golden, ALL), queue="celery"), golden, None)


def test_the_next_task_of_a_chain_is_the_last_of_the_list() -> None:
    (envelope,) = CANVAS["chain"]
    call = decode_task(message_from(envelope), ALL)
    assert call.chain is not None
    assert [signature["args"] for signature in call.chain] == [[4], [3]]


def test_every_part_of_a_chords_header_carries_the_body_and_its_index() -> None:
    _unlock, *header = [decode_task(message_from(envelope), ALL) for envelope in CANVAS["chord"]]
    assert [call.group_index for call in header] == [0, 1]
    assert len({call.group for call in header}) == 1
    assert [call.chord and call.chord["task"] for call in header] == ["proj.sum", "proj.sum"]


def test_a_countdown_is_read_as_the_moment_it_ends() -> None:
    (envelope,) = CANVAS["countdown"]
    call = decode_task(message_from(envelope), ALL)
    assert call.eta is not None
    assert (call.eta - CASES["NOW"]).total_seconds() == 90.5
    assert encode_task(call, queue="celery").not_before == call.eta.timestamp()


@pytest.mark.parametrize("name", OLD_CALLS)
def test_protocol_1_is_read(name: str) -> None:
    fields = CASES["OLD_CALLS"][name]
    call = decode_task(message_from(OLD_CALLS[name]), ALL)
    for field, value in fields.items():
        if field == "origin":
            continue  # protocol 1 does not say
        read = getattr(call, field)
        assert read == value if field in {"eta", "expires"} else plain(read) == plain(value), field
    if "eta" in fields:
        assert call.eta is not None
        assert call.eta.tzinfo == UTC


def document_of(fields: dict[str, Any]) -> ResultDocument:
    result = fields["result"]
    if callable(result):
        result = result(exceptions)
    return ResultDocument(**{**fields, "result": result})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_result_becomes_the_document_that_celery_stores(name: str) -> None:
    fields, storage = CASES["DOCUMENTS"][name]
    golden = DOCUMENTS[name]
    encoded = encode_document(document_of(fields), **storage)
    assert (encoded.content_type, encoded.content_encoding) == (golden["content_type"], golden["content_encoding"])
    assert encoded.data == b64decode(golden["data"])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_celerys_document_is_read_as_the_result_it_was(name: str) -> None:
    fields, _storage = CASES["DOCUMENTS"][name]
    golden = DOCUMENTS[name]
    read = decode_document(b64decode(golden["data"]), golden["content_type"], golden["content_encoding"], ALL)
    sent = document_of(fields)
    for field in ResultDocument.__struct_fields__:
        expected, value = getattr(sent, field), getattr(read, field)
        if field == "result" and isinstance(expected, BaseException):
            assert isinstance(value, BaseException)
            assert type(value).__qualname__.rsplit(".", 1)[-1] == type(expected).__name__
            assert type(value).__module__ == type(expected).__module__
        elif golden["content_type"] == "application/json":
            assert plain(value) == plain(expected), field
        else:
            assert value == expected, field


@pytest.mark.parametrize("name", ["lost", "over time", "over soft time", "not registered", "revoked"])
def test_celerys_own_errors_are_read_as_ours(name: str) -> None:
    fields, _storage = CASES["DOCUMENTS"][name]
    golden = DOCUMENTS[name]
    read = decode_document(b64decode(golden["data"]), golden["content_type"], golden["content_encoding"], ALL)
    expected = fields["result"](exceptions)
    assert type(read.result) is type(expected)
    assert read.result.args == expected.args


@pytest.mark.parametrize(
    ("case", "golden"),
    [
        pytest.param(*pair, id=str(i))
        for i, pair in enumerate(zip(CASES["REPRESENTATIONS"], REPRESENTATIONS, strict=True))
    ],
)
def test_arguments_look_as_celery_shows_them(case: tuple[Any, int, int], golden: str) -> None:
    value, length, levels = case
    assert represent(value, max_length=length, max_levels=levels) == golden
