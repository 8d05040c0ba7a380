"""What a result store keeps of a task: its state and what came of it.

The document is Celery's task meta (``celery/backends/base.py``): the same keys in the same order, the extended ones
when the task's name is known.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Any

import msgspec
from msgspec import Struct

from celeriac import states
from celeriac.exceptions import DecodeError, EncodeError
from celeriac.protocol import compression as compressions
from celeriac.protocol import serialization, tagged_json
from celeriac.protocol.exception_value import exception_to_value, value_to_exception

__all__ = [
    "ResultDocument",
    "decode_document",
    "encode_document",
    "encode_plain_success",
    "exception_to_value",
    "value_to_exception",
]

#: Begins a compressed document; its content type and a zero byte follow. No serializer begins its output with a zero.
_COMPRESSED = b"\x00celery-compressed\x00"
#: The record's key.
_RECORD = "celeriac-record"


class ResultDocument(Struct, frozen=True, kw_only=True):
    """One task's state and result."""

    task_id: str
    #: The state.
    status: str
    #: The return value, the exception (for FAILURE, RETRY and REVOKED), or what ``update_state`` was given.
    result: Any = None
    traceback: str | None = None
    #: The results of the tasks this one has called, each as ``((id, parent), children)``.
    children: Sequence[Any] | None = None
    #: When the final state was reached.
    date_done: datetime | None = None
    group_id: str | None = None
    parent_id: str | None = None
    #: The task's name. With it the fields below are written too (``result_extended``).
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    #: The node's name.
    worker: str | None = None
    retries: int | None = None
    #: The routing key it came by.
    queue: str | None = None
    stamped_headers: Sequence[str] | None = None
    stamps: Mapping[str, Any] = {}
    #: What celeriac keeps of the call besides (``record``), under a key that Celery does not look at.
    record: Mapping[str, Any] | None = None

    @property
    def failed(self) -> bool:
        """The result is, or stands for, an exception."""
        return self.status in states.EXCEPTION_STATES


class _Plain(Struct, frozen=True, kw_only=True):
    """The document's keys with the types they must have; ``task_id`` is missing in what some backends write."""

    status: str
    task_id: str = ""
    result: Any = None
    traceback: Any = None
    children: list[Any] | None = None
    date_done: Any = None
    group_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    worker: str | None = None
    retries: int | None = None
    queue: str | None = None
    stamped_headers: list[str] | None = None
    record: dict[str, Any] | None = msgspec.field(name=_RECORD, default=None)


def encode_document(
    document: ResultDocument, serializer: str = "json", *, compression: str | None = None
) -> serialization.Encoded:
    """Return the document as bytes; raises ``EncodeError``, for one when the result cannot be written."""
    try:
        encoded = serialization.dumps(_to_plain(document, serializer), serializer)
    except EncodeError as error:
        raise EncodeError(f"The result of the task {document.task_id!r} cannot be stored. {error}") from error
    if not compression:
        return encoded
    data, content_type = compressions.compress(encoded.data, compression)
    return encoded._replace(data=_COMPRESSED + content_type.encode("ascii") + b"\x00" + data)


def encode_plain_success(
    task_id: str, result: Any, date_done: datetime, *, group_id: str | None = None, parent_id: str | None = None
) -> bytes | None:
    """Return the JSON document of a success of which nothing else is said: what ``encode_document`` gives, for less.

    None: take the long way, which says what is wrong with the result.
    """
    try:
        value = tagged_json.text(result)
    except Exception:  # noqa: BLE001 - conversions are other people's code
        return None
    group = f', "group_id": {encode_basestring_ascii(group_id)}' if group_id else ""
    parent = f', "parent_id": {encode_basestring_ascii(parent_id)}' if parent_id else ""
    return (
        f'{{"status": "SUCCESS", "result": {value}, "traceback": null, "children": [], '
        f'"date_done": "{date_done.isoformat()}"{group}{parent}, "task_id": {encode_basestring_ascii(task_id)}}}'
    ).encode("ascii")


def decode_document(data: bytes, content_type: str, content_encoding: str, accept: Collection[str]) -> ResultDocument:
    """Return the document, with an exception as its result where the state says so.

    Raises ``ContentDisallowed``, ``DecodeError``, and ``SecurityError`` (see ``value_to_exception``).
    """
    serialization.check_accepted(content_type, accept)
    if data.startswith(_COMPRESSED):
        compressed_as, _, data = data[len(_COMPRESSED) :].partition(b"\x00")
        data = compressions.decompress(data, compressed_as.decode("latin-1"))
    fields = serialization.loads(data, content_type, content_encoding, accept)
    try:
        plain = msgspec.convert(fields, _Plain)
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        raise DecodeError(f"This is no result document: {error}.") from error
    failed = plain.status in states.EXCEPTION_STATES
    stamped_headers = plain.stamped_headers
    return ResultDocument(
        task_id=plain.task_id,
        status=plain.status,
        result=value_to_exception(plain.result) if failed else plain.result,
        traceback=None if plain.traceback is None else str(plain.traceback),
        children=plain.children,
        date_done=_moment(plain.date_done),
        group_id=plain.group_id,
        parent_id=plain.parent_id,
        name=plain.name,
        args=plain.args,
        kwargs=plain.kwargs,
        worker=plain.worker,
        retries=plain.retries,
        queue=plain.queue,
        stamped_headers=stamped_headers,
        stamps={name: fields[name] for name in stamped_headers if name in fields} if stamped_headers else {},
        record=plain.record,
    )


def _to_plain(document: ResultDocument, serializer: str) -> dict[str, Any]:
    result = document.result
    if document.failed and isinstance(result, BaseException):
        result = exception_to_value(result, serializer)
    plain: dict[str, Any] = {
        "status": document.status,
        "result": result,
        "traceback": document.traceback,
        "children": document.children,
        "date_done": document.date_done and document.date_done.isoformat(),
    }
    if document.group_id:
        plain["group_id"] = document.group_id
    if document.parent_id:
        plain["parent_id"] = document.parent_id
    if document.name is not None:
        plain.update(_extended(document))
    if document.record is not None:
        plain[_RECORD] = document.record
    plain["task_id"] = document.task_id
    return plain


def _extended(document: ResultDocument) -> dict[str, Any]:
    extended: dict[str, Any] = {
        "name": document.name,
        "args": document.args,
        "kwargs": document.kwargs,
        "worker": document.worker,
        "retries": document.retries,
        "queue": document.queue,
    }
    if document.stamps:
        extended["stamped_headers"] = document.stamped_headers
        named = document.stamped_headers or ()
        extended.update({name: value for name, value in document.stamps.items() if name in named})
    return extended


def _moment(value: Any) -> datetime | None:
    if not value or isinstance(value, datetime):
        return value or None
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DecodeError(f"The result document says {value!r} for date_done, which is no date and time.") from error
