"""The entries that ``celeriac schedule`` is about: of the timetable, or of the code."""

import difflib
from collections.abc import Iterator

from celeriac.app.periodic import code_entries
from celeriac.beat.periodic_tasks import PeriodicTask, PeriodicTasks
from celeriac.beat.planning import first_due
from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure
from celeriac.cli.output import count_of
from celeriac.cli.schedule_view import EntryView
from celeriac.cli.session import Session
from celeriac.clock import now
from celeriac.exceptions import ImproperlyConfigured
from celeriac.timetables.base import EntryState, Order, Timetable

__all__ = ["CodeEntries", "TimetableEntries"]

#: Names among which one is looked for that is like the one that was written.
_SEARCHED = 10_000


class TimetableEntries:
    """The entries of the timetable. ``now`` is the moment by its clock."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.app = session.app(tasks=session.names_app)
        self.timetable: Timetable = session.timetable()
        self.now = self.timetable.now()
        self.tasks = PeriodicTasks(self.app, self.timetable)

    def count(self) -> int:
        """Return how many there are."""
        return self.timetable.count()

    def some(self, limit: int, order: Order = "next") -> list[EntryView]:
        """Return some of them."""
        return [_view(task) for task in self.tasks.some(limit, order=order)]

    def all(self) -> Iterator[EntryView]:
        """Yield each of them."""
        return map(_view, self.tasks)

    def find(self, name: str) -> EntryView:
        """Return the one of this name; fails with names that are like it."""
        task = self.tasks.get(name)
        if task is None:
            raise self.unknown(name)
        return _view(task)

    def unknown(self, name: str) -> Failure:
        """Return what to say of a name that no entry has."""
        names = [state.entry.name for state in self.timetable.entries(0, _SEARCHED)]
        if not names:
            return Failure(f"There is no entry {name!r}. {self.why_none()}", exit_code=exit_codes.MISUSED)
        return _unknown(name, names, see=self._session.command("schedule list"))

    def why_none(self) -> str:
        """Return the sentences for a timetable without entries."""
        in_code = self._in_code()
        if not in_code:
            return (
                "The timetable has no entries yet. Write one, such as @app.task(schedule=60.0), and start a scheduler: "
                f"{self._session.command('beat')}"
            )
        return (
            f"The timetable has no entries yet. A scheduler adds the {in_code} of the code when it starts: "
            f"{self._session.command('beat')} (list, next and simulate show them before that with --code.)"
        )

    def _in_code(self) -> int:
        """Return how many entries the code has."""
        try:
            return len(code_entries(self.app))
        except ImproperlyConfigured:
            return 0  # the doctor says so


class CodeEntries:
    """The entries of the code, as a timetable would have them that sees them now for the first time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        if not session.names_app:
            session.choice()  # fails, with the cure
        self.app = session.app(tasks=True)
        self.now = now()
        self._views = [
            EntryView(
                state=EntryState(entry=entry, generation=0, next_at=first_due(when, self.now)),
                schedule=when,
                now=self.now,
            )
            for entry, when in code_entries(self.app)
        ]

    def count(self) -> int:
        """Return how many there are."""
        return len(self._views)

    def some(self, limit: int, order: Order = "next") -> list[EntryView]:
        """Return some of them."""
        views = sorted(self._views, key=lambda view: view.name)
        if order == "next":
            views.sort(key=lambda view: view.look_at)
        return views[:limit]

    def all(self) -> Iterator[EntryView]:
        """Yield each of them."""
        return iter(self.some(len(self._views), "name"))

    def find(self, name: str) -> EntryView:
        """Return the one of this name; fails with names that are like it."""
        found = next((view for view in self._views if view.name == name), None)
        if found is None:
            raise _unknown(name, [view.name for view in self._views], see=self._session.command("schedule list --code"))
        return found

    def why_none(self) -> str:
        """Return the sentences for code without entries."""
        return "The code has no entries. Write one, such as @app.task(schedule=60.0)."


def _view(task: PeriodicTask) -> EntryView:
    return EntryView(state=task.state, schedule=task.schedule, now=task.now, problem=task.problem)


def _unknown(name: str, names: list[str], *, see: str) -> Failure:
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    same = [known for known in names if name.lower() in known.lower()][:3]
    likely = list(dict.fromkeys([*same, *close]))[:3]
    if likely:
        cure = f"Did you mean {' or '.join(map(repr, likely))}?"
    else:
        cure = f"There {'is' if len(names) == 1 else 'are'} {count_of(len(names), 'other')}: {see}"
    return Failure(f"There is no entry {name!r}. {cure}", exit_code=exit_codes.MISUSED)
