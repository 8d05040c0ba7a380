"""When periodic tasks run: ``celery.schedules`` under our name, and ``clocked`` from django-celery-beat beside it.

Schedules are values. They read no clock unless they are asked in Celery's way (``is_due``), and a ``TickSchedule`` says
for any instant which tick comes after it (``next_after``) and which came last (``latest_at``).
"""

from celeriac.schedules.clocked_schedule import clocked
from celeriac.schedules.cron_fields import ParseException, crontab_parser
from celeriac.schedules.crontab_schedule import crontab
from celeriac.schedules.interval_schedule import maybe_schedule, schedule
from celeriac.schedules.plain_form import schedule_from_dict
from celeriac.schedules.solar_schedule import solar
from celeriac.schedules.tick_schedule import BaseSchedule, TickSchedule, schedstate

__all__ = [
    "BaseSchedule",
    "ParseException",
    "TickSchedule",
    "clocked",
    "crontab",
    "crontab_parser",
    "maybe_schedule",
    "schedstate",
    "schedule",
    "schedule_from_dict",
    "solar",
]
