"""Schedules by an interval: ``schedule``."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self, TypeVar, overload

from celeriac.schedules.sentences import ENGLISH, Words, interval_sentence
from celeriac.schedules.tick_schedule import BaseSchedule, ScheduleApp, TickSchedule, schedstate
from celeriac.schedules.zones import first_instant, wall_of

__all__ = ["maybe_schedule", "schedule"]

S = TypeVar("S")

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class schedule(TickSchedule):  # noqa: N801 - Celery's name
    """Runs once in every interval: ``run_every`` is seconds or a ``timedelta``.

    The ticks lie whole intervals before and after ``anchor``, so that all nodes have the same; without one it is the
    beginning of 1970, UTC. An interval is real time, whatever the clocks are set to.

    With ``relative`` they are rounded down to the interval's largest unit, on the clock of the schedule's zone: every
    two hours is on the hour, every two days at midnight. What an interval has beyond whole units then does not count.
    """

    plain_type: ClassVar[str] = "interval"

    def __init__(
        self,
        run_every: float | timedelta,
        relative: bool = False,
        nowfun: Callable[[], datetime] | None = None,
        app: ScheduleApp | None = None,
        *,
        anchor: datetime | None = None,
        tz: str | tzinfo | None = None,
    ) -> None:
        super().__init__(nowfun, app, tz=tz)
        self.run_every = run_every if isinstance(run_every, timedelta) else timedelta(seconds=run_every)
        if self.run_every <= timedelta(0):
            raise ValueError(f"An interval has to be longer than nothing; {run_every!r} is not.")
        self.relative = relative
        self.anchor = None if anchor is None else self._utc(anchor)

    @property
    def seconds(self) -> float:
        """The interval in seconds."""
        return self.run_every.total_seconds()

    @property
    def human_seconds(self) -> str:
        """The interval in its largest unit, with Celery's two decimals."""
        seconds = self.seconds
        for unit, size in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
            if seconds >= size:
                return f"{seconds / size:.2f} {unit}" + ("" if seconds / size == 1 else "s")
        return f"{seconds:.2f} second" + ("" if seconds == 1 else "s")

    def next_after(self, instant: datetime) -> datetime | None:
        instant = self._utc(instant)
        number = self._number_of(instant) - 1
        try:
            while (tick := self._tick(number)) <= instant:
                number += 1
        except OverflowError:
            return None
        return tick

    def latest_at(self, instant: datetime) -> datetime | None:
        instant = self._utc(instant)
        number = self._number_of(instant) + 1
        try:
            while (tick := self._tick(number)) > instant:
                number -= 1
        except OverflowError:
            return None
        return tick

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return how long it is until one interval has gone by since the last run; ``relative`` rounds its end down."""
        return self._end_of_interval(self._utc(last_run_at)) - self._utc_now()

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Say whether an interval has gone by since the last run, and after how many seconds to ask again."""
        remaining = self.remaining_estimate(last_run_at).total_seconds()
        if remaining > 0:
            return schedstate(False, remaining)
        following = self.remaining_estimate(self._utc_now()).total_seconds() if self.relative else self.seconds
        return schedstate(True, following if following > 0 else self.seconds)

    def describe(self, words: Words = ENGLISH) -> str:
        return interval_sentence(
            self._period, words, relative=self.relative, zone=self._own_zone() if self.relative else None
        )

    def _plain_values(self) -> dict[str, Any]:
        seconds = self.seconds
        plain: dict[str, Any] = {"every": int(seconds) if seconds.is_integer() else seconds}
        if self.relative:
            plain["relative"] = True
        if self.anchor is not None:
            plain["anchor"] = self.anchor.isoformat()
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        anchor = plain.get("anchor")
        return cls(
            plain["every"],
            plain.get("relative", False),
            anchor=None if anchor is None else datetime.fromisoformat(anchor),
            tz=plain.get("tz"),
        )

    @property
    def _unit(self) -> timedelta | None:
        """What ticks are rounded to."""
        if not self.relative:
            return None
        return next((unit for unit in (_DAY, _HOUR, _MINUTE, _SECOND) if self.run_every >= unit), None)

    @property
    def _period(self) -> timedelta:
        """What really lies between two ticks, apart from the nights when clocks are set."""
        unit = self._unit
        return self.run_every if unit is None else self.run_every // unit * unit

    def _number_of(self, instant: datetime) -> int:
        """Return the number of a tick near the instant: at most one more or less than the latest one's."""
        if self._unit == _DAY:
            return (wall_of(instant, self.tz).date() - self._anchor_wall.date()) // self._period
        return (instant - (self.anchor or _EPOCH)) // self._period

    def _tick(self, number: int) -> datetime:
        """Return the tick with this number; that of the anchor has 0."""
        unit = self._unit
        if unit == _DAY:
            midnight = self._anchor_wall.replace(hour=0, minute=0, second=0, microsecond=0)
            return first_instant(midnight + number * self._period, self.tz)
        tick = (self.anchor or _EPOCH) + number * self._period
        return tick if unit is None else self._rounded_down(tick, unit)

    @property
    def _anchor_wall(self) -> datetime:
        return wall_of(self.anchor or _EPOCH, self.tz)

    def _rounded_down(self, instant: datetime, unit: timedelta) -> datetime:
        """Return when the clock began the hour or the minute that it is in."""
        wall = wall_of(instant, self.tz)
        return instant - (wall - wall.replace(hour=0, minute=0, second=0, microsecond=0)) % unit

    def _end_of_interval(self, last_run_at: datetime) -> datetime:
        unit = self._unit
        if unit == _DAY:
            end_wall = wall_of(last_run_at, self.tz) + self.run_every
            return first_instant(end_wall.replace(hour=0, minute=0, second=0, microsecond=0), self.tz)
        end = last_run_at + self.run_every
        return end if unit is None else self._rounded_down(end, unit)

    def _identity(self) -> tuple[Any, ...]:
        return (self.run_every, self.relative, self.anchor, *super()._identity())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, timedelta):
            return self.run_every == other
        return super().__eq__(other)

    def __hash__(self) -> int:
        # Equal schedules have equal intervals, and a schedule may equal a timedelta.
        return hash(self.run_every)

    def __repr__(self) -> str:
        return f"<freq: {self.human_seconds}>"


@overload
def maybe_schedule(s: float | timedelta, relative: bool = ..., app: ScheduleApp | None = ...) -> schedule: ...
@overload
def maybe_schedule(s: S, relative: bool = ..., app: ScheduleApp | None = ...) -> S: ...
def maybe_schedule(s: Any, relative: bool = False, app: ScheduleApp | None = None) -> Any:
    """Return the schedule that is meant: a number is seconds, None stays None, and a schedule is bound to the app."""
    if s is None:
        return None
    if isinstance(s, int | float | timedelta):
        return schedule(s, relative, app=app)
    if not isinstance(s, BaseSchedule) and not hasattr(s, "is_due"):
        raise TypeError(
            f"{s!r} is no schedule: give seconds, a timedelta, or an object such as crontab(hour=3, minute=0)."
        )
    s.app = app
    return s
