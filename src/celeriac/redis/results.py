"""Results as Redis keeps them: Celery's keys and documents, and what celeriac adds.

A readable document is JSON as Celery writes it: its state is at its beginning, and celeriac adds the execution as a
last field. Of any other document (compressed, pickle, MessagePack …) state, execution and content type are beside it,
in the label; Celery writes none, so there the bytes themselves have to tell.
"""

import re
from collections.abc import Sequence
from typing import Final

from celeriac import states
from celeriac.backends.base import StoredResult
from celeriac.exceptions import CeleriacError
from celeriac.protocol.compression import decompress
from celeriac.redis.packing import Argument

__all__ = [
    "holding_key",
    "is_readable",
    "label_key",
    "read_foreign",
    "read_readable",
    "result_arguments",
    "result_key",
    "result_prefix",
]

_KEY: Final = "celery-task-meta-"
_JSON: Final = "application/json"
_BEGINNING: Final = b'{"status": "'
_FENCE: Final = b', "celeriac-execution": '
_FENCED: Final = _FENCE + b"%d}"
#: The fence's field cannot begin further from the end.
_FENCE_LENGTH: Final = len(_FENCE) + 21
_COMPRESSED: Final = b"\x00celery-compressed\x00"
#: The state in a dictionary that pickle, MessagePack or JSON in another spelling begins with.
_STATE: Final = re.compile(rb"status[^A-Za-z]{1,8}([A-Z][A-Z_]*)")
_STATE_IN_YAML: Final = re.compile(rb"^status: ([A-Z_]+)$", re.MULTILINE)


def result_prefix(key_prefix: str) -> str:
    """Return what stands before the keys of results: ``global_keyprefix``, parted from the rest as Celery does it."""
    return key_prefix if not key_prefix or key_prefix[-1] in ":_-." else f"{key_prefix}_"


def result_key(prefix: str, task_id: str) -> bytes:
    """Return the key of a task's result, which is also the channel it is published on."""
    return f"{prefix}{_KEY}{task_id}".encode()


def label_key(key: bytes) -> bytes:
    """Return the key of what stands beside a document that is not readable; in a Cluster on the same node."""
    return b"celeriac.result." + _beside(key)


def holding_key(key: bytes) -> bytes:
    """Return the key that says who holds the run with this result; in a Cluster on the same node."""
    return b"celeriac.holding." + _beside(key)


def is_readable(document: bytes) -> bool:
    """Say whether the document itself says its state where everybody finds it."""
    return document.startswith(_BEGINNING)


def result_arguments(result: StoredResult) -> tuple[Argument, ...]:
    """Return what ``store_result`` (Lua) is called with after the key."""
    document, content_type = result.document, result.content_type
    readable = content_type == _JSON and document.startswith(_BEGINNING) and document.endswith(b"}")
    if readable and result.execution:
        document = document[:-1] + _FENCED % result.execution
    return (
        document,
        result.execution,
        result.state,
        "" if result.lifetime is None else max(round(result.lifetime * 1000), 1),
        "" if readable else content_type,
        "" if readable else result.content_encoding,
    )


def read_readable(task_id: str, document: bytes) -> StoredResult:
    """Return what a readable document says."""
    state = document[len(_BEGINNING) : document.index(b'"', len(_BEGINNING))].decode()
    execution = 0
    if document.endswith(b"}") and (at := document.rfind(_FENCE, -_FENCE_LENGTH)) > 0:
        number = document[at + len(_FENCE) : -1]
        if number.isdigit():
            execution = int(number)
            document = document[:at] + b"}"
    return StoredResult(task_id=task_id, state=state, document=document, execution=execution)


def read_foreign(task_id: str, document: bytes, label: Sequence[bytes | None]) -> StoredResult:
    """Return what is known of a document that is not readable; ``label``: state, execution, content type, encoding."""
    state, execution, content_type, encoding = label
    if state is None or content_type is None or encoding is None:
        return _guess(task_id, document)
    return StoredResult(
        task_id=task_id,
        state=state.decode(),
        document=document,
        content_type=content_type.decode(),
        content_encoding=encoding.decode(),
        execution=int(execution or 0),
    )


def _beside(key: bytes) -> bytes:
    """Return what puts another key into the slot of this one."""
    return key if b"{" in key else b"{" + key + b"}"


def _guess(task_id: str, document: bytes) -> StoredResult:
    """Look into a document that celeriac has not written."""
    plain = _decompressed(document)
    if plain.startswith(b"\x80") and plain[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        content_type, encoding = "application/x-python-serialize", "binary"
    elif plain[:1] >= b"\x80":
        content_type, encoding = "application/x-msgpack", "binary"
    elif plain.startswith(b"{"):
        content_type, encoding = _JSON, "utf-8"
    else:
        content_type, encoding = "application/x-yaml", "utf-8"
    pattern = _STATE_IN_YAML if content_type.endswith("yaml") else _STATE
    found = pattern.search(plain)
    return StoredResult(
        task_id=task_id,
        state=found[1].decode() if found else states.PENDING,
        document=document,
        content_type=content_type,
        content_encoding=encoding,
    )


def _decompressed(document: bytes) -> bytes:
    if not document.startswith(_COMPRESSED):
        return document
    content_type, _, data = document[len(_COMPRESSED) :].partition(b"\0")
    try:
        return decompress(data, content_type.decode("latin-1"))
    except CeleriacError:
        return b""
