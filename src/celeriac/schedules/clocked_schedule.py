"""One run at one instant: ``clocked``."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self

from celeriac.schedules.sentences import ENGLISH, Words, one_off_sentence
from celeriac.schedules.tick_schedule import ScheduleApp, TickSchedule, schedstate
from celeriac.schedules.zones import first_instant

__all__ = ["clocked"]


class clocked(TickSchedule):  # noqa: N801 - the name in django-celery-beat
    """Runs once, at ``clocked_time``.

    A time without a zone is one on the clock of ``tz``, and UTC where there is none. On the nights when clocks are set
    it is the first such instant, or the first one after the gap.
    """

    plain_type: ClassVar[str] = "clocked"

    def __init__(
        self,
        clocked_time: datetime,
        nowfun: Callable[[], datetime] | None = None,
        app: ScheduleApp | None = None,
        *,
        tz: str | tzinfo | None = None,
    ) -> None:
        super().__init__(nowfun, app, tz=tz)
        if clocked_time.tzinfo is None:
            clocked_time = first_instant(clocked_time, self._zone or UTC)
        #: The instant, in UTC.
        self.clocked_time = clocked_time.astimezone(UTC)

    def next_after(self, instant: datetime) -> datetime | None:
        return self.clocked_time if self.clocked_time > self._utc(instant) else None

    def latest_at(self, instant: datetime) -> datetime | None:
        return self.clocked_time if self.clocked_time <= self._utc(instant) else None

    def remaining_estimate(self, last_run_at: datetime | None) -> timedelta:
        """Return how long it still is; there is no earlier run that could count."""
        return self.clocked_time - self._utc_now()

    def is_due(self, last_run_at: datetime | None) -> schedstate:
        """Say whether its time has come; whether it has run already the scheduler knows."""
        remaining = self.remaining_estimate(last_run_at).total_seconds()
        return schedstate(False, remaining) if remaining > 0 else schedstate(True, None)

    def describe(self, words: Words = ENGLISH) -> str:
        return one_off_sentence(self.clocked_time, self.tz, words)

    def _plain_values(self) -> dict[str, Any]:
        return {"time": self.clocked_time.isoformat()}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        return cls(datetime.fromisoformat(plain["time"]), tz=plain.get("tz"))

    def _identity(self) -> tuple[Any, ...]:
        return (self.clocked_time, *super()._identity())

    def __repr__(self) -> str:
        return f"<clocked: {self.clocked_time.isoformat(' ')}>"
