"""How an app writes and reads results: its serializer, what it accepts, how long a result is kept."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from celeriac import clock, states
from celeriac.backends.base import StoredResult
from celeriac.exceptions import EncodeError
from celeriac.protocol.result_document import (
    ResultDocument,
    decode_document,
    encode_document,
    encode_plain_success,
)
from celeriac.protocol.serialization import Encoded, is_own_json

if TYPE_CHECKING:
    from celeriac.request import Context
    from celeriac.settings import Settings

__all__ = ["ResultFormat"]


#: States in which nothing more is to be expected of a task with a record.
_DONE = states.READY_STATES | {states.IGNORED}


class ResultFormat:
    """Turns what a task returned or raised into a ``StoredResult``, and back. Made from settings, once an app."""

    def __init__(self, conf: "Settings") -> None:
        self._serializer: str = conf.result_serializer
        self._compression: str | None = conf.result_compression
        self._accept = frozenset(conf.result_accept_content or conf.accept_content)
        self._extended: bool = bool(conf.result_extended)
        #: The document of a success is written by the short way, as far as the settings go.
        self._is_plain = not self._compression and not self._extended
        self._lifetime = _seconds(conf.result_expires)
        failure = conf.result_failure_expires
        self._failure_lifetime = self._lifetime if failure is None else _seconds(failure)

    def write(
        self, request: "Context", state: str, result: Any, *, traceback: str | None = None, execution: int = 0
    ) -> StoredResult:
        """Return the result of a request in a state, ready for the backend; raises ``EncodeError``.

        ``result`` is an exception where the state says so (RETRY, FAILURE, REVOKED).
        """
        task_id = request.id or ""
        children = request.existing_children
        record = request.call_record
        is_plain = state == states.SUCCESS and self._is_plain and record is None and not children
        if is_plain and is_own_json(self._serializer):
            stored = self._write_plain(request, result, execution)
            if stored is not None:
                return stored
        is_done = state in _DONE if record is not None else state in states.READY_STATES
        encoded = self._encode(
            ResultDocument(
                task_id=task_id,
                status=state,
                result=result,
                traceback=traceback,
                children=[child.as_tuple() for child in children] if children else [],
                date_done=datetime.fromtimestamp(clock.now(), UTC) if is_done else None,
                group_id=request.group,
                parent_id=request.parent_id,
                record=None if record is None else record.to_plain(),
                **(_extended(request) if self._extended else {}),
            )
        )
        return StoredResult(
            task_id=task_id,
            state=state,
            document=encoded.data,
            content_type=encoded.content_type,
            content_encoding=encoded.content_encoding,
            lifetime=self._lifetime_of(state, keeps=record is not None and not is_done),
            execution=execution,
            reply_to=request.reply_to,
        )

    def _write_plain(self, request: "Context", result: Any, execution: int) -> StoredResult | None:
        """Return a success of which nothing more is said; None: take the long way."""
        task_id = request.id or ""
        date_done = datetime.fromtimestamp(clock.now(), UTC)
        document = encode_plain_success(task_id, result, date_done, group_id=request.group, parent_id=request.parent_id)
        if document is None:
            return None
        return StoredResult(
            task_id=task_id,
            state=states.SUCCESS,
            document=document,
            lifetime=self._lifetime,
            execution=execution,
            reply_to=request.reply_to,
        )

    def _encode(self, document: ResultDocument) -> Encoded:
        try:
            return encode_document(document, self._serializer, compression=self._compression)
        except EncodeError:
            if document.name is None:
                raise
            # The arguments came in another form, such as pickle, than results are written in: that is no fault of
            # the task's. What they look like says enough.
            shown = msgspec.structs.replace(document, args=repr(document.args), kwargs=repr(document.kwargs))
            return encode_document(shown, self._serializer, compression=self._compression)

    def _lifetime_of(self, state: str, *, keeps: bool) -> float | None:
        if keeps:
            # A record lives at least as long as its message.
            return None
        return self._failure_lifetime if state == states.FAILURE else self._lifetime

    def read(self, stored: StoredResult) -> ResultDocument:
        """Return the document of a stored result, with an exception as its ``result`` where the state says so."""
        return decode_document(stored.document, stored.content_type, stored.content_encoding, self._accept)

    @staticmethod
    def unknown(task_id: str) -> ResultDocument:
        """Return what is said of a task that the backend knows nothing of."""
        return ResultDocument(task_id=task_id, status=states.PENDING, result=None)


def _extended(request: "Context") -> dict[str, Any]:
    info = request.delivery_info or {}
    return {
        "name": request.task,
        "args": request.args,
        "kwargs": request.kwargs,
        "worker": request.hostname,
        "retries": request.retries,
        "queue": info.get("routing_key"),
        "stamped_headers": request.stamped_headers,
        "stamps": request.stamps or {},
    }


def _seconds(value: Any) -> float | None:
    """Return a lifetime in seconds; None, which is for ever, for 0 and None."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return float(value) if value else None
