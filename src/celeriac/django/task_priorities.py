"""Priorities: Django's framework has -100 to 100, and the higher goes first; brokers have other numbers.

The range is parted into ten steps:

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

Where a broker has ten priorities, 9 the most urgent, the step is the priority. Where it has others (Redis has four, 0
the most urgent), the default is in their middle, and the steps above and below it share what is left. So whatever is
above or below the default is so in the queue too, wherever there are three priorities or more; tasks of one priority
run in the order in which they were enqueued.
"""

import bisect
from collections.abc import Sequence

__all__ = ["priority_of", "step_of"]

#: The lowest priority of each step but the first.
_LOWEST = (-99, -74, -49, -24, 0, 1, 25, 50, 75)
_DEFAULT_STEP = 5
_STEPS_ABOVE = 4
_STEPS_BELOW = 5


def step_of(priority: int) -> int:
    """Return the step of one of the framework's priorities."""
    return bisect.bisect_right(_LOWEST, priority)


def priority_of(priority: int, priorities: Sequence[int]) -> int | None:
    """Return which of a broker's priorities (the most urgent first) one of the framework's is; None: it has none."""
    if not priorities:
        return None
    step, middle = step_of(priority), (len(priorities) - 1) // 2
    if step > _DEFAULT_STEP:
        return priorities[(_DEFAULT_STEP + _STEPS_ABOVE - step) * middle // _STEPS_ABOVE]
    if step < _DEFAULT_STEP and len(priorities) > 1:
        behind = len(priorities) - 1 - middle
        return priorities[middle + 1 + (_DEFAULT_STEP - 1 - step) * behind // _STEPS_BELOW]
    return priorities[middle]
