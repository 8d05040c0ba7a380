"""A schedule within bounds: ``bounded``."""

from datetime import datetime, tzinfo
from typing import Any, ClassVar

from celeriac.schedules.sentences import ENGLISH, Words, bounded_sentence, one_off_sentence
from celeriac.schedules.tick_schedule import TickSchedule
from celeriac.schedules.zones import TICK

__all__ = ["bounded"]


class bounded(TickSchedule):  # noqa: N801 - called as the schedules beside it
    """Ticks when another schedule does, not before ``start`` and not after ``end``; with ``once`` the first time only.

    Both bounds are included, and are UTC without a zone. ``once`` needs a start: all nodes have to agree which tick is
    the first one, whenever they ask. Raises ``ValueError`` for bounds that leave no time, or none of what they need.
    """

    plain_type: ClassVar[str] = "bounded"

    def __init__(
        self,
        schedule: TickSchedule,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        once: bool = False,
    ) -> None:
        super().__init__()
        #: The schedule within the bounds.
        self.schedule = schedule
        self.start = None if start is None else self._utc(start)
        self.end = None if end is None else self._utc(end)
        self.once = once
        if once and self.start is None:
            raise ValueError("A schedule that ticks once needs a start: the first tick after it is meant.")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(
                f"A schedule cannot end ({self.end:%Y-%m-%d %H:%M} UTC) before it starts ({self.start:%Y-%m-%d %H:%M} "
                "UTC): choose a later end."
            )
        #: With ``once``: the only tick.
        self._only = self._following(self.start - TICK) if once and self.start is not None else None

    def next_after(self, instant: datetime) -> datetime | None:
        instant = self._utc(instant)
        if self.once:
            return self._only if self._only is not None and self._only > instant else None
        return self._following(instant if self.start is None else max(instant, self.start - TICK))

    def latest_at(self, instant: datetime) -> datetime | None:
        instant = self._utc(instant)
        if self.once:
            return self._only if self._only is not None and self._only <= instant else None
        tick = self.schedule.latest_at(instant if self.end is None else min(instant, self.end))
        return None if tick is None or (self.start is not None and tick < self.start) else tick

    def describe(self, words: Words = ENGLISH) -> str:
        if self.once and self._only is not None:
            return one_off_sentence(self._only, self.tz, words)
        return bounded_sentence(self.schedule.describe(words), (self.start, self.end), self.tz, words)

    def _own_zone(self) -> tzinfo | None:
        return self.schedule._own_zone()  # noqa: SLF001 - one of its kind

    def _plain_values(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"schedule": self.schedule.to_dict()}
        if self.start is not None:
            plain["start"] = self.start.isoformat()
        if self.end is not None:
            plain["end"] = self.end.isoformat()
        if self.once:
            plain["once"] = True
        return plain

    def _following(self, instant: datetime) -> datetime | None:
        tick = self.schedule.next_after(instant)
        return None if tick is None or (self.end is not None and tick > self.end) else tick

    def _identity(self) -> tuple[Any, ...]:
        return (self.schedule, self.start, self.end, self.once, *super()._identity())

    def __repr__(self) -> str:
        return f"<bounded: {self.schedule!r} from {self.start} to {self.end}{' once' if self.once else ''}>"
