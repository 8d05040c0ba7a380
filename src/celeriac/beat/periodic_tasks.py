"""An app's periodic tasks, for pages and commands that look after them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from celeriac.app.periodic import code_entries
from celeriac.beat.by_hand import run_by_hand
from celeriac.beat.planning import first_due
from celeriac.beat.schedules_of_entries import SchedulesOfEntries
from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedules import BaseSchedule
from celeriac.schedules.sentences import ENGLISH, Words
from celeriac.timetables.base import (
    FOREVER,
    HISTORY_LENGTH,
    EntryState,
    Order,
    RunRecord,
    Timetable,
    moment_to_look,
)

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["PeriodicTask", "PeriodicTasks"]

#: Entries that are read in one go.
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodicTask:
    """One entry of the timetable as it was at one look, with its schedule as far as that can be made here."""

    state: EntryState
    schedule: BaseSchedule | None
    #: Unix time of the look, by the timetable's clock.
    now: float
    #: Why there is no schedule.
    problem: str = ""

    @property
    def name(self) -> str:
        """The name of the entry."""
        return self.state.entry.name

    @property
    def next_run(self) -> datetime | None:
        """When it runs next, in UTC; in the past if that is about to be. None: not before somebody changes it."""
        moment = self.next_moment
        return None if moment is None else datetime.fromtimestamp(moment, UTC)

    @property
    def next_moment(self) -> float | None:
        """The same as unix time."""
        state = self.state
        return moment_to_look(enabled=state.entry.enabled, next_at=state.next_at, paused_until=state.paused_until)

    @property
    def is_paused(self) -> bool:
        """Whether it rests for now."""
        return self.state.paused_until is not None and self.state.paused_until > self.now

    def describe(self, words: Words = ENGLISH) -> str:
        """Return in words when it runs; ``words`` translates, as Django's translation module does."""
        plain, schedule = self.state.entry.schedule, self.schedule
        if schedule is not None and ("says" not in plain or type(schedule).describe is not BaseSchedule.describe):
            return schedule.describe(words)
        # Of a class of the user's, which need not be known here, or has no words.
        return str(plain.get("says") or plain.get("type"))


class PeriodicTasks:
    """The entries of an app's timetable: to look at, to run now, to pause. Safe for use by many threads.

    It connects at its first use, and is to be closed, or used in a ``with``. Methods that reach the store raise
    ``OperationalError`` when that is away.
    """

    def __init__(self, app: "Celeriac", timetable: Timetable | None = None) -> None:
        """``timetable`` is the app's own unless one is given, which is then closed with this.

        Imports the app's modules of tasks, for schedules of classes of one's own are only there.
        """
        self._app = app
        self._timetable = app.timetable() if timetable is None else timetable
        self._schedules = SchedulesOfEntries()
        app.import_task_modules()
        try:
            known = code_entries(app)
        except ImproperlyConfigured:
            known = []  # the doctor says so; here it only means that own classes are not known
        self._schedules.learn({each.entry.name: each.schedule for each in known})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. Safe to call twice; the next use connects again."""
        self._timetable.close()

    def some(self, limit: int = 100, *, offset: int = 0, order: Order = "next") -> list[PeriodicTask]:
        """Return some of them: those that run first, or the first ones by ``order="name"``.

        ``offset`` is how many are left out before.
        """
        now = self._timetable.now()
        return [self._look(state, now) for state in self._timetable.entries(offset, limit, order=order)]

    def several(self, names: Sequence[str]) -> dict[str, PeriodicTask]:
        """Return those of these names, by name, in one round trip; those that are not there are left out."""
        now = self._timetable.now()
        return {name: self._look(state, now) for name, state in self._timetable.states(names).items()}

    def count(self) -> int:
        """Return how many there are."""
        return self._timetable.count()

    def __iter__(self) -> Iterator[PeriodicTask]:
        """Yield all of them, by name."""
        now, offset = self._timetable.now(), 0
        while page := self._timetable.entries(offset, _PAGE):
            for state in page:
                yield self._look(state, now)
            offset += len(page)

    def get(self, name: str) -> PeriodicTask | None:
        """Return the one of this name, or None."""
        state = self._timetable.get(name)
        return None if state is None else self._look(state, self._timetable.now())

    def history(self, name: str, limit: int = HISTORY_LENGTH) -> list[RunRecord]:
        """Return the last runs, the newest first. A run's id is that of its task: ``AsyncResult(run.id)``."""
        return self._timetable.history(name, limit)

    def run_now(self, name: str) -> str | None:
        """Publish a run beside the schedule and return its task's id; None if there is no entry of this name.

        It runs also while the entry is paused or disabled; the next run stays when it is. Raises what
        ``Task.apply_async`` raises.
        """
        return run_by_hand(self._app, self._timetable, name)

    def pause(self, name: str, until: datetime | None = None) -> bool:
        """Let an entry rest, until then or until it is resumed; what is due meanwhile is not made up for.

        Returns False if there is none of this name. Safe to repeat. Raises ``ValueError`` for a time without a zone.
        """
        if until is not None and until.tzinfo is None:
            raise ValueError(f"The end of a pause needs a time zone: {until} has none.")
        return self._timetable.pause(name, FOREVER if until is None else until.timestamp())

    def resume(self, name: str) -> bool:
        """Let an entry that is paused go on with its next run from now; safe to repeat.

        Returns False if there is none of this name. Raises ``ImproperlyConfigured`` if its schedule cannot be made
        here.
        """
        task = self.get(name)
        if task is None or not task.is_paused:
            return task is not None
        if task.schedule is None:
            raise ImproperlyConfigured(task.problem)
        return self._timetable.resume(name, first_due(task.schedule, task.now))

    def _look(self, state: EntryState, now: float) -> PeriodicTask:
        try:
            schedule = self._schedules.of(state)
        except ImproperlyConfigured as error:
            return PeriodicTask(state=state, schedule=None, now=now, problem=str(error))
        return PeriodicTask(state=state, schedule=schedule, now=now)
