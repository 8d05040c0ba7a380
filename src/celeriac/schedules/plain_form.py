"""Schedules as plain values, for stores and for other processes."""

from collections.abc import Mapping
from typing import Any

from celeriac.schedules.clocked_schedule import clocked
from celeriac.schedules.crontab_schedule import crontab
from celeriac.schedules.interval_schedule import schedule
from celeriac.schedules.solar_schedule import solar
from celeriac.schedules.tick_schedule import TickSchedule

__all__ = ["schedule_from_dict"]

_CLASSES: Mapping[str, type[TickSchedule]] = {cls.plain_type: cls for cls in (clocked, crontab, schedule, solar)}


def schedule_from_dict(plain: Mapping[str, Any]) -> TickSchedule:
    """Return the schedule whose ``to_dict`` gave these values. Raises ``ValueError`` when they are none."""
    kind = plain.get("type")
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise ValueError(f"There is no schedule of type {kind!r}; there are {', '.join(sorted(_CLASSES))}.")
    try:
        return _CLASSES[kind].from_dict(dict(plain))
    except KeyError as error:
        raise ValueError(
            f"A schedule of type {kind!r} needs {error.args[0]!r}; this one has none: {plain!r}."
        ) from error
