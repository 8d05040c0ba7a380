"""Rows of the timetable's tables, and the values they are."""

from collections.abc import Sequence
from typing import Any

from celeriac.protocol import envelope as envelopes
from celeriac.schedule_entry import ScheduleEntry
from celeriac.timetables.base import EntryState, PlannedRun, RunReason, RunRecord

__all__ = ["to_record", "to_run", "to_state"]


def to_state(row: Sequence[Any]) -> EntryState:
    """Return the state in a row; what comes after its columns is left."""
    return EntryState(
        entry=ScheduleEntry.decode(row[0]),
        generation=row[1],
        next_at=row[2],
        last_due=row[3],
        last_run_id=row[4],
        last_published_at=row[5],
        lateness=row[6],
        runs_total=row[7],
        missed_total=row[8],
        skipped_total=row[9],
        paused_until=row[10],
    )


def to_record(row: Sequence[Any]) -> RunRecord:
    """Return the run in a row of the history."""
    run_id, due, published_at, lateness, reason = row
    return RunRecord(id=run_id, due=due, published_at=published_at, lateness=lateness, reason=RunReason(reason))


def to_run(row: Sequence[Any]) -> PlannedRun:
    """Return the run in a row of those that are pending."""
    run_id, due, reason, envelope = row
    return PlannedRun(id=run_id, due=due, message=envelopes.decode(envelope), reason=RunReason(reason))
