"""Result documents, beyond what the golden files show."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.exceptions import ContentDisallowed, DecodeError, EncodeError, SecurityError
from celeriac.protocol.result_document import ResultDocument, decode_document, encode_document, encode_plain_success

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def there_and_back(document: ResultDocument, serializer: str = "json", **options: Any) -> ResultDocument:
    encoded = encode_document(document, serializer, **options)
    return decode_document(encoded.data, encoded.content_type, encoded.content_encoding, {serializer})


def read(data: bytes) -> ResultDocument:
    return decode_document(data, "application/json", "utf-8", {"json"})


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_a_whole_document_comes_back(serializer: str) -> None:
    document = ResultDocument(
        task_id="a",
        status="SUCCESS",
        result={"n": [1, "x"]},
        children=[[["b", None], None]],
        date_done=NOW,
        group_id="g",
        parent_id="p",
        name="proj.add",
        args=[1],
        kwargs={"k": None},
        worker="w@h",
        retries=2,
        queue="q",
        stamped_headers=["s"],
        stamps={"s": [1]},
    )
    assert there_and_back(document, serializer) == document


RESULTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes() | st.uuids(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=8,
)


@given(
    task_id=st.text(),
    result=RESULTS,
    date_done=st.datetimes(timezones=st.just(UTC)),
    group_id=st.none() | st.text(),
    parent_id=st.none() | st.text(),
)
def test_the_short_way_writes_the_same_document(
    task_id: str, result: Any, date_done: datetime, group_id: str | None, parent_id: str | None
) -> None:
    document = ResultDocument(
        task_id=task_id,
        status="SUCCESS",
        result=result,
        children=[],
        date_done=date_done,
        group_id=group_id,
        parent_id=parent_id,
    )

    short = encode_plain_success(task_id, result, date_done, group_id=group_id, parent_id=parent_id)

    assert short == encode_document(document).data


def test_what_cannot_be_written_is_left_to_the_long_way() -> None:
    assert encode_plain_success("a", object(), datetime.now(UTC)) is None
    itself: list[Any] = []
    itself.append(itself)
    assert encode_plain_success("a", itself, datetime.now(UTC)) is None


def test_an_exception_is_written_as_one_only_where_the_state_is_one() -> None:
    assert there_and_back(ResultDocument(task_id="a", status="RETRY", result=KeyError("x"))).failed
    with pytest.raises(EncodeError, match=r"The result of the task 'a' cannot be stored\. .*KeyError"):
        encode_document(ResultDocument(task_id="a", status="SUCCESS", result=KeyError("x")))


def test_a_failure_that_is_no_exception_is_refused_with_the_cure() -> None:
    with pytest.raises(DecodeError, match="passes an exception as meta"):
        there_and_back(ResultDocument(task_id="a", status="FAILURE", result={"reason": "x"}))
    with pytest.raises(DecodeError, match="passes an exception as meta"):
        there_and_back(ResultDocument(task_id="a", status="FAILURE", result=7))
    assert there_and_back(ResultDocument(task_id="a", status="FAILURE", result=None)).result is None


def test_stamps_without_their_list_are_not_written() -> None:
    document = ResultDocument(task_id="a", status="SUCCESS", name="n", stamped_headers=["s"], stamps={"s": 1, "t": 2})
    assert there_and_back(document).stamps == {"s": 1}


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_a_compressed_document_is_read_without_being_told(compression: str) -> None:
    document = ResultDocument(task_id="a", status="SUCCESS", result="x" * 1000)
    assert len(encode_document(document, compression=compression).data) < 300
    assert there_and_back(document, compression=compression) == document


def test_content_that_is_not_accepted_is_not_read() -> None:
    encoded = encode_document(ResultDocument(task_id="a", status="SUCCESS"), "pickle")
    with pytest.raises(ContentDisallowed):
        decode_document(encoded.data, encoded.content_type, encoded.content_encoding, {"json"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"status": 7}',
        b'{"status": "SUCCESS", "task_id": 7}',
        b'{"status": "SUCCESS", "date_done": "yesterday"}',
        b'{"status": "SUCCESS", "date_done": 7}',
        b'{"status": "SUCCESS", "children": 7}',
        b'{"status": "SUCCESS", "retries": "x"}',
        b'{"status": "FAILURE", "result": "text"}',
        b"\x00celery-compressed\x00application/x-gzip\x00damaged",
        b"\x00celery-compressed\x00nothing",
    ],
)
def test_what_is_no_result_document_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read(data)


def test_a_document_that_names_a_function_as_its_exception_is_refused() -> None:
    with pytest.raises(SecurityError, match=r"os\.system"):
        read(b'{"status": "FAILURE", "result": {"exc_type": "system", "exc_module": "os", "exc_message": "ls"}}')


def test_the_few_keys_of_other_backends_suffice() -> None:
    document = read(b'{"status": "PENDING", "result": null, "extra": 1}')
    assert (document.status, document.task_id, document.date_done) == ("PENDING", "", None)
