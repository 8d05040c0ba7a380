"""Task calls, beyond what the golden files show."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from celeriac.exceptions import ContentDisallowed, EncodeError, InvalidTaskError, UnreadableMessage
from celeriac.protocol import envelope
from celeriac.protocol.message import Message
from celeriac.protocol.task_call import TaskCall, decode_task, encode_task

NOW = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
JSON = {"json"}
PROTOCOL_2 = {"task": "proj.add", "id": "x"}


def call(**fields: Any) -> TaskCall:
    return TaskCall(**{"task": "proj.add", "id": "x", "origin": "gen1@here", **fields})


def there_and_back(sent: TaskCall, **options: Any) -> TaskCall:
    message = encode_task(sent, queue="q", **options)
    return decode_task(envelope.decode(envelope.encode(message)), {"json", "pickle"})


def received(headers: Any, body: Any, **fields: Any) -> Message:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(id="x", queue="q", headers=headers, body=data, **fields)


def test_a_whole_call_survives_the_way_through_a_store() -> None:
    signature = {"task": "proj.log", "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}
    sent = call(
        args=[1, NOW, b"\xff"],
        kwargs={"k": [None]},
        callbacks=[signature],
        errbacks=[signature],
        chain=[signature, signature],
        chord=signature,
        eta=NOW,
        expires=NOW + timedelta(days=1),
        retries=2,
        timelimit=(10, 5.5),
        root_id="r",
        parent_id="p",
        group="g",
        group_index=4,
        reply_to="back",
        ignore_result=True,
        shadow="nicer",
        replaced_task_nesting=1,
        stamped_headers=["s"],
        stamps={"s": ["v"]},
        argsrepr="(...)",
        kwargsrepr="{...}",
        headers={"own": {"a": [1]}},
    )
    assert there_and_back(sent) == sent
    assert there_and_back(sent, serializer="pickle", compression="zstd") == sent


def test_the_address_is_carried_by_the_message() -> None:
    options = {"priority": 3, "exchange": "e", "routing_key": "r.k", "delivery_mode": 1}
    message = encode_task(call(reply_to="back"), queue="q", **options)  # type: ignore[arg-type]
    assert (message.id, message.queue, message.reply_to) == ("x", "q", "back")
    assert {name: getattr(message, name) for name in options} == options


def test_eta_and_expires_are_told_to_the_broker_as_unix_time() -> None:
    message = encode_task(call(eta=NOW, expires=NOW.astimezone(timezone(timedelta(hours=-3)))), queue="q")
    assert message.not_before == message.expires_at == NOW.timestamp()


def test_a_moment_without_time_zone_is_meant_in_utc() -> None:
    message = encode_task(call(eta=NOW.replace(tzinfo=None)), queue="q")
    assert message.headers["eta"] == "2026-03-04T05:06:07.891011"
    assert message.not_before == NOW.timestamp()
    assert decode_task(message, JSON).eta == NOW


def test_own_headers_win_over_the_protocols_as_in_celery() -> None:
    assert there_and_back(call(headers={"shadow": "own"})).shadow == "own"


def test_the_nodes_own_headers_and_the_brokers_are_not_the_callers() -> None:
    found = {**PROTOCOL_2, "celeriac-crashes": 2, "redelivered": True, "lang": "py", "tenant": 7}
    assert decode_task(received(found, [[], {}, {}]), JSON).headers == {"tenant": 7}


def test_headers_are_sent_as_every_broker_can_carry_them() -> None:
    read = there_and_back(call(headers={"when": NOW, "of": (1, 2), 3: "number"}))
    assert read.headers == {"when": "2026-03-04T05:06:07.891011Z", "of": [1, 2], "3": "number"}


@pytest.mark.parametrize("value", [object(), 2**70, "\ud800", 1j])
def test_headers_that_no_broker_can_carry_are_refused(value: Any) -> None:
    with pytest.raises(EncodeError, match="The headers 'good', 'bad' cannot be sent"):
        encode_task(call(headers={"good": 1, "bad": value}), queue="q")


def test_arguments_that_cannot_be_written_are_refused_with_the_tasks_name() -> None:
    with pytest.raises(EncodeError, match=r"The call of 'proj.add' cannot be sent. .* type object has no JSON form"):
        encode_task(call(args=(object(),)), queue="q")


def test_half_a_surrogate_pair_in_the_arguments_does_not_break_the_envelope() -> None:
    assert there_and_back(call(args=["\ud800"])).args == ["\ud800"]


def test_an_unset_ignore_result_leaves_it_to_the_task() -> None:
    assert decode_task(received(PROTOCOL_2, [[], {}, {}]), JSON).ignore_result is None


def test_few_headers_and_no_embedded_signatures_suffice() -> None:
    read = decode_task(received(PROTOCOL_2, [[1], {"a": 2}, None]), JSON)
    assert (read.task, read.id, read.args, read.kwargs) == ("proj.add", "x", [1], {"a": 2})
    assert (read.retries, read.timelimit, read.chain, read.argsrepr) == (0, (None, None), None, "[1]")


def test_one_signature_in_place_of_a_list_is_read() -> None:
    read = decode_task(received(PROTOCOL_2, [[], {}, {"callbacks": {"task": "proj.log"}}]), JSON)
    assert read.callbacks == [{"task": "proj.log"}]


def test_the_mixture_of_both_protocols_is_read_and_its_headers_win() -> None:
    body = {"args": [1], "kwargs": {"a": 2}, "retries": 3, "task": "old", "id": "y", "errbacks": [{"task": "e"}]}
    read = decode_task(received({**PROTOCOL_2, "tenant": 7}, body), JSON)
    assert (read.task, read.id, read.args, read.kwargs, read.retries) == ("proj.add", "x", [1], {"a": 2}, 3)
    assert read.errbacks == [{"task": "e"}]
    assert read.headers == {"tenant": 7}


def test_protocol_1_reads_its_group_from_the_older_name_too() -> None:
    body = {"task": "a.b", "id": "y", "args": [], "kwargs": {}, "taskset": "g", "eta": "2026-03-04T05:06:07.891011"}
    read = decode_task(received({}, body), JSON)
    assert (read.group, read.eta) == ("g", NOW)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"[1, 2]"),
        ({}, b'{"id": "x"}'),
        ({}, b"not json"),
        (PROTOCOL_2, b"not json"),
        (PROTOCOL_2, b"\xff\xfe"),
        (PROTOCOL_2, b""),
        ({**PROTOCOL_2, "compression": "application/x-gzip"}, b"not compressed"),
        ({**PROTOCOL_2, "compression": "application/x-unknown"}, b"[[], {}, {}]"),
        ({**PROTOCOL_2, "compression": 7}, b"[[], {}, {}]"),
        (None, b"[[], {}, {}]"),
        ([], b"[[], {}, {}]"),
    ],
)
def test_what_is_no_task_call_is_unreadable(headers: Any, body: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        decode_task(received(headers, body), JSON)


def test_content_that_is_not_accepted_is_not_read_nor_decompressed() -> None:
    headers = {**PROTOCOL_2, "compression": "application/x-gzip"}
    with pytest.raises(ContentDisallowed, match="accept_content"):
        decode_task(received(headers, b"damaged", content_type="application/x-python-serialize"), JSON)


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"task": 7}, "Expected `str`, got `int` - at `$.task`"),
        ({"task": ""}, "length >= 1"),
        ({"id": None}, "got `null` - at `$.id`"),
        ({"retries": "many"}, "at `$.retries`"),
        ({"retries": -1}, "at `$.retries`"),
        ({"timelimit": [1]}, "at `$.timelimit`"),
        ({"timelimit": ["a", None]}, "at `$.timelimit"),
        ({"eta": 7}, "its eta is 7, not a date and time"),
        ({"eta": "soon"}, "its eta is 'soon'"),
        ({"expires": [1]}, r"its expires is \[1\]"),
        ({"group_index": "x"}, "at `$.group_index`"),
        ({"stamps": []}, "at `$.stamps`"),
        ({"ignore_result": "yes"}, "at `$.ignore_result`"),
    ],
)
def test_a_header_of_the_wrong_type_makes_the_call_invalid(headers: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidTaskError, match=fault.replace("$", r"\$")):
        decode_task(received({**PROTOCOL_2, **headers}, [[], {}, {}]), JSON)


@pytest.mark.parametrize(
    "body",
    [
        [],
        [[], {}],
        [[], {}, {}, {}],
        "text",
        7,
        None,
        {"neither": "nor"},
        [{}, {}, {}],
        [[], [], {}],
        [[], {}, [1]],
        [[], {}, {"callbacks": 7}],
        [[], {}, {"callbacks": [7]}],
        [[], {}, {"chain": [{"args": []}]}],
        [[], {}, {"chord": []}],
        [[], {}, {"chord": {"task": 7}}],
    ],
)
def test_a_body_of_the_wrong_form_makes_the_call_invalid(body: Any) -> None:
    with pytest.raises(InvalidTaskError, match=r"'x' \('proj.add'\)"):
        decode_task(received(PROTOCOL_2, body), JSON)


def test_keyword_arguments_need_names() -> None:
    message = received(
        PROTOCOL_2,
        msgspec.msgpack.encode([[], {1: 2}, {}]),
        content_type="application/x-msgpack",
        content_encoding="binary",
    )
    with pytest.raises((InvalidTaskError, UnreadableMessage)):
        decode_task(message, {"msgpack"})


def test_a_message_is_read_as_often_as_one_likes() -> None:
    body = {"task": "a.b", "id": "y", "args": [], "kwargs": {}, "taskset": "g"}
    for message in (received({}, body), encode_task(call(), queue="q")):
        assert decode_task(message, JSON) == decode_task(message, JSON)
