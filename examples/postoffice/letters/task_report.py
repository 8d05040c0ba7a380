"""What is known of a letter's task."""

from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from celeriac import states
from celeriac.exceptions import CeleriacError
from celeriac.result import AsyncResult

_EXPLANATIONS = {
    states.PENDING: _("No worker has begun it yet."),
    states.STARTED: _("A worker is running it."),
    states.RETRY: _("It failed and will be tried again."),
    states.SUCCESS: _("It was run to its end."),
    states.FAILURE: _("It ended with an error."),
    states.REVOKED: _("It was called off."),
}


class TaskReport(NamedTuple):
    """State, and result or traceback, as the result store has them."""

    state: str
    explanation: str
    result: str | None = None
    error: str | None = None
    traceback: str | None = None

    @classmethod
    def read(cls, task_id: str) -> "TaskReport":
        """Ask the result store; if it can't be read, `explanation` says why."""
        task_result = AsyncResult(task_id)
        try:
            state = task_result.state
            value = task_result.result
            traceback = task_result.traceback
        except CeleriacError as error:
            return cls(state="?", explanation=str(error))
        explanation = str(_EXPLANATIONS.get(state, ""))
        if state == states.SUCCESS:
            return cls(state, explanation, result=str(value))
        if isinstance(value, BaseException):
            return cls(state, explanation, error=f"{type(value).__name__}: {value}", traceback=traceback)
        return cls(state, explanation)
