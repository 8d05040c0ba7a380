"""Priorities: Django's framework has -100 to 100, messages have 0 to 9, and in both the higher goes first.

=============  ====
priority       step
=============  ====
 75 …  100     9
 50 …   74     8
 25 …   49     7
  1 …   24     6
  0 (default)  5
 -1 …  -24     4
-25 …  -49     3
-50 …  -74     2
-75 …  -99     1
-100           0
=============  ====

So whatever is above or below the default is so in the queue too; tasks of one step run in the order in which they were
enqueued. A task that celeriac publishes without a priority is at 0.
"""

import bisect

__all__ = ["step_of"]

#: The lowest priority of each step but the first.
_LOWEST = (-99, -74, -49, -24, 0, 1, 25, 50, 75)


def step_of(priority: int) -> int:
    """Return the step of a priority."""
    return bisect.bisect_right(_LOWEST, priority)
