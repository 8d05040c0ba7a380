"""The demo's clock, and the reports that are written by it."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models
from django.db.models import Max
from django.utils import timezone
from django.utils.crypto import get_random_string

from daily.demo_time import DemoTime
from insight.models import PublishedMessage
from letters.models import Letter


class Clock(models.Model):
    """How the demo's time relates to real time: one row, so that all processes, and the next start, see one clock."""

    began = models.DateTimeField()
    showed = models.DateTimeField()
    day_seconds = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"a day in {self.day_seconds} s since {self.began}"

    @classmethod
    def read(cls) -> DemoTime:
        """Return it. The first time it begins to run: at midnight, in the demo."""
        now = timezone.now()
        clock, _created = cls.objects.get_or_create(
            pk=1,
            defaults={
                "began": now,
                "showed": now.replace(hour=0, minute=0, second=0, microsecond=0),
                "day_seconds": settings.DAY_SECONDS,
            },
        )
        return DemoTime(clock.began, clock.showed, clock.day_seconds)

    @classmethod
    def set_pace(cls) -> None:
        """Let a day last as long as the settings say, from now on; the clock does not jump. Safe to repeat."""
        time, now = cls.read(), timezone.now()
        if time.day_seconds != settings.DAY_SECONDS:
            cls.objects.filter(pk=1).update(began=now, showed=time.demo(now), day_seconds=settings.DAY_SECONDS)


class Report(models.Model):
    """What has happened since the report before."""

    #: The task that has written it. A task that is run again, because its worker was killed, writes no second one.
    task_id = models.CharField(max_length=64, unique=True)
    #: Real moments; what was before belongs to the report before.
    since = models.DateTimeField()
    until = models.DateTimeField()
    letters_sent = models.PositiveIntegerField()
    letters_failed = models.PositiveIntegerField()
    tasks = models.PositiveIntegerField()
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-until",)

    def __str__(self) -> str:
        return f"report {self.pk} until {self.until}"

    @classmethod
    def write(cls, task_id: str) -> Self:
        """Count and write down, unless this task has done so."""
        since = cls.objects.aggregate(latest=Max("until"))["latest"] or demo_began()
        until = timezone.now()
        letters = Letter.objects.filter(finished_at__gt=since, finished_at__lte=until)
        report, _created = cls.objects.get_or_create(
            task_id=task_id,
            defaults={
                "since": since,
                "until": until,
                "letters_sent": letters.filter(state=Letter.State.SENT).count(),
                "letters_failed": letters.filter(state__in=[Letter.State.FAILED, Letter.State.CUT_OFF]).count(),
                "tasks": PublishedMessage.objects.filter(
                    retries=0, published_at__gt=since, published_at__lte=until
                ).count(),
            },
        )
        return report

    @property
    def day(self) -> datetime:
        """When it was written, by the demo's clock."""
        return Clock.read().demo(self.until)


def demo_began() -> datetime:
    """The real moment from which the first report counts."""
    return Clock.read().began


class ExpiredSessions:
    """Sessions that nobody can use any more, as they pile up in a site with visitors."""

    @staticmethod
    def count() -> int:
        """How many there are."""
        return Session.objects.filter(expire_date__lt=timezone.now()).count()

    @staticmethod
    def make(number: int) -> None:
        """Make so many."""
        yesterday = timezone.now() - timedelta(days=1)
        Session.objects.bulk_create(
            Session(session_key=get_random_string(32), session_data="", expire_date=yesterday) for _ in range(number)
        )
