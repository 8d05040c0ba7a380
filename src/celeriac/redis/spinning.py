"""Waiting awake for an answer that is about to come.

A server on the same machine or in the same rack answers a small command within some ten microseconds. Going to sleep
for them costs more than they last: the processor is put to rest and has to be woken, and as nothing runs meanwhile, the
server's has to be woken for the next command, too. Who looks again and again instead has his answer after half the
time, and client and server together have not worked longer (figures in ``docs/performance.md``). It is what locks do
that spin before they park.
"""

import os
import time
from typing import Final, Protocol

__all__ = ["AdaptiveSpin"]

#: Seconds. About what a sleep and being woken cost, so it is never much more than twice the best choice.
_MOMENT: Final = 60e-6
#: Waits that go to sleep at once after one in vain, at most: then it costs a microsecond each.
_LONGEST_PAUSE: Final = 63


class _Poller(Protocol):
    def poll(self, timeout: float, /) -> object: ...


class AdaptiveSpin:
    """Waits awake where that has paid lately. Used by one thread at a time."""

    __slots__ = ("_pause", "_to_skip")

    def __init__(self) -> None:
        # With a single processor the server cannot answer while we look.
        self._pause = self._to_skip = 0 if _processors() > 1 else -1

    def sees(self, poller: _Poller) -> bool:
        """Look for a moment whether there is something; False if it has to be waited for."""
        if self._to_skip:
            if self._to_skip > 0:
                self._to_skip -= 1
            return False
        poll, clock = poller.poll, time.perf_counter
        until = clock() + _MOMENT
        while not poll(0):
            if clock() > until:
                self._to_skip = self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)
                return False
        self._pause >>= 1
        return True


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
