"""What is known of a task."""

from datetime import datetime
from typing import Any, NamedTuple, Self

from django.utils.translation import gettext_lazy as _

from celeriac import states
from celeriac.exceptions import CeleriacError
from celeriac.result import AsyncResult

_EXPLANATIONS = {
    states.PENDING: _("No worker has begun it yet."),
    states.STARTED: _("A worker is running it."),
    "PROGRESS": _("A worker is running it."),
    states.RETRY: _("It failed and will be tried again."),
    states.SUCCESS: _("It was run to its end."),
    states.FAILURE: _("It ended with an error."),
    states.REVOKED: _("It was called off."),
}

STAGES = {
    "waiting": _("waiting for a worker"),
    "running": _("running"),
    "done": _("done"),
    "failed": _("error"),
}


class TaskReport(NamedTuple):
    """State, and result or traceback, as the result store has them."""

    state: str
    explanation: str
    #: What the task returned; before that, what it has told of itself.
    value: Any = None
    error: str | None = None
    traceback: str | None = None
    done_at: datetime | None = None

    @classmethod
    def read(cls, task_id: str) -> Self:
        """Ask the result store; if it can't be read, `explanation` says why."""
        task_result = AsyncResult(task_id)
        try:
            state = task_result.state
            value = task_result.result
            traceback = task_result.traceback
            done_at = task_result.date_done
        except CeleriacError as error:
            return cls(state="?", explanation=str(error))
        explanation = str(_EXPLANATIONS.get(state, ""))
        if isinstance(value, BaseException):
            name, text = type(value).__name__, str(value)
            text = text if text.startswith(name) else f"{name}: {text}"
            return cls(state, explanation, error=text, traceback=traceback, done_at=done_at)
        return cls(state, explanation, value=value, done_at=done_at)

    @property
    def is_ready(self) -> bool:
        """Whether nothing more will happen, or nothing can be known."""
        return self.state in states.READY_STATES or self.state == "?"

    @property
    def stage(self) -> str:
        """One of waiting, running, done, failed."""
        if self.state in {states.FAILURE, "?"}:
            return "failed"
        if self.state == states.SUCCESS:
            return "done"
        return "waiting" if self.state == states.PENDING else "running"

    @property
    def stage_text(self) -> str:
        """The same in words."""
        return str(STAGES[self.stage])

    @property
    def result(self) -> str | None:
        """What the task returned, as text; None if it has not."""
        return str(self.value) if self.state == states.SUCCESS else None
