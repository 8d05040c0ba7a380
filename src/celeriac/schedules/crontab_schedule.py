"""Schedules by the calendar: ``crontab``."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self

from celeriac.schedules.calendar_rule import CalendarRule
from celeriac.schedules.cron_fields import FIELDS, Cronspec, Field
from celeriac.schedules.sentences import ENGLISH, Words, calendar_sentence
from celeriac.schedules.tick_schedule import ScheduleApp, TickSchedule, schedstate
from celeriac.schedules.zones import TICK

__all__ = ["crontab"]

#: The order in an expression.
_IN_EXPRESSION = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


class crontab(TickSchedule):  # noqa: N801 - Celery's name
    """Runs at times of the calendar, on the clock of one time zone.

    Each argument is a number, an expression as in cron (``'*/15'``, ``'mon-fri'``) or several of them; None is all. A
    day has to fit all three of ``day_of_week`` (Sunday is 0), ``day_of_month`` and ``month_of_year``, in which cron
    differs. What happens on the nights when clocks are set is said in ``celeriac.schedules.calendar_rule``.

    Raises ``ValueError`` for what cannot be read, and for a day that there never is.
    """

    plain_type: ClassVar[str] = "crontab"

    minute: frozenset[int]
    hour: frozenset[int]
    day_of_week: frozenset[int]
    day_of_month: frozenset[int]
    month_of_year: frozenset[int]

    def __init__(
        self,
        minute: Cronspec | None = "*",
        hour: Cronspec | None = "*",
        day_of_week: Cronspec | None = "*",
        day_of_month: Cronspec | None = "*",
        month_of_year: Cronspec | None = "*",
        *,
        nowfun: Callable[[], datetime] | None = None,
        app: ScheduleApp | None = None,
        tz: str | tzinfo | None = None,
    ) -> None:
        super().__init__(nowfun, app, tz=tz)
        given = {
            "minute": minute,
            "hour": hour,
            "day_of_month": day_of_month,
            "month_of_year": month_of_year,
            "day_of_week": day_of_week,
        }
        texts = {}
        for name, value in given.items():
            cronspec: Cronspec = "*" if value is None else value
            if not isinstance(cronspec, int | str):
                # It may be an iterator, which gives what it has only once.
                cronspec = list(cronspec) if hasattr(cronspec, "__iter__") else cronspec
            setattr(self, name, FIELDS[name].expand(cronspec))
            texts[name] = Field.text(cronspec)
        #: The expression, as it was written: minute, hour, day of the month, month, day of the week.
        self.expression = " ".join(texts[name] for name in _IN_EXPRESSION)
        self._rule = CalendarRule(
            minutes=tuple(sorted(self.minute)),
            hours=tuple(sorted(self.hour)),
            days_of_week=tuple(sorted(self.day_of_week)),
            days_of_month=tuple(sorted(self.day_of_month)),
            months=tuple(sorted(self.month_of_year)),
        )
        if not self._rule.has_days:
            raise ValueError(
                f"The crontab {self.expression!r} never runs: no month {texts['month_of_year']} has a day "
                f"{texts['day_of_month']}."
            )

    @classmethod
    def from_string(cls, crontab: str, **options: Any) -> Self:
        """Return the crontab of five fields: minute, hour, day of the month, month, day of the week.

        Further arguments are those of the class.
        """
        fields = crontab.split()
        if len(fields) != len(_IN_EXPRESSION):
            has = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            raise ValueError(
                f"The crontab {crontab!r} has {has}; it needs five: minute, hour, day of the month, month, day of the "
                "week, as in '30 7 * * mon-fri'."
            )
        minute, hour, day_of_month, month_of_year, day_of_week = fields
        return cls(minute, hour, day_of_week, day_of_month, month_of_year, **options)

    def next_after(self, instant: datetime) -> datetime | None:
        return self._rule.tick_after(self._utc(instant), self.tz)

    def latest_at(self, instant: datetime) -> datetime | None:
        return self._rule.tick_at_or_before(self._utc(instant), self.tz)

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Say whether there was a tick since the last run, and in how many seconds the next one is.

        With ``beat_cron_starting_deadline`` a tick that is longer ago than that many seconds is no longer due.
        """
        state = super().is_due(last_run_at)
        deadline = None if self.app is None else self.app.conf.beat_cron_starting_deadline
        if not state.is_due or deadline is None:
            return state
        now = self._utc_now()
        return (
            state if any(self.ticks(now - timedelta(seconds=deadline) - TICK, now)) else schedstate(False, state.next)
        )

    def describe(self, words: Words = ENGLISH) -> str:
        return calendar_sentence(self._rule, self._own_zone(), words)

    def _plain_values(self) -> dict[str, Any]:
        return {"expression": self.expression}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        return cls.from_string(plain["expression"], tz=plain.get("tz"))

    def _identity(self) -> tuple[Any, ...]:
        return (self._rule, *super()._identity())

    def __repr__(self) -> str:
        zone = "" if self._zone is None else f" {self._zone}"
        return f"<crontab: {self.expression} (m/h/dM/MY/d){zone}>"
