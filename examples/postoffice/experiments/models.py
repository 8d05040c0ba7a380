"""A run is one press of an experiment's button; its events are what its task has said of itself."""

import os
from datetime import timedelta
from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Run(models.Model):
    """One press of a button, and the task that came of it. The task's state and result are with celeriac."""

    #: Which experiment: a slug of the catalogue.
    experiment = models.CharField(max_length=20)
    task_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    #: Why the task could not be published; empty if it was.
    error = models.TextField(blank=True)
    #: What the task is to work on. It can be large, so the message carries only the id of this row.
    document = models.TextField(blank=True)
    cancel_requested_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"run {self.pk} of {self.experiment}"

    @classmethod
    def newest(cls, experiment: str) -> Self | None:
        """The newest run of the last day: so long celeriac keeps a result."""
        recent = timezone.now() - timedelta(days=1)
        return cls.objects.filter(experiment=experiment, created_at__gt=recent).first()

    def begin(self) -> int:
        """Note that this process begins to run the task; which attempt this is, from 1."""
        self.note(Event.Kind.BEGUN)
        return self.events.filter(kind=Event.Kind.BEGUN).count()

    def note(self, kind: "Event.Kind") -> None:
        """Note that something happens in this process, now."""
        self.events.create(kind=kind, pid=os.getpid())

    async def anote(self, kind: "Event.Kind") -> None:
        """The same for coroutines."""
        await self.events.acreate(kind=kind, pid=os.getpid())

    def request_cancel(self) -> bool:
        """Ask the task to stop. False if it has been asked already."""
        return bool(Run.objects.filter(pk=self.pk, cancel_requested_at=None).update(cancel_requested_at=timezone.now()))

    def is_cancel_requested(self) -> bool:
        """Ask the database, not this object, which was read when the task began."""
        return Run.objects.filter(pk=self.pk).exclude(cancel_requested_at=None).exists()


class Event(models.Model):
    """Something that happened to a run, in a process."""

    class Kind(models.TextChoices):
        BEGUN = "begun", _("the task begins")
        SOFT_LIMIT = "soft-limit", _("soft limit: told to stop, it tidies up")
        KILLING = "killing", _("half-way, the process is killed with SIGKILL")
        CANCELLED = "cancelled", _("the task sees the flag and stops")
        DONE = "done", _("the task is done")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=10, choices=Kind)
    pid = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.kind} in process {self.pid}"

    @property
    def after(self) -> timedelta:
        """How long after the press of the button."""
        return self.at - self.run.created_at


class ImportedAddress(models.Model):
    """A row of an imported file. A task that is run again finds its rows there already, and writes none twice."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="addresses")
    name = models.CharField(max_length=100)
    email = models.EmailField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "email"), name="each_address_once_in_a_run"),)

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"
