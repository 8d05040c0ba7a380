"""A timetable in this process's memory: for tests, and the reference that explains the others."""

import heapq
import itertools
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from celeriac import clock
from celeriac.brokers.base import Broker
from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.memory_store import MemoryStore
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.schedule_entry import ScheduleEntry
from celeriac.timetables.base import (
    FOREVER,
    HISTORY_LENGTH,
    Claim,
    Due,
    EntryState,
    Leader,
    Order,
    PlannedRun,
    RunReason,
    RunRecord,
    Timetable,
    moment_to_look,
)
from celeriac.timetables.comparison import Changes, Definition, Known, compare, refuse_source

__all__ = ["MemoryTimetable", "Plan"]


@dataclass(slots=True, eq=False)
class _Row:
    """One entry. ``mark`` is another one after each change, of the entry or of its moments: it dates the heap."""

    definition: Definition
    generation: int = 0
    mark: int = 0
    next_at: float | None = None
    look_at: float | None = None
    paused_until: float | None = None
    last_due: float | None = None
    last_run_id: str | None = None
    last_published_at: float | None = None
    lateness: float | None = None
    runs: int = 0
    missed: int = 0
    skipped: int = 0
    history: deque[RunRecord] = field(default_factory=deque)

    @property
    def entry(self) -> ScheduleEntry:
        return self.definition.entry


class Plan:
    """One timetable; ``changed`` is held for every access and notified when entries are changed."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.namespace = str(uuid.uuid4())
        #: How often entries were changed.
        self.changes = 0
        self.marks = itertools.count(1)
        self.rows: dict[str, _Row] = {}
        #: Moments to look at entries; one whose mark is not the row's is out of date.
        self.agenda: list[tuple[float, str, int]] = []
        #: Run id, with the run, its entry's name, and the moment of its claim.
        self.pending: dict[str, tuple[PlannedRun, str, float]] = {}
        self.leader: Leader | None = None


_plans: "weakref.WeakKeyDictionary[MemoryStore, Plan]" = weakref.WeakKeyDictionary()


class MemoryTimetable(Timetable):
    """Everybody who gives it a broker with the same messages sees the same timetable; or one that is given."""

    def __init__(self, broker: MemoryBroker | None = None, *, plan: Plan | None = None) -> None:
        self.publishes = broker is not None
        self.url = "memory://" if broker is None else broker.url
        self._broker = broker
        if plan is None:
            plan = Plan() if broker is None else _plans.setdefault(broker.store, Plan())
        self._plan = plan
        #: ``Plan.changes`` at the last look.
        self._seen = -1
        self._is_woken = False

    @classmethod
    def beside(cls, engine: MemoryBroker, broker: Broker) -> "MemoryTimetable":
        """Return the timetable of an engine."""
        return cls(engine if engine is broker else None)

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def namespace(self) -> str:
        return self._plan.namespace

    def now(self) -> float:
        return clock.now()

    def remove(self, name: str) -> bool:
        with self._plan.changed:
            self._note_change()
            return self._plan.rows.pop(name, None) is not None

    def pause(self, name: str, until: float = FOREVER) -> bool:
        with self._plan.changed:
            row = self._plan.rows.get(name)
            if row is not None:
                row.paused_until = until
                self._change(row)
            return row is not None

    def resume(self, name: str, next_at: float | None) -> bool:
        with self._plan.changed:
            row = self._plan.rows.get(name)
            if row is not None:
                row.paused_until, row.next_at = None, next_at
                self._change(row)
            return row is not None

    def due(self, limit: int, *, now: float | None = None) -> Due:
        with self._plan.changed:
            self._seen = self._plan.changes
            now = self.now() if now is None else now
            found: list[tuple[float, str, int]] = []
            next_moment = None
            while self._plan.agenda:
                item = heapq.heappop(self._plan.agenda)
                row = self._plan.rows.get(item[1])
                if row is None or row.mark != item[2]:
                    continue
                found.append(item)
                if item[0] > now or len(found) > limit:
                    next_moment = item[0]
                    break
            for item in found:
                # They are due until they are claimed.
                heapq.heappush(self._plan.agenda, item)
            names = [name for look_at, name, _ in found[:limit] if look_at <= now]
            states = tuple(_state(self._plan.rows[name]) for name in names)
            return Due(now=now, states=states, next_moment=next_moment)

    def claim(self, claims: Sequence[Claim]) -> list[bool]:
        with self._plan.changed:
            return [self._claim(claim) for claim in claims]

    def run_by_hand(self, name: str, run: PlannedRun) -> bool:
        with self._plan.changed:
            row = self._plan.rows.get(name)
            if row is not None:
                self._run(row, (run,))
            return row is not None

    def pending(self, age: float, limit: int = 100) -> list[PlannedRun]:
        with self._plan.changed:
            before = self.now() - age
            oldest = sorted(self._plan.pending.values(), key=lambda item: item[2])
            return [run for run, _, claimed_at in oldest if claimed_at <= before][:limit]

    def mark_published(self, run_ids: Sequence[str]) -> None:
        with self._plan.changed:
            now = self.now()
            for run_id in run_ids:
                _, name, _ = self._plan.pending.pop(run_id, (None, "", 0.0))
                row = self._plan.rows.get(name)
                if row is not None:
                    _mark_published(row, run_id, now)

    def withdraw(self, run_ids: Sequence[str]) -> None:
        with self._plan.changed:
            for run_id in run_ids:
                self._plan.pending.pop(run_id, None)

    def lead(self, name: str, seconds: float) -> bool:
        with self._plan.changed:
            leader = self.leader()
            if leader is not None and leader.name != name:
                return False
            now = self.now()
            self._plan.leader = Leader(name=name, since=now, until=now + seconds)
            return True

    def step_down(self, name: str) -> None:
        with self._plan.changed:
            leader = self.leader()
            if leader is not None and leader.name == name:
                self._plan.leader = None

    def leader(self) -> Leader | None:
        with self._plan.changed:
            leader = self._plan.leader
            return leader if leader is not None and leader.leads_at(self.now()) else None

    def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with self._plan.changed:
            while True:
                seen, self._seen = self._seen, self._plan.changes
                if seen != self._seen:
                    return True
                remaining = deadline - time.monotonic()
                if self._is_woken or remaining <= 0:
                    self._is_woken = False
                    return False
                self._plan.changed.wait(remaining)

    def wake(self) -> None:
        with self._plan.changed:
            self._is_woken = True
            self._plan.changed.notify_all()

    def get(self, name: str) -> EntryState | None:
        with self._plan.changed:
            row = self._plan.rows.get(name)
            return None if row is None else _state(row)

    def states(self, names: Sequence[str]) -> dict[str, EntryState]:
        with self._plan.changed:
            rows = {name: self._plan.rows[name] for name in names if name in self._plan.rows}
            return {name: _state(row) for name, row in rows.items()}

    def entries(self, offset: int = 0, limit: int = 100, *, order: Order = "name") -> list[EntryState]:
        with self._plan.changed:
            rows = sorted(self._plan.rows.values(), key=lambda row: row.entry.name)
            if order == "next":
                rows.sort(key=lambda row: FOREVER if row.look_at is None else row.look_at)
            return [_state(row) for row in rows[offset : offset + limit]]

    def count(self) -> int:
        return len(self._plan.rows)

    def history(self, name: str, limit: int = HISTORY_LENGTH) -> list[RunRecord]:
        with self._plan.changed:
            row = self._plan.rows.get(name)
            return [] if row is None else list(row.history)[::-1][:limit]

    def _known(self, source: str, names: Sequence[str]) -> Mapping[str, Known]:
        with self._plan.changed:
            wanted = set(names)
            rows = [row for row in self._plan.rows.values() if row.entry.source == source or row.entry.name in wanted]
            return {
                row.entry.name: Known(row.entry.source, row.definition.digest, row.definition.timing) for row in rows
            }

    def _replace(
        self, source: str, definitions: Mapping[str, Definition], moments: Mapping[str, float | None]
    ) -> Changes | None:
        with self._plan.changed:
            comparison = compare(definitions, self._known(source, list(definitions)))
            if any(definition.entry.name not in moments for definition in comparison.without_moment):
                return None
            for definition in comparison.added:
                self._plan.rows[definition.entry.name] = _Row(definition)
            for definition in comparison.added + comparison.changed + comparison.retimed:
                self._set(definition, moments)
            for name in comparison.removed:
                del self._plan.rows[name]
            self._note_change()
            return comparison.changes

    def _put(self, definition: Definition, next_at: float | None) -> None:
        with self._plan.changed:
            name = definition.entry.name
            row = self._plan.rows.get(name)
            if row is not None:
                refuse_source(definition.entry, row.entry.source)
                if row.definition.digest == definition.digest:
                    return
            is_timed_anew = row is None or row.definition.timing != definition.timing
            self._plan.rows.setdefault(name, _Row(definition))
            self._set(definition, {name: next_at} if is_timed_anew else {})

    def _set(self, definition: Definition, moments: Mapping[str, float | None]) -> None:
        row = self._plan.rows[definition.entry.name]
        row.definition = definition
        row.next_at = moments.get(definition.entry.name, row.next_at)
        self._change(row)

    def _change(self, row: _Row) -> None:
        """Note that what runs when is another one than before."""
        self._note_change()
        row.generation = self._plan.changes
        self._look(
            row,
            moment_to_look(enabled=row.entry.enabled, next_at=row.next_at, paused_until=row.paused_until),
        )

    def _note_change(self) -> None:
        self._plan.changes += 1
        self._plan.changed.notify_all()

    def _look(self, row: _Row, moment: float | None) -> None:
        row.look_at = moment
        row.mark = next(self._plan.marks)
        if moment is not None:
            heapq.heappush(self._plan.agenda, (moment, row.entry.name, row.mark))

    def _claim(self, claim: Claim) -> bool:
        row = self._plan.rows.get(claim.name)
        if row is None or row.generation != claim.generation or row.next_at != claim.due or not row.entry.enabled:
            return False
        if row.paused_until is not None and row.paused_until > self.now():
            return False
        self._run(row, claim.runs)
        if row.next_at != claim.next_at:
            row.next_at, row.paused_until = claim.next_at, None
        row.missed += claim.missed
        row.skipped += claim.skipped
        self._look(row, claim.next_at if claim.look_at is None else claim.look_at)
        return True

    def _run(self, row: _Row, runs: Iterable[PlannedRun]) -> None:
        """Publish runs, or have them pending, and write them down."""
        now = self.now()
        runs = tuple(runs)
        if self._broker is not None:
            # Whoever takes one at once finds the rest of this done: everybody here needs the plan's lock.
            self._broker.publish([run.message for run in runs])
        for run in runs:
            if not self.publishes:
                self._plan.pending[run.id] = replace(run, message=_copy(run.message)), row.entry.name, now
            row.runs += 1
            row.last_run_id = run.id
            row.last_published_at = now if self.publishes else None
            lateness = max(0.0, now - run.due)
            if run.reason is not RunReason.BY_HAND:
                row.last_due, row.lateness = run.due, lateness
            row.history.append(
                RunRecord(
                    id=run.id,
                    due=run.due,
                    published_at=row.last_published_at,
                    lateness=lateness,
                    reason=run.reason,
                )
            )
        while len(row.history) > self.history_length:
            row.history.popleft()


def _copy(message: Message) -> Message:
    """As bytes and back: what no other engine could carry fails here too."""
    return envelopes.decode(envelopes.encode(message))


def _mark_published(row: _Row, run_id: str, now: float) -> None:
    if row.last_run_id == run_id:
        row.last_published_at = now
    for position, record in enumerate(row.history):
        if record.id == run_id:
            row.history[position] = replace(record, published_at=now)


def _state(row: _Row) -> EntryState:
    return EntryState(
        entry=row.entry,
        generation=row.generation,
        next_at=row.next_at,
        last_due=row.last_due,
        last_run_id=row.last_run_id,
        last_published_at=row.last_published_at,
        lateness=row.lateness,
        runs_total=row.runs,
        missed_total=row.missed,
        skipped_total=row.skipped,
        paused_until=row.paused_until,
    )
