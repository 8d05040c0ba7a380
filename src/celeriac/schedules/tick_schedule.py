"""What every schedule can do: Celery's protocol, which asks a clock, and that of schedules that compute their ticks."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple, Protocol, Self

from celeriac.schedules.sentences import ENGLISH, Words
from celeriac.schedules.zones import first_instant, read_zone, zone_name

__all__ = ["BaseSchedule", "ScheduleApp", "TickSchedule", "schedstate"]


class schedstate(NamedTuple):  # noqa: N801 - Celery's name
    """Whether a run is due, and after how many seconds to ask again; None: there is nothing more to come."""

    is_due: bool
    next: float | None


class ScheduleApp(Protocol):
    """What a schedule wants of an app."""

    @property
    def timezone(self) -> tzinfo:
        """The zone of schedules that have none of their own."""

    @property
    def conf(self) -> Any:
        """The settings."""

    def now(self) -> datetime:
        """Return the time."""


class BaseSchedule:
    """A schedule in Celery's form: it is asked, again and again, whether a run is due.

    Own classes override ``is_due``, or ``remaining_estimate`` and ``is_due``. They are asked in the app process of a
    node, where the user's code is, and have to be pickled to get there. Who can say when the next run is should rather
    derive from ``TickSchedule``: then nobody has to keep asking.

    ``nowfun`` returns the time, in place of the app's clock. ``tz`` is the schedule's zone; without it the app's holds,
    and without an app UTC.
    """

    def __init__(
        self,
        nowfun: Callable[[], datetime] | None = None,
        app: ScheduleApp | None = None,
        *,
        tz: str | tzinfo | None = None,
    ) -> None:
        self.nowfun = nowfun
        self.app = app
        self._zone = None if tz is None else read_zone(tz)

    @property
    def tz(self) -> tzinfo:
        """The zone whose clock counts."""
        return self._own_zone() or UTC

    @tz.setter
    def tz(self, zone: str | tzinfo | None) -> None:
        self._zone = None if zone is None else read_zone(zone)

    def now(self) -> datetime:
        """Return the time."""
        if self.nowfun is not None:
            return self.nowfun()
        return datetime.now(UTC) if self.app is None else self.app.now()

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return how long it is from now to the run after the last one; negative when that is overdue."""
        raise NotImplementedError(f"{type(self).__qualname__} does not say when it runs next (remaining_estimate).")

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Say whether a run is due when the last one was then, and after how many seconds to ask again."""
        raise NotImplementedError(f"{type(self).__qualname__} does not say when it is due (is_due).")

    def maybe_make_aware(self, dt: datetime, naive_as_utc: bool = True) -> datetime:
        """Return the moment with a zone; without one it is UTC, or else a time in the schedule's zone."""
        if dt.tzinfo is not None:
            return dt
        return dt.replace(tzinfo=UTC) if naive_as_utc else first_instant(dt, self.tz).astimezone(self.tz)

    def describe(self, words: Words = ENGLISH) -> str:
        """Return the schedule as a sentence for people; ``words`` translates, as Django's translation module does."""
        return repr(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the schedule as plain values, from which ``schedule_from_dict`` makes an equal one.

        ``nowfun`` and ``app`` are not part of it. Raises ``ValueError`` for a class of one's own, which is more than
        its values.
        """
        kind = vars(type(self)).get("plain_type")
        if kind is None:
            raise ValueError(f"A schedule of class {type(self).__qualname__} has no plain form; pickle it instead.")
        return {"type": kind, **self._plain_values(), **({} if self._zone is None else {"tz": zone_name(self._zone)})}

    def _own_zone(self) -> tzinfo | None:
        """Return the zone that someone has chosen, for the schedule or its app."""
        return self._zone if self._zone is not None or self.app is None else self.app.timezone

    def _plain_values(self) -> dict[str, Any]:
        """Return what the plain form says beside its type and the schedule's own zone."""
        return {}

    def _identity(self) -> tuple[Any, ...]:
        """Return what two schedules have in common when they are equal."""
        return self.nowfun, self._zone

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseSchedule):
            return NotImplemented
        return type(other) is type(self) and other._identity() == self._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __getstate__(self) -> dict[str, Any]:
        # An app stays where it is: whoever loads a schedule binds it to theirs.
        return vars(self) | {"app": None}


class TickSchedule(BaseSchedule):
    """A schedule that computes the instants at which it ticks, and asks no clock to do so.

    Every node computes the same ticks, so that a tick can be told from all others by its instant alone. A class of
    one's own writes ``next_after``, and ``latest_at`` if missed runs are to be made up for; the rest follows from them.
    """

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first tick after the instant, in UTC; None when there is none any more.

        An instant without a zone is UTC, here as in all of these methods.
        """
        raise NotImplementedError(f"{type(self).__qualname__} does not say when it ticks (next_after).")

    def latest_at(self, instant: datetime) -> datetime | None:
        """Return the last tick that is not after the instant, in UTC; None when there is none yet."""
        raise NotImplementedError(f"{type(self).__qualname__} does not say when it ticked last (latest_at).")

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the ticks after one instant up to another, which is included."""
        end = self.maybe_make_aware(until)
        tick = self.next_after(after)
        while tick is not None and tick <= end:
            yield tick
            tick = self.next_after(tick)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        tick = self.next_after(self.maybe_make_aware(last_run_at))
        return timedelta.max if tick is None else tick - self._utc_now()

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Say whether there was a tick since the last run, and in how many seconds the next one is."""
        remaining = self.remaining_estimate(last_run_at)
        is_due = remaining <= timedelta(0)
        if is_due:
            remaining = self.remaining_estimate(self._utc_now())
        return schedstate(is_due, None if remaining == timedelta.max else max(remaining.total_seconds(), 0.0))

    def _utc_now(self) -> datetime:
        return self.maybe_make_aware(self.now()).astimezone(UTC)

    def _utc(self, instant: datetime) -> datetime:
        return self.maybe_make_aware(instant).astimezone(UTC)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Return the schedule of this plain form."""
        raise ValueError(f"A schedule of class {cls.__qualname__} has no plain form; this one has: {plain!r}.")
