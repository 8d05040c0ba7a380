"""What is to be seen of a periodic task: when it runs, and its last runs."""

from datetime import UTC, datetime
from typing import NamedTuple, Self

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from celeriac.beat.periodic_tasks import PeriodicTask, PeriodicTasks
from celeriac.timetables.base import RunReason, RunRecord
from daily.demo_time import DemoDays, DemoTime, demo_time
from insight.task_report import TaskReport

#: How many runs of an entry the page shows.
RUNS_SHOWN = 4
#: Seconds that celeriac keeps a result: nothing is known of a run that is older.
RESULT_LIFETIME = 24 * 3600.0
#: Seconds before a run in which the page looks more often.
SOON = 1.5

#: celeriac's phrases for the schedules of this site, which Django's translation module is asked for.
PHRASES = (_("every day"), _("{days} at {times}"))

REASONS = {
    RunReason.SCHEDULED: _("by schedule"),
    RunReason.MISSED: _("made up for"),
    RunReason.BY_HAND: _("by hand"),
}


class Entry(NamedTuple):
    """An entry of the timetable, and what the page says of it."""

    name: str
    title: Promise
    text: Promise


#: By their places on the page.
ENTRIES = {
    "report": Entry(
        "daily report",
        _("The daily report"),
        _("Counts what has happened since the report before, writes it down, and mails it to the admins."),
    ),
    "sessions": Entry(
        "celeriac.django.tasks.clearsessions",
        _("Expired sessions"),
        _("Django leaves them in the database until somebody tidies up. One line in the settings does it every day."),
    ),
    "results": Entry(
        "celeriac.prune",
        _("Results and dead letters"),
        _("Drops results that have expired, and dead letters of more than 30 days."),
    ),
    "attachments": Entry(
        "celeriac.django.tasks.prune",
        _("Attachments"),
        _("Drops attachments of mails that were never sent."),
    ),
}


class Run(NamedTuple):
    """One run of the past."""

    record: RunRecord
    #: By the clock of its schedule.
    due: datetime
    report: TaskReport

    @property
    def reason(self) -> Promise:
        """Why it was published."""
        return REASONS[self.record.reason]

    @property
    def is_published(self) -> bool:
        return self.record.published_at is not None


class Card(NamedTuple):
    """An entry, its next run and its last ones."""

    slug: str
    entry: Entry
    task: PeriodicTask
    #: The clock of its schedule; None: the real one.
    time: DemoTime | None
    runs: list[Run]

    @classmethod
    def of(cls, slug: str, periodic: PeriodicTasks) -> Self | None:
        """Read what timetable and result store know; None if no scheduler has been there yet."""
        entry = ENTRIES[slug]
        task = periodic.get(entry.name)
        if task is None:
            return None
        time = demo_time() if isinstance(task.schedule, DemoDays) else None
        known = [
            record for record in periodic.history(entry.name, RUNS_SHOWN) if record.due > task.now - RESULT_LIFETIME
        ]
        runs = [Run(record, shown(record.due, time), TaskReport.read(record.id)) for record in known]
        return cls(slug, entry, task, time, runs)

    @property
    def sentence(self) -> str:
        """When it runs, in words."""
        return self.task.describe(translation)

    @property
    def next_run(self) -> datetime | None:
        """By the clock of its schedule; None while it is paused."""
        moment = self.task.next_moment
        return None if moment is None else shown(moment, self.time)

    @property
    def seconds_left(self) -> float | None:
        """Until the next run."""
        moment = self.task.next_moment
        return None if moment is None else max(0.0, moment - self.task.now)

    @property
    def due_ms(self) -> int | None:
        """The real moment of the next run, as scripts count."""
        moment = self.task.next_run
        return None if moment is None else milliseconds(moment)

    @property
    def day_percent(self) -> float | None:
        """Where the next run is on the day."""
        moment = self.next_run
        return None if moment is None else part_of_day(moment)

    @property
    def is_busy(self) -> bool:
        """Whether something is about to happen."""
        left = self.seconds_left
        return (left is not None and left < SOON) or any(not run.report.is_ready for run in self.runs)


def cards_of(periodic: PeriodicTasks) -> list[Card]:
    """Return the cards of the page."""
    return [card for slug in ENTRIES if (card := Card.of(slug, periodic)) is not None]


def shown(moment: float, time: DemoTime | None) -> datetime:
    real = datetime.fromtimestamp(moment, UTC)
    return real if time is None else time.demo(real)


def part_of_day(moment: datetime) -> float:
    """How much of the day is over, in percent."""
    return (moment.hour * 60 + moment.minute) / 14.4


def milliseconds(moment: datetime) -> int:
    """Since 1970, as scripts count."""
    return round(moment.timestamp() * 1000)
