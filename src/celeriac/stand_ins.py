"""What takes the place of every engine in this process: nothing, unless it runs tests.

Tests must not reach a broker that is in use. So while there are stand-ins, the apps get their engines from them,
whatever the settings say, and whoever asks for a real one by its URL is refused.
"""

from collections.abc import Callable
from typing import Protocol

from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Broker

__all__ = ["StandIns", "look_for_stand_ins", "stand_ins", "use_stand_ins"]


class StandIns(Protocol):
    """Gives engines to those who would otherwise open real ones. Safe for use by many threads."""

    def broker(self, url: str) -> Broker:
        """Return what is used in place of the broker at this URL; the same object for the same URL."""

    def backend(self, url: str | None, broker: Broker) -> ResultBackend:
        """Return what is used in place of the result backend at this URL; None: results are off."""

    def refuse(self, url: str) -> None:
        """Raise an error which says that an engine of this URL must not be opened here, and what to do."""


class _Place:
    def __init__(self) -> None:
        self.current: StandIns | None = None
        self.look: Callable[[], None] | None = None


_place = _Place()


def stand_ins() -> StandIns | None:
    """Return what takes the place of real engines; None: nothing does."""
    if _place.current is None and _place.look is not None:
        _place.look()
    return _place.current


def use_stand_ins(replacement: StandIns | None) -> StandIns | None:
    """Put stand-ins in the place of all engines made from now on (None: none); return those of before."""
    before, _place.current = _place.current, replacement
    return before


def look_for_stand_ins(look: Callable[[], None] | None) -> Callable[[], None] | None:
    """Have this called before an engine is made while there are no stand-ins: it may put some; return who was before.

    For an integration that learns late whether this process runs tests.
    """
    before, _place.look = _place.look, look
    return before
