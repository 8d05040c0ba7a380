"""When to try again: pure arithmetic, no clock and no chance of its own.

Two things are tried again: a task that failed (``backoff_interval``) and a publish that the broker did not take
(``publish_intervals``). All times are seconds.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from celeriac.exceptions import ImproperlyConfigured

__all__ = ["DEFAULT_PUBLISH_POLICY", "backoff_interval", "get_exponential_backoff_interval", "publish_intervals"]

#: Celery's ``task_publish_retry_policy``.
DEFAULT_PUBLISH_POLICY: Mapping[str, float | None] = {
    "max_retries": 3,
    "interval_start": 0,
    "interval_max": 1,
    "interval_step": 0.2,
}


def backoff_interval(
    retries: int,
    *,
    factor: float = 1.0,
    maximum: float = 600.0,
    choose_below: Callable[[int], int] | None = None,
) -> float:
    """Return how long to wait before the retry that follows ``retries`` earlier ones.

    Celery's formula: ``factor`` times two to the power of ``retries``, never more than ``maximum``. With
    ``choose_below`` (``random.randrange``) a whole number of seconds between zero and that is chosen: full jitter, so
    that tasks that failed together do not come back together.
    """
    # Beyond 2**64 no maximum is still of use, and a float cannot hold 2**1024.
    interval = min(maximum, factor * 2 ** min(max(retries, 0), 64))
    if interval <= 0:
        return 0.0
    if choose_below is not None:
        return float(choose_below(int(interval) + 1))
    return float(interval)


def get_exponential_backoff_interval(
    factor: float,
    retries: int,
    maximum: float,
    full_jitter: bool = False,
    *,
    choose_below: Callable[[int], int] | None = None,
) -> float:
    """Celery's name and order of arguments (``celery/utils/time.py``) for ``backoff_interval``."""
    chooser = choose_below if full_jitter else None
    return backoff_interval(retries, factor=factor, maximum=maximum, choose_below=chooser)


def publish_intervals(policy: Mapping[str, Any] | None = None) -> Iterator[float]:
    """Return the pauses between the tries of one publish: after the last one, give up.

    ``policy`` is ``task_publish_retry_policy``, whose missing parts are filled from ``DEFAULT_PUBLISH_POLICY``:
    ``interval_start`` seconds at first, ``interval_step`` more each time, at most ``interval_max``, and no more than
    ``max_retries`` of them (None: for ever). Raises ``ImproperlyConfigured`` for values that are no numbers.
    """
    parts = {**DEFAULT_PUBLISH_POLICY, **(policy or {})}
    limit = parts["max_retries"]
    try:
        start, step, longest = (float(parts[f"interval_{name}"]) for name in ("start", "step", "max"))
        counter = itertools.count() if limit is None else iter(range(int(limit)))
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"The retry policy {dict(parts)!r} cannot be used: max_retries must be a whole number or None, "
            "interval_start, interval_step and interval_max must be seconds."
        ) from error
    return (max(0.0, min(start + count * step, longest)) for count in counter)
