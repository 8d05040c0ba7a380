"""Schedules by the sun: ``solar``, computed by the library ephem."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self

from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedules.sentences import ENGLISH, Words, solar_sentence
from celeriac.schedules.tick_schedule import ScheduleApp, TickSchedule

__all__ = ["solar"]

_DAY = timedelta(days=1)
#: Some midnight on the meridian of Greenwich.
_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What ephem is asked, and at which hour of the sun's own day to begin: one at which the event cannot be."""

    method: str
    horizon: str
    use_center: bool
    begins: timedelta


def _rising(horizon: str, *, use_center: bool = True) -> _Event:
    return _Event(method="next_rising", horizon=horizon, use_center=use_center, begins=timedelta(hours=-6))


def _setting(horizon: str, *, use_center: bool = True) -> _Event:
    return _Event(method="next_setting", horizon=horizon, use_center=use_center, begins=timedelta(hours=6))


#: Celery's events. The sun's upper edge is seen to rise when it is 34' below the horizon: air bends light.
_EVENTS = {
    "dawn_astronomical": _rising("-18"),
    "dawn_nautical": _rising("-12"),
    "dawn_civil": _rising("-6"),
    "sunrise": _rising("-0:34", use_center=False),
    "solar_noon": _Event(method="next_transit", horizon="0", use_center=False, begins=timedelta(0)),
    "sunset": _setting("-0:34", use_center=False),
    "dusk_civil": _setting("-6"),
    "dusk_nautical": _setting("-12"),
    "dusk_astronomical": _setting("-18"),
}


class solar(TickSchedule):  # noqa: N801 - Celery's name
    """Runs at an event of the sun as seen from a place on Earth, to the second; not on days that do not have it.

    ``event`` is one of ``dawn_astronomical``, ``dawn_nautical``, ``dawn_civil``, ``sunrise``, ``solar_noon``,
    ``sunset``, ``dusk_civil``, ``dusk_nautical`` and ``dusk_astronomical``; latitude and longitude are degrees, south
    and west of zero negative. Needs the library ephem (``pip install 'celeriac[solar]'``), and raises
    ``ImproperlyConfigured`` without it; ``ValueError`` for an event or a place that does not exist.
    """

    plain_type: ClassVar[str] = "solar"

    #: How far to look for an event that does not happen every day. After that there is none.
    max_search_days = 366

    def __init__(
        self,
        event: str,
        lat: float,
        lon: float,
        *,
        nowfun: Callable[[], datetime] | None = None,
        app: ScheduleApp | None = None,
        tz: str | tzinfo | None = None,
    ) -> None:
        super().__init__(nowfun, app, tz=tz)
        _ephem()
        if event not in _EVENTS:
            raise ValueError(f"The sun has no event {event!r}; it has {', '.join(_EVENTS)}.")
        if not -90 <= lat <= 90:
            raise ValueError(f"There is no latitude {lat}; they go from -90 to 90.")
        if not -180 <= lon <= 180:
            raise ValueError(f"There is no longitude {lon}; they go from -180 to 180.")
        self.event = event
        self.lat = lat
        self.lon = lon

    def next_after(self, instant: datetime) -> datetime | None:
        instant = self._utc(instant)
        return next((event for event in self._events(instant, 1) if event > instant), None)

    def latest_at(self, instant: datetime) -> datetime | None:
        instant = self._utc(instant)
        return next((event for event in self._events(instant, -1) if event <= instant), None)

    def describe(self, words: Words = ENGLISH) -> str:
        return solar_sentence(self.event, self.lat, self.lon, words)

    def _plain_values(self) -> dict[str, Any]:
        return {"event": self.event, "lat": self.lat, "lon": self.lon}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        return cls(plain["event"], plain["lat"], plain["lon"], tz=plain.get("tz"))

    def _events(self, instant: datetime, direction: int) -> Iterator[datetime]:
        """Yield the events of one day after another, from the day of the instant.

        The days begin where the event cannot be, at the same instants whoever asks: ephem comes ever closer to an
        event, and from another beginning it would end some milliseconds away.
        """
        begins = _MIDNIGHT + _EVENTS[self.event].begins - timedelta(days=self.lon / 360)
        today = (instant - begins) // _DAY
        for number in range(self.max_search_days + 1):
            try:
                event = self._event_from(begins + (today + direction * number) * _DAY)
            except OverflowError:
                return
            if event is not None:
                yield event

    def _event_from(self, begin: datetime) -> datetime | None:
        """Return the event of the day that begins there, None when that day does not have it."""
        ephem = _ephem()
        event = _EVENTS[self.event]
        observer = ephem.Observer()
        observer.lat, observer.lon, observer.elev, observer.pressure = str(self.lat), str(self.lon), 0, 0
        observer.horizon = event.horizon
        options = {"use_center": True} if event.use_center else {}
        try:
            found = getattr(observer, event.method)(
                ephem.Sun(), start=ephem.Date(begin.replace(tzinfo=None)), **options
            )
        except ephem.CircumpolarError:
            return None
        instant: datetime = found.datetime().replace(tzinfo=UTC)
        rounded = (instant + timedelta(seconds=0.5)).replace(microsecond=0)
        return rounded if rounded < begin + _DAY else None

    def _identity(self) -> tuple[Any, ...]:
        return (self.event, self.lat, self.lon, *super()._identity())

    def __repr__(self) -> str:
        return f"<solar: {self.event} at latitude {self.lat}, longitude: {self.lon}>"


def _ephem() -> Any:
    try:
        import ephem
    except ImportError as error:
        raise ImproperlyConfigured(
            "Schedules by the sun need the library ephem: pip install 'celeriac[solar]'."
        ) from error
    return ephem
