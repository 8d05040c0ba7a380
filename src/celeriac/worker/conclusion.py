"""The conclusion: what a child's ``Done`` means for the broker. Pure."""

from celeriac import states
from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Outcome, Settlement
from celeriac.exceptions import TaskRevokedError, UnreadableMessage, WorkerLostError
from celeriac.protocol import envelope
from celeriac.protocol.result_document import ResultDocument, encode_document, exception_to_value
from celeriac.worker.assignment import Assignment
from celeriac.worker.frames import Done
from celeriac.worker.intake import Keep

__all__ = ["hopeless", "keep", "settlement", "verdict_error", "without_running"]

#: A look into this is a tenth of the price of ``Outcome(value)``.
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def settlement(assignment: Assignment, done: Done) -> Settlement:
    """Return the settlement of a delivery whose execution has ended."""
    outcome, reason = _OUTCOMES[done.outcome], done.reason
    if assignment.verdict is not None and assignment.verdict.dead_letter:
        outcome, reason = Outcome.REJECT, str(assignment.verdict.arguments[0])
    return Settlement(
        delivery=assignment.delivery,
        outcome=outcome,
        result=done.result,
        follow_ups=done.follow_ups,
        replacement=done.replacement,
        reason=reason,
        run=assignment.run,
    )


def without_running(assignment: Assignment, outcome: Outcome) -> Settlement:
    """Return the settlement of a delivery of which nothing has come."""
    return Settlement(delivery=assignment.delivery, outcome=outcome, run=assignment.run)


def keep(done: Done) -> Keep:
    """Return what to keep of an execution whose delivery was acked before it began."""
    follow_ups = done.follow_ups if done.replacement is None else (*done.follow_ups, done.replacement)
    return Keep(done.result, follow_ups)


def hopeless(assignment: Assignment, error: BaseException, *, lifetime: float | None) -> Settlement:
    """Return the end of a task of which no child is left to tell: a failure and a dead letter, or as it was revoked."""
    if isinstance(error, TaskRevokedError):
        return without_running(assignment, Outcome.ACK)
    document = ResultDocument(
        task_id=assignment.task_id,
        status=states.FAILURE,
        result=exception_to_value(error, "json"),
        traceback=None,
        name=assignment.task_name,
    )
    encoded = encode_document(document)
    result = StoredResult(
        task_id=assignment.task_id,
        state=states.FAILURE,
        document=encoded.data,
        content_type=encoded.content_type,
        content_encoding=encoded.content_encoding,
        lifetime=lifetime,
        execution=assignment.delivery.execution,
        reply_to=_reply_to(assignment),
    )
    return Settlement(
        delivery=assignment.delivery, outcome=Outcome.REJECT, result=result, reason=str(error), run=assignment.run
    )


def _reply_to(assignment: Assignment) -> str | None:
    try:
        return envelope.decode(assignment.delivery.envelope).reply_to
    except UnreadableMessage:
        return None


def verdict_error(assignment: Assignment) -> BaseException:
    """Return the error an assignment's verdict names."""
    verdict = assignment.verdict
    if verdict is None:
        return WorkerLostError("The worker was stopped while the task ran, which had been acked before it began.")
    return verdict.as_error()
