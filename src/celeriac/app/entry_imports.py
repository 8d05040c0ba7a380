"""Imports: taking over the schedule entries that another package keeps, as an integration with a framework can."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["IMPORTS", "ImportedRow", "Outcome"]


class Outcome(enum.Enum):
    """What became of a row of the other package."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    #: There is one of this name that says something else, and nobody has asked to overwrite it.
    DIFFERENT = "different"
    #: It is here already, in another way.
    UNNEEDED = "not needed"
    #: It cannot be an entry.
    REFUSED = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow:
    """One row, and what became of it."""

    name: str
    outcome: Outcome
    #: When it runs, or why it does not and what to do.
    sentence: str


#: By the package: what takes its rows over. Called with the alias of a database (empty: the usual one), whether rows
#: that differ are overwritten, and whether to change nothing at all.
IMPORTS: dict[str, Callable[[str, bool, bool], Iterator[ImportedRow]]] = {}
