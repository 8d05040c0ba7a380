"""What is to be seen of an experiment: its newest run and that run's task."""

from datetime import timedelta
from typing import Any, NamedTuple, Self

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from experiments.catalogue import Experiment
from experiments.models import Event, Run
from insight.task_report import STAGES, TaskReport
from letters.correspondence import PEOPLE


class Bar(NamedTuple):
    """One of ten things that are awaited: how long it has taken, as a part of the longest there can be."""

    address: str
    seconds: float | None
    percent: int


class Card(NamedTuple):
    """An experiment, and its newest run if it has been run lately."""

    experiment: Experiment
    run: Run | None = None
    report: TaskReport | None = None

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """Read what the database and the result store know."""
        run = Run.newest(experiment.slug)
        return cls(experiment, run, TaskReport.read(run.task_id) if run and not run.error else None)

    @property
    def is_busy(self) -> bool:
        """Whether its task is still to come to an end."""
        return self.report is not None and not self.report.is_ready

    @property
    def state(self) -> str:
        """One of waiting, running, done, failed, stopped."""
        if self.report is None:
            return "failed"
        return "stopped" if self.report.stage == "done" and self.progress.get("cancelled") else self.report.stage

    @property
    def state_text(self) -> str:
        """The same in words."""
        return _("cancelled") if self.state == "stopped" else str(STAGES[self.state])

    @property
    def events(self) -> list[Event]:
        """What the task has said, in order."""
        return list(self.run.events.select_related("run")) if self.run else []

    @property
    def ended_after(self) -> timedelta | None:
        """From the press of the button to the result; None before that."""
        if self.run is None or self.report is None or self.report.done_at is None or not self.report.is_ready:
            return None
        return self.report.done_at - self.run.created_at

    @property
    def outcome(self) -> str:
        """The error, or what the task returned if that is a text, or else its state."""
        if self.report is None:
            return ""
        returned = self.report.value if isinstance(self.report.value, str) else None
        return self.report.error or returned or self.report.state

    # What the tasks have told.

    @property
    def progress(self) -> dict[str, Any]:
        """What a task has told of itself by `update_state`, or returned; empty if that is no dict."""
        value = self.report.value if self.report else None
        return value if isinstance(value, dict) else {}

    @property
    def percent(self) -> int:
        """How much of a file is imported."""
        progress = self.progress
        return 100 * progress["done"] // progress["total"] if progress.get("total") else 0

    @property
    def bars(self) -> list[Bar]:
        """The ten addresses, in the order of the list; those without an answer grow until they have one."""
        begun = [event.at for event in self.events if event.kind == Event.Kind.BEGUN]
        if not begun:
            return []
        answered = {verdict["address"]: verdict["seconds"] for verdict in self.progress.get("verdicts", ())}
        elapsed = (timezone.now() - begun[-1]).total_seconds() if self.is_busy else 0.0
        longest = max([elapsed, *answered.values()])
        return [
            Bar(address, answered.get(address), round(100 * answered.get(address, elapsed) / max(longest, 3.0)))
            for _name, address in PEOPLE
        ]

    @property
    def seconds_one_by_one(self) -> float:
        """How long the ten would have taken one after the other."""
        return sum(verdict["seconds"] for verdict in self.progress.get("verdicts", ()))

    @property
    def faulty_text(self) -> str:
        """How many rows of a file were no addresses."""
        number = self.progress.get("faulty", 0)
        return ngettext("%(number)d row is no address", "%(number)d rows are no addresses", number) % {"number": number}
