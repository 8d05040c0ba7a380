"""What lies in Redis, and the values it is. The forms are told in ``change.lua`` and ``claim.lua``."""

from collections.abc import Sequence
from typing import Final

from celeriac.protocol import envelope as envelopes
from celeriac.schedule_entry import ScheduleEntry
from celeriac.timetables.base import EntryState, PlannedRun, RunReason, RunRecord

__all__ = ["FIELDS", "moment_text", "to_record", "to_run", "to_state"]

#: The fields of an entry that ``to_state`` reads.
FIELDS: Final = (
    *("definition", "generation", "next_at", "last_due", "last_run_id", "last_published_at", "lateness"),
    *("runs", "missed", "skipped", "paused_until"),
)

_REASONS: Final = {reason.value[:1].encode(): reason for reason in RunReason}


def moment_text(moment: float | None) -> str:
    """Return a moment as it is kept, to the last bit; nothing for None."""
    return "" if moment is None else repr(float(moment))


def to_state(fields: Sequence[bytes]) -> EntryState:
    """Return the state that the fields of an entry tell."""
    definition, generation, next_at, last_due, last_run_id, last_published_at, lateness, runs, *rest = fields
    missed, skipped, paused_until = rest
    return EntryState(
        entry=ScheduleEntry.decode(definition),
        generation=int(generation),
        next_at=_moment(next_at),
        last_due=_moment(last_due),
        last_run_id=last_run_id.decode() or None,
        last_published_at=_moment(last_published_at),
        lateness=_moment(lateness),
        runs_total=int(runs),
        missed_total=int(missed),
        skipped_total=int(skipped),
        paused_until=_moment(paused_until),
    )


def to_record(line: bytes) -> RunRecord:
    """Return the run in a line of a history."""
    due, lateness, published_at, letter, run_id = line.split(b":", 4)
    return RunRecord(
        id=run_id.decode(),
        due=float(due),
        published_at=_moment(published_at),
        lateness=float(lateness),
        reason=_REASONS[letter],
    )


def to_run(run_id: bytes, content: bytes) -> PlannedRun:
    """Return a pending run."""
    _, due, reason, length, rest = content.split(b":", 4)
    return PlannedRun(
        id=run_id.decode(),
        due=float(due),
        message=envelopes.decode(rest[int(length) :]),
        reason=RunReason(reason.decode()),
    )


def _moment(text: bytes) -> float | None:
    return float(text) if text else None
