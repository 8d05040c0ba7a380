"""Who publishes periodic tasks, read for people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celeriac.beat.planning import GRACE
from celeriac.cli.output import count_of, duration, iso
from celeriac.cli.session import Session
from celeriac.timetables.base import Timetable
from celeriac.timetables.choice import own_file

__all__ = ["SchedulerView", "look_at_scheduler", "view_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerView:
    """The scheduler that leads, and how it keeps up."""

    #: Its name; None: there is none.
    leader: str | None
    entries: int
    #: Seconds for which what is due longest has waited; 0: nothing is due.
    overdue: float
    #: Unix time of the next run; None: nothing is planned, or something is due already.
    next_run: float | None
    #: Unix time of the look, by the timetable's clock.
    seen_at: float

    @property
    def is_behind(self) -> bool:
        """It has had more time than another scheduler needs to step in."""
        return self.overdue > GRACE

    def describe(self) -> str:
        """Return it as a sentence."""
        entries = count_of(self.entries, "periodic task")
        if self.leader is None:
            return f"{entries}, and no scheduler runs that publishes them{self._waited}."
        if self.is_behind:
            return f"{entries}, published by {self.leader}, which is behind{self._waited}."
        following = "" if self.next_run is None else f"; the next in {duration(max(0, self.next_run - self.seen_at))}"
        return f"{entries}, published by {self.leader}{following}."

    @property
    def _waited(self) -> str:
        return f": one has been due for {duration(self.overdue)}" if self.overdue >= 1 else ""

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "leader": self.leader,
            "entries": self.entries,
            "overdue": round(self.overdue, 3),
            "next_run": None if self.next_run is None else iso(self.next_run),
        }


def look_at_scheduler(session: Session) -> SchedulerView | None:
    """Return what there is; None where the timetable has no entries. Makes no file for a timetable."""
    app = session.app()
    file = own_file(app.broker, app.backend, file=Path(app.conf.beat_schedule_filename))
    if not app.broker.capabilities.shared or (file is not None and not file.exists()):
        return None
    view = view_of(session.timetable())
    return view if view.entries else None


def view_of(timetable: Timetable) -> SchedulerView:
    """Return who leads on a timetable, and how it keeps up."""
    leader, due = timetable.leader(), timetable.due(1)
    waiting = [state.next_at for state in due.states if state.next_at is not None]
    return SchedulerView(
        leader=leader.name if leader is not None and leader.leads_at(due.now) else None,
        entries=timetable.count(),
        overdue=max(0.0, due.now - min(waiting, default=due.now)),
        next_run=None if waiting else due.next_moment,
        seen_at=due.now,
    )
