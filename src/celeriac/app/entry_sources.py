"""Sources of schedule entries beside the code: an integration with a framework may have some, such as a database."""

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import BaseSchedule

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["SOURCES", "EntrySource", "FaultyEntry", "SourcedEntry", "name_of_source"]


class SourcedEntry(NamedTuple):
    """An entry of a source."""

    entry: ScheduleEntry
    schedule: BaseSchedule
    #: Since when the source says so (unix time): runs from then on count, also those before a scheduler saw the entry.
    since: float


class FaultyEntry(NamedTuple):
    """What a source has under a name, and what can be no entry. One that is in the timetable stays as it is."""

    name: str
    #: Why, and what to do.
    sentence: str


class EntrySource(Protocol):
    """Says which entries there are at present. It is asked by one thread of the scheduler that leads, and may block."""

    def applies(self, app: "Celeriac") -> bool:
        """Say whether its entries are this app's; costs nothing."""

    def fingerprint(self) -> Hashable:
        """Return a value that is another one when entries may have been changed; None: there is no such source now.

        It is asked for every other second, and has to be cheap. Raises ``OperationalError`` when it cannot be reached.
        """

    def entries(self, app: "Celeriac") -> Iterable[SourcedEntry | FaultyEntry]:
        """Return all entries; raises ``OperationalError`` when it cannot be reached."""

    def close(self) -> None:
        """Leave go of what the thread that asks has opened, at its end. Safe to call twice."""


#: The sources of integrations, by what they are in a word. The name of a source in the timetable is made of it.
SOURCES: dict[str, EntrySource] = {}


def name_of_source(noun: str, app: "Celeriac") -> str:
    """Return the name that entries of a source have in the timetable; apps that share a store have their own."""
    return f"{noun} of {app.main}" if app.main else noun
