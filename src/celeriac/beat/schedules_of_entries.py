"""From entries to their schedules, which are kept as long as an entry is not changed."""

from collections.abc import Mapping

from celeriac.app.periodic import OWN
from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedules import BaseSchedule, schedule_from_dict
from celeriac.timetables.base import EntryState

__all__ = ["SchedulesOfEntries"]

#: As many are kept; then all are made anew.
_MOST = 200_000


class SchedulesOfEntries:
    """Finds the schedule of an entry."""

    def __init__(self) -> None:
        #: Those whose class is the user's, by the entry's name.
        self._own: Mapping[str, BaseSchedule] = {}
        self._made: dict[str, tuple[int, BaseSchedule]] = {}

    def learn(self, own: Mapping[str, BaseSchedule]) -> None:
        """Take the schedules of the code's entries, by name."""
        self._own = own

    def of(self, state: EntryState) -> BaseSchedule:
        """Return it; raises ``ImproperlyConfigured`` where nobody here can make it."""
        name = state.entry.name
        generation, schedule = self._made.get(name, (-1, None))
        if schedule is not None and generation == state.generation:
            return schedule
        schedule = self._make(state)
        if len(self._made) >= _MOST:
            self._made.clear()
        self._made[name] = (state.generation, schedule)
        return schedule

    def _make(self, state: EntryState) -> BaseSchedule:
        name, plain = state.entry.name, state.entry.schedule
        if plain.get("type") == OWN:
            own = self._own.get(name)
            if own is None:
                raise ImproperlyConfigured(
                    f"The schedule of {name!r} is of the class {plain.get('class')}, which this scheduler's code has "
                    "no entry with. Deploy the same code everywhere, or remove the entry."
                )
            return own
        try:
            return schedule_from_dict(plain)
        except ValueError as error:
            raise ImproperlyConfigured(f"The schedule of {name!r} cannot be read. {error}") from error
