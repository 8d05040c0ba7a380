"""What a child says in place of an end that no frame can carry: lone surrogates in a text, a number beyond 64 bits."""

import msgspec

from celeriac import states
from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Outcome
from celeriac.exceptions import EncodeError
from celeriac.protocol.result_document import ResultDocument, encode_document, exception_to_value
from celeriac.worker.frames import Done

__all__ = ["unsendable"]


def unsendable(done: Done, error: Exception) -> Done:
    """Return the end as a failure, with a dead letter; nothing of what the task wanted to publish is left."""
    reason = f"What the task has left behind cannot be sent: {_plain(repr(error))}."
    return Done(
        done.sequence,
        _plain(done.task_name),
        done.runtime,
        Outcome.REJECT.value,
        states.FAILURE,
        result=None if done.result is None else _failure(done.result, EncodeError(reason)),
        reason=reason,
    )


def _failure(result: StoredResult, error: EncodeError) -> StoredResult:
    value = exception_to_value(error, "json")
    document = ResultDocument(task_id=result.task_id, status=states.FAILURE, result=value, traceback=None)
    encoded = encode_document(document)
    return msgspec.structs.replace(
        result,
        state=states.FAILURE,
        document=encoded.data,
        content_type=encoded.content_type,
        content_encoding=encoded.content_encoding,
    )


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
