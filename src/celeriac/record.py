"""The record: what is kept of a call besides its result, for tasks that ask for it (``keeps_record``).

It travels inside the result document, so wherever the result is, the record is, and one step stores both. It begins
with the publish (``Broker.publish_with_results``), and each attempt is added to it, and stored, before the task's code
runs. So it tells of an attempt also when the process that made it has been killed since.
"""

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, structs

from celeriac import clock, states
from celeriac.einfo import ExceptionInfo
from celeriac.exceptions import CeleriacError, WorkerLostError

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.request import Context

__all__ = ["Attempt", "Record", "RecordKeeper", "RecordedError", "carry_record"]

logger = logging.getLogger(__name__)

#: Errors that a record holds at most: the latest. A task may be tried for ever, and each error has a traceback.
MOST_ERRORS = 20

#: States in which the last attempt has ended, or none has begun.
_SETTLED = states.READY_STATES | {states.PENDING, states.RECEIVED, states.RETRY, states.REJECTED, states.IGNORED}


class Attempt(Struct, frozen=True):
    """One attempt at a call: the process that made it (``node/pid``), and when it began (unix time)."""

    worker: str
    began_at: float


class RecordedError(Struct, frozen=True):
    """What ended an attempt: the dotted path of the exception's class, and the traceback's text."""

    exception: str
    traceback: str


class Record(Struct, frozen=True, kw_only=True):
    """What is known of a call."""

    task: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    #: Unix time; None for a call that was published without a record.
    enqueued_at: float | None = None
    attempts: tuple[Attempt, ...] = ()
    errors: tuple[RecordedError, ...] = ()
    #: What the integration that asked for the record adds to it: plain values.
    facts: dict[str, Any] = {}

    @classmethod
    def of_request(cls, request: "Context") -> "Record":
        """Return the record of a call of which nothing else is known."""
        return cls(task=request.task or "", args=list(request.args or ()), kwargs=dict(request.kwargs or {}))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any] | None) -> "Record | None":
        """Return the record of a result document; None if there is none, or none that can be understood."""
        try:
            return None if plain is None else msgspec.convert(plain, cls)
        except msgspec.ValidationError:
            return None

    def to_plain(self) -> dict[str, Any]:
        """Return it as a result document holds it."""
        plain: dict[str, Any] = msgspec.to_builtins(self, str_keys=True, enc_hook=repr)
        return plain

    def with_attempt(self, attempt: Attempt) -> "Record":
        """Return it with one attempt more."""
        return structs.replace(self, attempts=(*self.attempts, attempt))

    def with_error(self, error: BaseException) -> "Record":
        """Return it with one error more."""
        kind = type(error)
        recorded = RecordedError(f"{kind.__module__}.{kind.__qualname__}", ExceptionInfo(error).traceback)
        return structs.replace(self, errors=(*self.errors, recorded)[-MOST_ERRORS:])


class RecordKeeper:
    """Keeps the record of one execution, in the request's ``call_record``. Used by one execution.

    When the results are away it goes on with what the message says, and reads again when the execution ends: a task
    does not fail because its record cannot be read.
    """

    def __init__(self, app: "Celeriac", request: "Context", *, ordinal: int, stores: bool) -> None:
        self._app = app
        self._request = request
        self._ordinal = ordinal
        #: False for an eager call, whose record is in memory only.
        self._stores = stores
        self._attempt: Attempt | None = None
        self._is_loaded = False

    def begin(self) -> None:
        """Add this attempt to the record, and store that the task has started. Blocks as long as the backend takes."""
        request = self._request
        self._attempt = Attempt(f"{request.hostname}/{os.getpid()}", clock.now())
        self.load()
        if not self._stores:
            return
        info = {"pid": os.getpid(), "hostname": request.hostname}
        try:
            self._app.backend.store(
                [self._app.result_format.write(request, states.STARTED, info, execution=self._ordinal)]
            )
        except CeleriacError as error:
            logger.warning("That task %s[%s] has begun could not be stored: %s", request.task, request.id, error)

    def load(self) -> None:
        """Read what is known of the call, unless that has been done."""
        if self._is_loaded:
            return
        request = self._request
        record = Record.of_request(request)
        try:
            record = self._read() or record
            self._is_loaded = True
        except CeleriacError as error:
            logger.warning("The record of task %s[%s] could not be read: %s", request.task, request.id, error)
        if self._attempt is not None:
            if request.is_eager:
                record = structs.replace(record, attempts=(self._attempt,) * request.retries)
            record = record.with_attempt(self._attempt)
        request.call_record = record

    def note(self, error: BaseException) -> None:
        """Add an error to the record."""
        self.load()
        record = self._request.call_record
        if record is not None:
            self._request.call_record = record.with_error(error)

    def _read(self) -> Record | None:
        if not self._stores:
            return None
        stored = self._app.backend.fetch_one(self._request.id or "")
        if stored is None:
            return None
        record = Record.from_plain(self._app.result_format.read(stored).record)
        if record is not None and record.attempts and self._attempt is not None and stored.state not in _SETTLED:
            # The attempt before this one has left no other trace.
            worker = record.attempts[-1].worker
            return record.with_error(WorkerLostError(f"The process {worker} was lost while it ran the task."))
        return record


def carry_record(app: "Celeriac", request: "Context", error: BaseException) -> None:
    """Give the request the stored record of its call, if there is one, with an error more; raises nothing of ours."""
    try:
        stored = app.backend.fetch_one(request.id or "")
        record = None if stored is None else Record.from_plain(app.result_format.read(stored).record)
    except CeleriacError as problem:
        logger.warning("The record of task %s[%s] could not be read: %s", request.task, request.id, problem)
        return
    if record is not None:
        request.call_record = record.with_error(error)
