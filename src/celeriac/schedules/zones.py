"""Time zones: which instants a clock on a wall there shows a time at, and zones as texts.

A *wall* time is a ``datetime`` without a zone: what the clock shows. An *instant* has one, and is UTC where it is
returned. On the night when clocks are set forward some wall times have no instant (a gap), on the night when they are
set back some have two (a fold).
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

__all__ = [
    "TICK",
    "first_instant",
    "instants_of",
    "other_pass",
    "read_zone",
    "transition_between",
    "wall_of",
    "zone_name",
]

#: The shortest time there is between two instants.
TICK = timedelta(microseconds=1)

_FIXED = re.compile(r"UTC(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)(?::(?P<seconds>\d\d))?")


def wall_of(instant: datetime, zone: tzinfo) -> datetime:
    """Return what the clock shows at this instant; ``fold`` is 1 when it shows it for the second time."""
    return instant.astimezone(zone).replace(tzinfo=None)


def instants_of(wall: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """Return the instants at which the clock shows this, in order: one, none in a gap, two in a fold."""
    before, after = _offsets(wall, zone)
    if before == after:
        return (_instant(wall, before),)
    if before > after:
        return _instant(wall, before), _instant(wall, after)
    return ()


def first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first instant at which the clock shows this; for a time in a gap, the first one after the gap."""
    before, after = _offsets(wall, zone)
    if before >= after:
        return _instant(wall, before)
    return transition_between(_instant(wall, after), _instant(wall, before), zone)


def other_pass(instant: datetime, zone: tzinfo) -> datetime | None:
    """Return the other instant at which the clock shows the same as now; None when there is none."""
    wall = wall_of(instant, zone)
    before, after = _offsets(wall, zone)
    if before <= after:
        return None
    distance = before - after
    return instant - distance if wall.fold else instant + distance


def transition_between(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """Return the first instant after ``low`` at which the clock is set; it has to be by ``high``."""
    low = low.replace(microsecond=0)
    before = low.astimezone(zone).utcoffset()
    seconds_low, seconds_high = 0, -((low - high) // timedelta(seconds=1))
    while seconds_high - seconds_low > 1:
        middle = (seconds_low + seconds_high) // 2
        if (low + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before:
            seconds_low = middle
        else:
            seconds_high = middle
    return low + timedelta(seconds=seconds_high)


def read_zone(zone: str | tzinfo) -> tzinfo:
    """Return the zone of this name; a zone stays what it is.

    A zone of pytz, which cannot say what a wall time means, becomes Python's own of the same name. Raises
    ``ValueError`` for a name that is none.
    """
    if isinstance(zone, tzinfo):
        pytz_name = getattr(zone, "zone", None)
        if not isinstance(pytz_name, str):
            return zone
        zone = pytz_name
    if zone == "UTC":
        return UTC
    if fixed := _FIXED.fullmatch(zone):
        size = timedelta(hours=int(fixed["hours"]), minutes=int(fixed["minutes"]), seconds=int(fixed["seconds"] or 0))
        return timezone(-size if fixed["sign"] == "-" else size)
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"There is no time zone {zone!r}; write it as 'Europe/Berlin'.") from error


def zone_name(zone: tzinfo) -> str:
    """Return the name from which ``read_zone`` makes an equal zone; a ``ValueError`` says that it has none."""
    key = getattr(zone, "key", None)
    if isinstance(key, str):
        return key
    if isinstance(zone, timezone):
        return str(timezone(zone.utcoffset(None)))
    raise ValueError(
        f"The time zone {zone!r} has no name to find it by again; use one such as zoneinfo.ZoneInfo('Europe/Berlin')."
    )


def _offsets(wall: datetime, zone: tzinfo) -> tuple[timedelta, timedelta]:
    """Return the offsets to UTC before and after a change that concerns this wall time; elsewhere they are equal."""
    before = wall.replace(tzinfo=zone, fold=0).utcoffset()
    after = wall.replace(tzinfo=zone, fold=1).utcoffset()
    return before or timedelta(0), after or timedelta(0)


def _instant(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC, fold=0)
