"""The short way to read a call gives what the long way gives, or leaves the call to it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.protocol import envelope, kombu_envelope
from celeriac.protocol.plain_call import PlainMessage, read_plain
from celeriac.protocol.task_call import TaskCall, decode_task, encode_task
from celeriac.request import Context

JSON = frozenset({"application/json"})
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=8,
)


def message(**parts):
    return encode_task(TaskCall(task="tasks.add", id="1-2", **parts), queue="celery", priority=3)


def in_celerys(message):
    return kombu_envelope.encode(message, delivery_tag="unique")


BOTH = pytest.mark.parametrize("encode", [envelope.encode, in_celerys])


@BOTH
def test_a_plain_call_is_read_by_the_short_way(encode):
    assert read_plain(encode(message(args=(2, 3), kwargs={"a": "b"})), JSON) is not None


@BOTH
@given(args=st.lists(PLAIN, max_size=3), kwargs=st.dictionaries(st.text(), PLAIN, max_size=3))
def test_both_ways_lead_to_the_same_request(encode, args, kwargs):
    sent = message(args=args, kwargs=kwargs, retries=2, timelimit=(3, 1.5), root_id="r", group="g", group_index=1)
    read = read_plain(encode(sent), JSON)
    if read is not None:
        whole = envelope.decode(encode(sent))
        short = Context.from_plain(read, hostname="here", redelivered=True)
        long = Context.from_call(decode_task(whole, JSON), whole, hostname="here", redelivered=True)
        assert {**vars(short), "_message": None} == {**vars(long), "_message": None}
        assert short.properties == long.properties
        assert read.message.content() == sent.body


@pytest.mark.parametrize(
    "parts",
    [
        {"headers": {"mine": 1}},
        {"callbacks": [{"task": "tasks.then"}]},
        {"chain": [{"task": "tasks.then"}]},
        {"args": ({1: 2}, b"bytes")},
        {"args": (float("nan"),)},
        {"stamped_headers": ["a"], "stamps": {"a": 1}},
    ],
)
def test_what_is_not_plain_takes_the_long_way(parts):
    assert read_plain(envelope.encode(message(**parts)), JSON) is None
    assert read_plain(in_celerys(message(**parts)), JSON) is None


@pytest.mark.parametrize("header", ["eta", "expires", "compression", "celeriac-crashes", "task", "retries"])
def test_a_header_that_means_more_takes_the_long_way(header):
    sent = message()
    changed = msgspec.structs.replace(sent, headers={**sent.headers, header: {"strange": "value"}})
    assert read_plain(envelope.encode(changed), JSON) is None
    assert read_plain(in_celerys(changed), JSON) is None


@pytest.mark.parametrize(
    ("written", "body_encoding"),
    [
        ('[[2], {}, {"callbacks": null}]', None),
        ("W1tdLCB7fSwge31d", None),
        ("W1tdLCB7\nfSwge31d\n", "base64"),
    ],
)
def test_a_body_in_no_strict_base64_takes_the_long_way(written, body_encoding):
    changed = msgspec.json.decode(in_celerys(message()))
    changed["body"] = written
    changed["properties"]["body_encoding"] = body_encoding
    element = msgspec.json.encode(changed)
    assert read_plain(element, JSON) is None
    assert envelope.decode(element).body == (b"[[], {}, {}]" if body_encoding else written.encode())


def test_content_that_is_not_accepted_takes_the_long_way():
    assert read_plain(envelope.encode(message()), frozenset({"application/x-msgpack"})) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93",
        b"no envelope",
        envelope.encode(message())[:-3],
        b"{",
        b"{}",
        in_celerys(message())[:-3],
        in_celerys(message()).replace(b'"body":"', b'"body":"A'),
    ],
)
def test_damaged_envelopes_take_the_long_way(data):
    assert read_plain(data, JSON) is None


def test_both_describe_the_same_array():
    assert PlainMessage.__struct_fields__ == type(message()).__struct_fields__
    assert PlainMessage.__struct_defaults__ == type(message()).__struct_defaults__
