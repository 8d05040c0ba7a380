"""A clock on which a day lasts a minute, and schedules that go by it.

Nothing that a site of your own needs: there, ``schedule=crontab(hour=7, minute=0)`` is all.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.apps import apps

from celeriac.schedules import TickSchedule
from celeriac.schedules.sentences import ENGLISH, Words

DAY = timedelta(days=1)
#: More than a whole microsecond of real time is on the demo's clock, which is how exactly it can be read.
MARGIN = timedelta(seconds=1)


class DemoTime(NamedTuple):
    """Turns real time into the demo's and back: at the real moment ``began`` the demo's clock showed ``showed``."""

    began: datetime
    showed: datetime
    #: Real seconds in a day of the demo.
    day_seconds: int

    def demo(self, real: datetime) -> datetime:
        """What the demo's clock shows at a real moment."""
        return self.showed + (real - self.began) * DAY.total_seconds() / self.day_seconds

    def real(self, demo: datetime) -> datetime:
        """The real moment at which the demo's clock shows this."""
        return self.began + (demo - self.showed) * self.day_seconds / DAY.total_seconds()


class DemoDays(TickSchedule):
    """Any schedule by the calendar, read on the demo's clock.

    The scheduler asks it for real moments; it asks the calendar for moments of the demo, and translates. It runs in the
    worker's app process, where the site's database can be used.
    """

    def __init__(self, calendar: TickSchedule) -> None:
        super().__init__()
        self.calendar = calendar

    def next_after(self, instant: datetime) -> datetime | None:
        """The next real moment at which the calendar says so."""
        time = demo_time()
        tick = self.calendar.next_after(time.demo(instant))
        while tick is not None and time.real(tick) <= instant:
            tick = self.calendar.next_after(tick)
        return None if tick is None else time.real(tick)

    def latest_at(self, instant: datetime) -> datetime | None:
        """The latest one: a report that was missed while the demo was closed is made up for, once."""
        time = demo_time()
        tick = self.calendar.latest_at(time.demo(instant) + MARGIN)
        while tick is not None and time.real(tick) > instant:
            tick = self.calendar.latest_at(tick - timedelta(microseconds=1))
        return None if tick is None else time.real(tick)

    def describe(self, words: Words = ENGLISH) -> str:
        """What the calendar says."""
        return self.calendar.describe(words)

    def __repr__(self) -> str:
        # An entry whose words are the same keeps its next run when the scheduler starts anew.
        return f"<{self.calendar!r} on the demo's clock>"


def demo_time() -> DemoTime:
    """The time of this instance, as its database has it."""
    # Found by name: settings name schedules before there are models.
    time: DemoTime = apps.get_model("daily", "Clock").read()
    return time


def now() -> datetime:
    """What the demo's clock shows now."""
    return demo_time().demo(datetime.now(UTC))
