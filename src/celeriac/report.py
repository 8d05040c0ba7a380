"""How an execution ended, and how a message ends that cannot be executed."""

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from celeriac import signals, states
from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Outcome
from celeriac.exceptions import EncodeError, NotRegistered
from celeriac.protocol.identity import identity_of
from celeriac.protocol.message import Message
from celeriac.record import carry_record
from celeriac.request import Context

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["Report", "refuse"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How an execution ended, and all that is to be done about it."""

    task_id: str
    task_name: str
    #: SUCCESS, FAILURE, RETRY, REVOKED, IGNORED, REJECTED; PENDING for one that is not due.
    state: str
    outcome: Outcome
    #: To be stored; None: nothing.
    result: StoredResult | None = None
    #: To be published before the message is gone.
    follow_ups: tuple[Message, ...] = ()
    #: For ``Outcome.REPLACE``.
    replacement: Message | None = None
    #: For ``Outcome.REJECT``: one sentence, kept with the dead letter.
    reason: str = ""
    #: Seconds the task's own code took.
    runtime: float = 0.0
    #: What the task returned.
    retval: Any = None
    #: What it raised; for RETRY the ``Retry``.
    exception: BaseException | None = None
    #: The text of the traceback.
    traceback: str | None = None
    #: The exception is one of the task's ``throws``: no reason to worry.
    expected: bool = False


def refuse(app: "Celeriac", message: Message, error: BaseException, *, ordinal: int = 0, hostname: str = "") -> Report:
    """Report that a message cannot be executed: a dead letter, and a FAILURE result where the task's id is known."""
    name, task_id = identity_of(message)
    request = Context(id=task_id, task=name, args=(), kwargs={}, hostname=hostname, called_directly=False)
    result = None
    is_call = bool(name) or isinstance(message.headers.get("id"), str)
    if is_call and task_id and not message.headers.get("ignore_result") and app.backend.stores_results:
        carry_record(app, request, error)
        with contextlib.suppress(EncodeError):
            result = app.result_format.write(request, states.FAILURE, error, execution=ordinal)
    if isinstance(error, NotRegistered):
        signals.task_unknown.send(sender=hostname, message=message, exc=error, name=name, id=task_id)
    else:
        signals.task_rejected.send(sender=hostname, message=message, exc=error)
    return Report(
        task_id=task_id,
        task_name=name,
        state=states.FAILURE,
        outcome=Outcome.REJECT,
        result=result,
        reason=str(error),
        exception=error,
    )
