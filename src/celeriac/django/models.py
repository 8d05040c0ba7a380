"""Periodic tasks in the site's database."""

import itertools
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, Self, get_args

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from celeriac import clock
from celeriac.django.choice_field import ChoiceField
from celeriac.django.database_entries import database_source
from celeriac.django.row_validation import faults_of
from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedule_entry import Missed, Overlap, ScheduleEntry
from celeriac.schedules import TickSchedule
from celeriac.schedules.bounded_schedule import bounded
from celeriac.schedules.expressions import KINDS, schedule_from_expression
from celeriac.schedules.zones import read_zone

__all__ = ["ScheduledTask", "ScheduledTaskQuerySet"]

#: Seconds. A run counts that was due between the change of a row and the moment at which a scheduler sees it, because
#: the store was away. Of older rows, in a database that was restored or after a timetable was lost, it does not.
_MADE_UP_FOR = 3600.0


class ScheduledTaskQuerySet(models.QuerySet):
    """Rows of ``ScheduledTask``."""

    def update(self, **values: Any) -> int:
        """Change all of these rows; schedulers see it within seconds."""
        values.setdefault("changed_at", timezone.now())
        changed: int = super().update(**values)
        return changed

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark: not to be called by a template


class ScheduledTask(models.Model):
    """A periodic task that somebody has entered: what ``ScheduleEntry`` is, and when.

    Next and last runs, the history and pauses are in the timetable (``app.timetable()``), under ``name``. Saving and
    deleting tell it after the commit; the scheduler that leads compares every other second, so that it learns of
    everything else: ``QuerySet.update``, ``loaddata``, another process's rows while the store was away.
    """

    id = models.BigAutoField(primary_key=True)
    #: Unique among all entries of the timetable, those of the code included. Another name is another entry.
    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    #: The task's name, such as ``shop.tasks.clean_up``.
    task = models.CharField(max_length=255)
    kind = ChoiceField(max_length=16, choices=[(kind, kind) for kind in KINDS], default="crontab")
    #: See ``celeriac.schedules.expressions``.
    expression = models.CharField(max_length=600)
    #: A zone's name; blank: ``TIME_ZONE`` of the settings.
    time_zone = models.CharField(max_length=63, blank=True)
    #: No run before this moment.
    starts_at = models.DateTimeField(null=True, blank=True)
    #: No run after this moment.
    ends_at = models.DateTimeField(null=True, blank=True)
    #: Only the first run, counted from ``starts_at``, which is the moment of saving where it is empty.
    one_off = models.BooleanField(default=False)
    args = models.JSONField(default=list, blank=True)
    kwargs = models.JSONField(default=dict, blank=True)
    queue = models.CharField(max_length=255, blank=True)
    priority = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MaxValueValidator(255)])
    #: Seconds after which a run is worth nothing any more.
    expires = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    #: Further options of ``apply_async``: ``headers``, ``exchange``, ``routing_key``, ``time_limit`` …
    options = models.JSONField(default=dict, blank=True)
    missed = ChoiceField(max_length=16, choices=[(each, each) for each in get_args(Missed)], default="once")
    missed_bound = models.PositiveIntegerField(default=100, validators=[MinValueValidator(1)])
    overlap = ChoiceField(max_length=16, choices=[(each, each) for each in get_args(Overlap)], default="allow")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    #: Set by every way of saving but SQL of one's own.
    changed_at = models.DateTimeField(auto_now=True, db_index=True)

    objects = ScheduledTaskQuerySet.as_manager()

    #: The name that the row had when it was read: after a rename the timetable has an entry of the old one.
    known_name: str | None = None

    class Meta:
        """What Django calls it."""

        verbose_name = _("periodic task")
        verbose_name_plural = _("periodic tasks")
        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)

    def save(self, *args: Any, **options: Any) -> None:
        """Save the row, validated or not; what cannot be an entry is skipped by the scheduler, and said in its log."""
        fields = options.get("update_fields")
        if self.one_off and self.starts_at is None:
            self.starts_at = timezone.now()
            fields = fields and {*fields, "starts_at"}
        if fields:
            options["update_fields"] = {*fields, "changed_at"}
        super().save(*args, **options)

    save.alters_data = True  # type: ignore[attr-defined]  # as above

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any) -> Self:
        """Remember the name, as Django makes the row's object; it says more of it from release to release."""
        row: Self = super().from_db(db, field_names, values, **more)
        row.known_name = row.__dict__.get("name")
        return row

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Raise ``ValidationError``, by fields, also for what the scheduler or a worker could do nothing with."""
        errors: dict[str, list[Any]] = {}
        try:
            super().clean_fields(exclude)
        except ValidationError as error:
            errors = error.update_error_dict({})
        told = {*errors, *(exclude or ())}  # of a form: fields that it does not have, or has found wrong itself
        for fault in faults_of(self):
            if fault.field not in told:
                errors.setdefault(fault.field, []).append(fault.sentence)
        if errors:
            raise ValidationError(errors)

    @property
    def zone(self) -> tzinfo:
        """The zone on whose clock it runs; raises ``ValueError`` for a name that is none."""
        return read_zone(self.time_zone or settings.TIME_ZONE)

    def schedule(self) -> TickSchedule:
        """Return when it runs; raises ``ValueError`` or ``ImproperlyConfigured`` for what cannot be."""
        when = schedule_from_expression(self.kind, self.expression, self.zone)
        start, end = self._aware(self.starts_at), self._aware(self.ends_at)
        if self.one_off and start is None:
            start = self._aware(self.created_at) or timezone.now()
        if start is None and end is None:
            return when
        return bounded(when, start=start, end=end, once=self.one_off)

    def entry(self) -> ScheduleEntry:
        """Return the entry for the timetable; raises ``ImproperlyConfigured`` for what can be none."""
        try:
            plain = self.schedule().to_dict()
        except ValueError as error:
            raise ImproperlyConfigured(f"The periodic task {self.name!r} has no schedule. {error}") from error
        return ScheduleEntry(
            name=self.name,
            task=self.task,
            schedule=plain,
            args=self.args,
            kwargs=self.kwargs,
            options=self.call_options(),
            missed=self.missed,
            missed_bound=self.missed_bound,
            overlap=self.overlap,
            enabled=self.enabled,
            source=database_source(),
        )

    def call_options(self) -> Any:
        """Return the options of ``apply_async`` with which a run is published."""
        if not isinstance(self.options, dict):
            return self.options  # which the entry refuses
        said = {"queue": self.queue or None, "priority": self.priority, "expires": self.expires}
        return self.options | {name: value for name, value in said.items() if value is not None}

    def describe(self) -> str:
        """Return when it runs, in words of the active language; raises what ``schedule`` raises."""
        return self.schedule().describe(translation)

    def next_runs(self, count: int = 10) -> list[datetime]:
        """Return the next moments of its schedule, in its zone, as if it were enabled and nothing paused.

        Those of an entry that is saved and runs are the timetable's. Raises what ``schedule`` raises.
        """
        when = self.schedule()
        return [tick.astimezone(self.zone) for tick in itertools.islice(_ticks(when), count)]

    def counts_since(self, now: float) -> float:
        """Return from which moment on a scheduler that sees the row now counts its runs; unix times."""
        changed_at = self._aware(self.changed_at)
        return now if changed_at is None else min(now, max(changed_at.timestamp(), now - _MADE_UP_FOR))

    @staticmethod
    def _aware(moment: datetime | None) -> datetime | None:
        """Return a moment with its zone, which it does not have with ``USE_TZ = False``."""
        if moment is None or timezone.is_aware(moment):
            return moment
        aware: datetime = timezone.make_aware(moment, timezone.get_default_timezone())
        return aware


def _ticks(when: TickSchedule) -> Iterator[datetime]:
    tick = when.next_after(datetime.fromtimestamp(clock.now(), UTC))
    while tick is not None:
        yield tick
        tick = when.next_after(tick)
