"""Results as messages: Celery's task meta as the body, the task's id as ``correlation_id``."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from celeriac import states
from celeriac.amqp.content import Arrival, Outgoing
from celeriac.backends.base import StoredResult
from celeriac.protocol.amqp_properties import Properties

__all__ = ["outgoing_result", "read_result"]

#: Headers that Celery does not look at. Without them the state is read from the document.
_STATE = "celeriac-state"
_EXECUTION = "celeriac-execution"

#: The state in a document that is not JSON.
_STATUS = re.compile(rb"status[^A-Za-z]{1,8}([A-Z][A-Z_]*)")


class _Document(Struct):
    status: Any = None
    task_id: Any = None


_decoder = msgspec.json.Decoder(_Document)


def outgoing_result(result: StoredResult, *, is_persistent: bool) -> Outgoing:
    """Return a result on its way to ``reply_to``; dropped if that queue is gone, for then nobody waits for it."""
    assert result.reply_to is not None
    return Outgoing(
        exchange="",
        routing_key=result.reply_to,
        properties=Properties(
            content_type=result.content_type,
            content_encoding=result.content_encoding,
            headers={_STATE: result.state, _EXECUTION: result.execution},
            delivery_mode=2 if is_persistent else 1,
            priority=0,
            correlation_id=result.task_id,
        ),
        body=result.document,
        mandatory=False,
    )


def read_result(arrival: Arrival) -> StoredResult | None:
    """Return the result in a message; None if it is none."""
    properties = arrival.properties
    state, execution = properties.headers.get(_STATE), properties.headers.get(_EXECUTION)
    task_id = properties.correlation_id
    if not task_id or not isinstance(state, str):
        said_id, said_state = _read_document(arrival.body)
        task_id = task_id or said_id
        state = state if isinstance(state, str) else said_state
    if not task_id or not state:
        return None
    return StoredResult(
        task_id=task_id,
        state=state,
        document=arrival.body,
        content_type=properties.content_type or "application/json",
        content_encoding=properties.content_encoding or "utf-8",
        execution=execution if isinstance(execution, int) else 0,
    )


def _read_document(body: bytes) -> tuple[str, str]:
    try:
        document = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _STATUS.search(body)
        return "", found[1].decode() if found else states.PENDING
    return (
        document.task_id if isinstance(document.task_id, str) else "",
        document.status if isinstance(document.status, str) else "",
    )
