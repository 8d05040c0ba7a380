"""A measure: one look at a side, which gives several quantities; and a column: one quantity of all sides."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.pace import Pace
    from benchmarks.side import Side
    from benchmarks.sizes import Sizes

__all__ = ["Column", "Measure", "NotMeasured", "Whom", "percentile"]


class NotMeasured(Exception):  # noqa: N818 - no error: it cannot be told
    """A side has not what is measured, or it would take too long; the text says which."""


class Whom(Enum):
    """Which sides a measure looks at."""

    ALL = auto()
    #: Celeriac, those that its targets name, and the fastest of the others.
    STRONGEST = auto()
    #: Celeriac alone.
    OWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One quantity."""

    name: str
    unit: str
    more_is_better: bool = False
    digits: int = 0
    #: It says how good a side is, so celeriac's is set against the others'.
    is_compared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What ``look`` finds out of a side: by and by a value for each of the columns that the side can have."""

    name: str
    title: str
    columns: tuple[Column, ...]
    look: "Callable[[Side, Sizes, Pace], Iterator[dict[str, float]]]"
    #: Taken in several rounds, of which the median counts.
    repeated: bool = False
    #: For variants too.
    variants: bool = False
    whom: Whom = Whom.ALL


def percentile(ordered: list[float], share: float) -> float:
    """Return the value below which so many of the ordered values lie (0.5: the median)."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
