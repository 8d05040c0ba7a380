"""A clock that tests move."""

import re
import time
from datetime import UTC, datetime, timedelta

__all__ = ["VirtualClock", "seconds_of"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])")

#: Seconds; what is due at a moment is due when the clock has been set to it, whatever is lost in rounding.
_A_LITTLE = 0.001


class VirtualClock:
    """The machine's clock and what a test has added to it: it runs on, and only ever forward.

    It follows tools that set the machine's clock for a test. Called, it returns the unix time.
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return datetime.fromtimestamp(self(), UTC)

    def advance(self, duration: "str | float | timedelta") -> None:
        """Let time pass: ``"1d"``, ``"2h30m"``, ``"90s"``, a ``timedelta``, or a number of seconds.

        Raises ``ValueError`` for what is no duration, and for a negative one.
        """
        self._ahead += seconds_of(duration)

    def advance_to(self, moment: float) -> None:
        """Let time pass until a moment (unix time); does nothing if it has passed."""
        self._ahead += max(0.0, moment - self() + _A_LITTLE)


def seconds_of(duration: "str | float | timedelta") -> float:
    """Return a duration in seconds; raises ``ValueError`` for what is none, and for a negative one."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, str):
        seconds = _read(duration)
    else:
        seconds = float(duration)
    if seconds < 0:
        raise ValueError(f"Time cannot go back: {duration!r} is negative.")
    return seconds


def _read(text: str) -> float:
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(f"{text!r} is no duration: write it as '1d', '2h30m' or '90s' (w, d, h, m, s, ms).")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
