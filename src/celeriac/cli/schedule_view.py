"""One entry of a timetable, read for people and programs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from celeriac.beat.periodic_tasks import PeriodicTask
from celeriac.cli.output import ago, count_of, duration, iso
from celeriac.timetables.base import FOREVER

__all__ = ["EntryView", "moment_text"]

#: Seconds up to which a run is said to be in time.
_IN_TIME = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView(PeriodicTask):
    """An entry, and what commands say of it."""

    @property
    def look_at(self) -> float:
        """When it runs next; infinite if never."""
        moment = self.next_moment
        return math.inf if moment is None else moment

    def condition(self, zone: tzinfo) -> str:
        """Return when it runs next, as a countdown, or why it does not."""
        state = self.state
        if not state.entry.enabled:
            return "disabled"
        if state.paused_until == FOREVER:
            return "paused"
        if self.is_paused and state.paused_until is not None:
            return f"paused until {moment_text(state.paused_until, zone)}"
        if state.next_at is None:
            return "never again" if state.runs_total else "never"
        left = state.next_at - self.now
        if left < -_IN_TIME:
            return f"due for {duration(-left)}"
        return f"in {duration(left)}" if left >= 1 else "now"

    def facts(self) -> str:
        """Return what has been, in words."""
        return ", ".join(self._facts()) or "has not run yet"

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        state, entry = self.state, self.state.entry
        moment = self.next_moment
        return {
            "name": entry.name,
            "task": entry.task,
            "args": list(entry.args),
            "kwargs": dict(entry.kwargs),
            "options": dict(entry.options),
            "schedule": dict(entry.schedule),
            "description": self.describe(),
            "enabled": entry.enabled,
            "missed_policy": entry.missed,
            "overlap_policy": entry.overlap,
            "source": entry.source,
            "next_run": _iso(moment),
            "seconds_left": None if moment is None else round(moment - self.now, 3),
            "last_run": _iso(state.last_due),
            "last_run_id": state.last_run_id,
            "last_published": _iso(state.last_published_at),
            "lateness": None if state.lateness is None else round(state.lateness, 3),
            "runs": state.runs_total,
            "missed": state.missed_total,
            "skipped": state.skipped_total,
            "paused": self.is_paused,
            "paused_until": _iso(state.paused_until) if self.is_paused else None,
        }

    def _facts(self) -> Iterator[str]:
        state = self.state
        if state.last_due is not None:
            yield f"ran {ago(state.last_due, self.now)}"
            if state.lateness is not None and state.lateness > _IN_TIME:
                yield f"{duration(state.lateness)} late"
        if state.runs_total:
            yield count_of(state.runs_total, "run")
        if state.missed_total:
            yield f"{state.missed_total:,} missed"
        if state.skipped_total:
            yield f"{state.skipped_total:,} skipped"


def moment_text(moment: float, zone: tzinfo) -> str:
    """Return a unix time on the clock of a zone."""
    return f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M:%S}"


def _iso(moment: float | None) -> str | None:
    return None if moment is None or moment == FOREVER else iso(moment)
