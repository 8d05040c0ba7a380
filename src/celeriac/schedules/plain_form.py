"""Schedules as plain values, for stores and for other processes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from celeriac.schedules.bounded_schedule import bounded
from celeriac.schedules.clocked_schedule import clocked
from celeriac.schedules.crontab_schedule import crontab
from celeriac.schedules.interval_schedule import schedule
from celeriac.schedules.solar_schedule import solar
from celeriac.schedules.tick_schedule import TickSchedule

__all__ = ["schedule_from_dict"]


def schedule_from_dict(plain: Mapping[str, Any]) -> TickSchedule:
    """Return the schedule whose ``to_dict`` gave these values. Raises ``ValueError`` when they are none."""
    kind = plain.get("type")
    if not isinstance(kind, str) or kind not in _READERS:
        raise ValueError(f"There is no schedule of type {kind!r}; there are {', '.join(sorted(_READERS))}.")
    try:
        return _READERS[kind](dict(plain))
    except KeyError as error:
        raise ValueError(
            f"A schedule of type {kind!r} needs {error.args[0]!r}; this one has none: {plain!r}."
        ) from error


def _bounded(plain: dict[str, Any]) -> bounded:
    """Return the schedule and its bounds, which does not know by itself what all schedules there are."""
    return bounded(
        schedule_from_dict(plain["schedule"]),
        start=_moment(plain.get("start")),
        end=_moment(plain.get("end")),
        once=plain.get("once", False),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_READERS: Mapping[str, Callable[[dict[str, Any]], TickSchedule]] = {
    **{cls.plain_type: cls.from_dict for cls in (clocked, crontab, schedule, solar)},
    bounded.plain_type: _bounded,
}
