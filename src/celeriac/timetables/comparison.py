"""What has to be done so that the entries of a source become others."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedule_entry import ScheduleEntry

__all__ = ["Changes", "Comparison", "Definition", "Known", "compare", "refuse_foreign", "refuse_source"]


class Changes(Struct, frozen=True, kw_only=True):
    """Names of entries, by what was done with them."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    #: Names left out, as another source has them, with that source.
    taken: Mapping[str, str] = {}


class Definition(NamedTuple):
    """An entry in the forms in which it is kept and compared."""

    entry: ScheduleEntry
    data: bytes
    digest: str
    timing: str

    @classmethod
    def of(cls, entry: ScheduleEntry) -> "Definition":
        """Return them; raises ``EncodeError``."""
        return cls(entry, entry.encode(), entry.digest(), entry.timing_digest())


class Known(NamedTuple):
    """What a store knows an entry by."""

    source: str
    digest: str
    timing: str


class Comparison(NamedTuple):
    """The differences between what a source says and what is there."""

    added: list[Definition]
    #: Changed in something else than when they run: their next moment stays.
    changed: list[Definition]
    #: Changed in when they run.
    retimed: list[Definition]
    removed: list[str]
    #: Names that another source has, with that source: nothing is done about them.
    taken: dict[str, str]

    @property
    def without_moment(self) -> list[Definition]:
        """Those whose next due moment has to be found out."""
        return self.added + self.retimed

    @property
    def is_different(self) -> bool:
        """There is anything to be done."""
        return bool(self.added or self.changed or self.retimed or self.removed)

    @property
    def changes(self) -> Changes:
        """The same as names."""
        changed = self.changed + self.retimed
        return Changes(
            added=tuple(definition.entry.name for definition in self.added),
            changed=tuple(definition.entry.name for definition in changed),
            removed=tuple(self.removed),
            taken=self.taken,
        )


def compare(definitions: Mapping[str, Definition], known: Mapping[str, Known]) -> Comparison:
    """Compare a source's entries, by name, with what is there."""
    found = Comparison([], [], [], sorted(known.keys() - definitions.keys()), {})
    for name, definition in definitions.items():
        there = known.get(name)
        if there is None:
            found.added.append(definition)
        elif there.source != definition.entry.source:
            found.taken[name] = there.source
        elif there.digest != definition.digest:
            (found.changed if there.timing == definition.timing else found.retimed).append(definition)
    return found


def refuse_foreign(source: str, definitions: Sequence[Definition]) -> None:
    """Raise ``ImproperlyConfigured`` if two of the entries have one name, or one is of another source."""
    names: set[str] = set()
    for definition in definitions:
        name = definition.entry.name
        if name in names:
            raise ImproperlyConfigured(f"Two schedule entries are called {name!r}. Give one of them another name.")
        names.add(name)
        if definition.entry.source != source:
            raise ImproperlyConfigured(
                f"The schedule entry {name!r} is of the source {definition.entry.source!r}, and those of {source!r} "
                "are being put in order. Leave it out."
            )


def refuse_source(entry: ScheduleEntry, source: str) -> None:
    """Raise ``ImproperlyConfigured`` if the entry of this name that is there belongs to another source."""
    if source != entry.source:
        raise ImproperlyConfigured(
            f"There is a schedule entry {entry.name!r} already, of the source {source!r}; the one of the source "
            f"{entry.source!r} needs another name."
        )
