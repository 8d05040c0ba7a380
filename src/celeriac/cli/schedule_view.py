"""One entry of a timetable, read for people and programs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from celeriac.cli.output import ago, count_of, duration, iso
from celeriac.schedules import BaseSchedule
from celeriac.timetables.base import FOREVER, EntryState, moment_to_look

__all__ = ["EntryView", "moment_text"]

#: Seconds up to which a run is said to be in time.
_IN_TIME = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """An entry, with its schedule as far as it can be made here."""

    state: EntryState
    schedule: BaseSchedule | None
    #: Unix time of the look, by the timetable's clock.
    now: float
    #: Why there is no schedule.
    problem: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.state.entry.name

    @property
    def look_at(self) -> float:
        """When it runs next; infinite if never."""
        moment = self._next_moment
        return math.inf if moment is None else moment

    @property
    def sentence(self) -> str:
        """When it runs, in words."""
        plain = self.state.entry.schedule
        if self.schedule is not None and "says" not in plain:
            return self.schedule.describe()
        # Of a class of the user's, which need not be known here.
        return str(plain.get("says") or plain.get("type"))

    @property
    def is_paused(self) -> bool:
        """It rests for now."""
        return self.state.paused_until is not None and self.state.paused_until > self.now

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
        moment = self._next_moment
        return {
            "name": entry.name,
            "task": entry.task,
            "args": list(entry.args),
            "kwargs": dict(entry.kwargs),
            "options": dict(entry.options),
            "schedule": dict(entry.schedule),
            "description": self.sentence,
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

    @property
    def _next_moment(self) -> float | None:
        state = self.state
        return moment_to_look(enabled=state.entry.enabled, next_at=state.next_at, paused_until=state.paused_until)

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
