"""Whatever arrives, reading it gives a value or the error that says so, never another."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from celeriac.exceptions import ContentDisallowed, DecodeError, InvalidTaskError, SecurityError, UnreadableMessage
from celeriac.protocol import compression, serialization
from celeriac.protocol.exception_value import value_to_exception
from celeriac.protocol.message import Message
from celeriac.protocol.result_document import ResultDocument, decode_document
from celeriac.protocol.task_call import TaskCall, decode_task, encode_task

#: No deadline for an example: the machine may be busy.
patient = settings(deadline=None)
READABLE = {"json", "msgpack", "yaml"}
CONTENT_TYPES = ["application/json", "application/x-msgpack", "application/x-yaml", "application/data", "text/plain"]
COMPRESSIONS = ["zlib", "bzip2", "lzma", "brotli", "zstd"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["task", "id", "args", "kwargs", "__type__", "__value__", "chord", "options"])
            | st.text(max_size=5),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)
tagged = st.fixed_dictionaries(
    {
        "__type__": st.sampled_from(["datetime", "date", "time", "decimal", "uuid", "bytes", "base64", "x"])
        | json_values,
        "__value__": json_values,
    }
)
HEADER_NAMES = [
    *("task", "id", "eta", "expires", "retries", "timelimit", "root_id", "parent_id", "group", "group_index", "origin"),
    *("ignore_result", "shadow", "stamped_headers", "stamps", "argsrepr", "kwargsrepr", "compression", "own"),
    "replaced_task_nesting",
]
headers = st.dictionaries(st.sampled_from(HEADER_NAMES), json_values, max_size=8)
call_headers = headers.map(lambda found: {"task": "a.b", "id": "x", **found})
bodies = st.tuples(
    json_values | st.lists(json_values, max_size=2),
    json_values | st.dictionaries(st.text(max_size=3), json_values, max_size=2),
    json_values
    | st.dictionaries(st.sampled_from(["callbacks", "errbacks", "chain", "chord"]), json_values, max_size=4),
)


def read(headers: Any, body: bytes, content_type: str = "application/json", encoding: str = "utf-8") -> TaskCall | None:
    message = Message(
        id="x", queue="q", headers=headers, body=body, content_type=content_type, content_encoding=encoding
    )
    try:
        return decode_task(message, READABLE)
    except (UnreadableMessage, InvalidTaskError, ContentDisallowed):
        return None


@patient
@given(st.binary(max_size=200), st.sampled_from(CONTENT_TYPES) | st.text(max_size=10), st.text(max_size=10))
def test_random_bytes_are_refused_as_unreadable(noise: bytes, content_type: str, encoding: str) -> None:
    # Begun like this it is no list in any of the formats; without it chance does find one.
    assert read({"task": "a.b", "id": "x"}, b"\xff" + noise, content_type, encoding) is None
    assert read({}, b"\xff" + noise, content_type, encoding) is None


@patient
@given(call_headers, bodies | json_values | tagged)
def test_wrong_types_anywhere_in_protocol_2_are_refused_or_read(found: dict[str, Any], body: Any) -> None:
    call = read(found, json.dumps(body).encode())
    if call is not None:
        # What was read can be written again.
        encode_task(call, queue="q")


@patient
@given(headers, json_values)
def test_wrong_types_anywhere_in_protocol_1_are_refused_or_read(found: dict[str, Any], body: Any) -> None:
    read({}, json.dumps(body).encode())
    read(found, json.dumps({"task": "a.b", "id": "x", "args": [], "kwargs": {}, "eta": body, **found}).encode())


@patient
@given(json_values)
def test_headers_of_any_kind_are_refused_or_read(found: Any) -> None:
    read(found, b"[[], {}, {}]")
    read({"task": "a", "id": "x", 3: found, None: 1}, b"[[], {}, {}]")


@patient
@given(tagged)
def test_tags_with_wrong_values_are_unreadable(value: Any) -> None:
    data = json.dumps([value]).encode()
    with suppress(DecodeError):
        serialization.loads(data, "application/json", "utf-8", ["json"])


@pytest.mark.parametrize("nested", [b"[" * 200_000, b'{"a":' * 200_000, b"[" * 200_000 + b"]" * 200_000])
def test_deeply_nested_json_is_unreadable(nested: bytes) -> None:
    assert read({"task": "a.b", "id": "x"}, nested) is None
    with pytest.raises(DecodeError, match="nested too deeply"):
        serialization.loads(nested, "application/json", "utf-8", ["json"])


def test_numbers_of_a_million_digits_are_unreadable() -> None:
    with pytest.raises(DecodeError):
        serialization.loads(b"1" * 1_000_000, "application/json", "utf-8", ["json"])


@patient
@given(st.binary(max_size=300), st.sampled_from(COMPRESSIONS), st.integers(0, 300), st.integers(0, 300))
def test_damaged_compressed_data_is_unreadable(data: bytes, method: str, cut: int, flip: int) -> None:
    whole, content_type = compression.compress(data, method)
    assert compression.decompress(whole, content_type) == data
    for damaged in (data, whole[:cut], whole + b"x", flipped(whole, flip)):
        try:
            compression.decompress(damaged, content_type)
        except DecodeError:
            continue


def flipped(data: bytes, position: int) -> bytes:
    position %= len(data)
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


@patient
@given(json_values | st.dictionaries(st.sampled_from(list(ResultDocument.__struct_fields__)), json_values))
def test_random_result_documents_are_refused_or_read(document: Any) -> None:
    for value in (document, {"status": "FAILURE", "task_id": "x", "result": document}):
        try:
            decode_document(json.dumps(value).encode(), "application/json", "utf-8", {"json"})
        except (DecodeError, SecurityError):
            continue


@patient
@given(st.binary(max_size=100))
def test_random_bytes_are_no_result_document(data: bytes) -> None:
    assume(b"status" not in data)
    for start in (b"", b"\x00celery-compressed\x00", b"\x00celery-compressed\x00application/x-gzip\x00"):
        with pytest.raises(DecodeError):
            decode_document(start + data, "application/json", "utf-8", {"json"})


@patient
@given(
    json_values
    | st.fixed_dictionaries(
        {"exc_type": st.sampled_from(["ValueError", "system", "path.join", "", "\x00"]) | json_values},
        optional={
            "exc_module": st.sampled_from(["builtins", "os", "sys", ""]) | json_values,
            "exc_message": json_values,
        },
    )
)
def test_random_exception_values_give_an_exception_or_are_refused(value: Any) -> None:
    try:
        exc = value_to_exception(value)
    except (DecodeError, SecurityError):
        return
    assert exc is None or isinstance(exc, BaseException)
