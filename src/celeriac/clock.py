"""The time by which it is decided what is due and what has expired: the machine's, unless tests put another in place.

There is one for the process, because who publishes, who runs and the memory engine have to agree on it. Engines that
other processes share go by the time of their server, and leases by a clock that nobody sets.
"""

import time
from collections.abc import Callable

__all__ = ["now", "use_clock"]


class _Clock:
    def __init__(self) -> None:
        self.read: Callable[[], float] | None = None


_clock = _Clock()


def now() -> float:
    """Return the moment, in unix time."""
    return time.time() if _clock.read is None else _clock.read()


def use_clock(read: Callable[[], float] | None) -> Callable[[], float] | None:
    """Have ``now`` ask this function from now on (None: the machine); return whom it asked before."""
    before, _clock.read = _clock.read, read
    return before
