"""The beat: looks at the timetable, claims what is due, sleeps until there is more.

Any number of them may run. One leads, which spares the others the work; that each due moment is claimed once is the
timetable's promise and depends on nobody's leading.
"""

import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from celeriac.app.entry_sources import SOURCES, name_of_source
from celeriac.app.periodic import CodeEntry, source_of
from celeriac.beat.calls import message_of_run
from celeriac.beat.planning import GRACE, Plan, first_due, plan
from celeriac.beat.reconciliation import Reconciler, enumerated, log_changes
from celeriac.beat.replacing import require_readable_results, revoke_replaced
from celeriac.beat.schedules_of_entries import SchedulesOfEntries
from celeriac.exceptions import BrokerUnavailable, MessageRefused, OperationalError
from celeriac.protocol.message import Message
from celeriac.run_id import run_id
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import BaseSchedule, crontab
from celeriac.schedules.bounded_schedule import bounded
from celeriac.states import READY_STATES
from celeriac.timetables.base import Claim, Due, EntryState, PlannedRun, RunReason, Timetable

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["LEASE", "Beat"]

logger = logging.getLogger("celeriac.beat")

#: Seconds for which one leads. Another steps in after that and ``_TURN``, so within ten seconds.
LEASE = 5.0
#: Seconds between two looks, at most: leading is to be renewed, and those who follow look whether somebody leads.
_TURN = 2.0
#: Entries that are looked at in one go.
_BATCH = 500
#: Seconds after which a run that was claimed and may not have been published is published again.
_PENDING_AGE = 5.0
#: Seconds after which a claimer that was stopped, or had no processor, leaves its runs to those who publish them again.
_STALLED = 4.0
#: Seconds an entry rests that cannot be planned.
_REST = 60.0
#: Seconds between two attempts at a store that is away: the first and the longest pause.
_PAUSES = (0.5, 5.0)


class _Planned(NamedTuple):
    claim: Claim
    messages: Sequence[Message]
    entry: ScheduleEntry
    #: The run that is to be stopped first.
    replaces: str | None = None


class Beat:
    """One scheduler. ``run`` is for one thread; ``stop`` may be called from any, and from a signal handler."""

    def __init__(self, app: "Celeriac", timetable: Timetable, *, name: str, max_interval: float = 0.0) -> None:
        """``name`` tells it from other schedulers; it looks every ``max_interval`` seconds, or sooner."""
        self._app = app
        self._timetable = timetable
        self._name = name
        self._turn = min(_TURN, max_interval) if max_interval else _TURN
        self._schedules = SchedulesOfEntries()
        self._reconciler = Reconciler(app, timetable)
        self._stopping = threading.Event()
        self._leads = False
        #: Names of entries that could not be planned, with what was said of it.
        self._told: dict[str, str] = {}
        self._next_republish = 0.0
        #: The broker has not taken all that was claimed.
        self._owes = False
        #: Ids of runs that are published, and still pending in the store.
        self._unnoted: list[str] = []

    def run(self, entries: Sequence[CodeEntry]) -> None:
        """Make these the code's entries, and publish what is due until stopped; a store that is away is waited for."""
        is_synced = False
        pause = _PAUSES[0]
        try:
            while not self._stopping.is_set():
                try:
                    if not is_synced:
                        self.sync(entries)
                        is_synced = True
                        self._reconciler.start()
                    self._timetable.wait(self.turn())
                except OperationalError as error:
                    if pause == _PAUSES[0]:
                        logger.error("Nothing can be published; trying again until it can. %s", error)
                    self._leads = False
                    self._reconciler.lead(False)
                    self._stopping.wait(pause)
                    pause = min(_PAUSES[1], pause * 2)
                else:
                    if pause != _PAUSES[0]:
                        logger.warning("Runs are published again.")
                    pause = _PAUSES[0]
        finally:
            self._reconciler.close()
            self._step_down()

    def stop(self) -> None:
        """Make ``run`` return soon. Safe to call twice."""
        self._stopping.set()
        self._timetable.wake()

    def sync(self, entries: Sequence[CodeEntry]) -> None:
        """Make these the entries of this app's code, but for those whose name is another app's; the log names them."""
        schedules = {each.entry.name: each.schedule for each in entries}
        now = self._timetable.now()

        def first(entry: ScheduleEntry) -> float | None:
            return first_due(schedules[entry.name], now)

        source, given = source_of(self._app), [each.entry for each in entries]
        changes = self._timetable.sync(source, given, first)
        if self._takes_over(changes.taken):
            changes = self._timetable.sync(source, given, first)
        self._schedules.learn({name: schedule for name, schedule in schedules.items() if name not in changes.taken})
        for name, theirs in changes.taken.items():
            logger.error(
                "%r does not run: there is an entry of this name already, of the source %r. Give one of them another "
                "name, and start this scheduler again.",
                name,
                theirs,
            )
        log_changes(changes, "the timetable")

    def turn(self) -> float:
        """Look once; return in how many seconds to look again."""
        self._note_published()
        leads = self._timetable.lead(self._name, LEASE)
        self._reconciler.lead(leads)
        if leads != self._leads:
            logger.info("This scheduler leads." if leads else "Another scheduler leads; this one stands by.")
            self._leads = leads
        if not leads:
            # Whoever does publishes what this one has claimed.
            self._owes = False
            return self._turn
        if self._republish():
            return 0.0
        due = self._timetable.due(_BATCH)
        looked_at = time.monotonic()
        moments = [due.next_moment, *self._work_off(due)] if due.states else [due.next_moment]
        soonest = min((moment for moment in moments if moment is not None), default=math.inf)
        # What the work took is part of the sleep.
        return max(0.0, min(self._turn, soonest - due.now - (time.monotonic() - looked_at)))

    # Inside.

    def _takes_over(self, taken: Mapping[str, str]) -> bool:
        """Remove entries of integrations' sources whose names the code's entries have; return False if there is none.

        ``taken``: names that are not the code's, with their sources.
        """
        sources = {name_of_source(noun, self._app): noun for noun in SOURCES}
        found = False
        for name, source in taken.items():
            noun = sources.get(source)
            if noun is not None:
                logger.warning("The entry %r is the code's from now on; the one of the %s no longer runs.", name, noun)
                found = self._timetable.remove(name) or found
        return found

    def _work_off(self, due: Due) -> list[float | None]:
        """Claim and publish; return the moments at which the entries are to be looked at next.

        In steps of some hundred runs, and not of entries: with ``missed="all"`` one may have hundreds after an outage,
        and whoever is killed before its first step has ended leaves everything to the next.
        """
        began = time.monotonic()
        moments: list[float | None] = []
        step: list[_Planned] = []
        runs = 0
        for state in due.states:
            planned = self._planned(state, due.now)
            step.append(planned)
            runs += len(planned.messages)
            # What replaces a run is claimed at once, lest somebody pauses its entry after that run was stopped.
            if runs < _BATCH and planned.replaces is None:
                continue
            moments += self._take(step, due.now)
            step, runs = [], 0
            if time.monotonic() - began > self._turn:
                return [due.now]
        return moments + self._take(step, due.now)

    def _take(self, step: Sequence[_Planned], now: float) -> list[float | None]:
        """Claim and publish in one step; return when to look again."""
        if not step:
            return []
        planned = self._declared(step, now)
        for each in planned:
            if each.replaces is not None and self._is_as_read(each.claim):
                revoke_replaced(self._app, each.entry, each.replaces, each.claim.runs[-1].id)
        asked_at = time.monotonic()
        won = self._claimed(planned, now)
        messages = [message for each in won for message in each.messages]
        if messages and self._timetable.publishes:
            self._app.publisher.announce_published(messages)
        elif messages and time.monotonic() - asked_at < _STALLED:
            self._publish([run for each in won for run in each.claim.runs])
        for each in won:
            for run in each.claim.runs:
                logger.info("Publishing %s[%s] of %r.", run.message.headers.get("task"), run.id, each.claim.name)
        late = [each.claim for each in won if each.claim.missed]
        if late:
            missed = sum(claim.missed for claim in late)
            names = enumerated([claim.name for claim in late])
            logger.warning("Nobody was there for due moments: %d of them, of %s.", missed, names)
        return [each.claim.next_at if each.claim.look_at is None else each.claim.look_at for each in planned]

    def _is_as_read(self, claim: Claim) -> bool:
        """Say whether a claim would be had at this moment; while it was planned its entry may have been paused."""
        state = self._timetable.get(claim.name)
        return state is not None and (state.generation, state.next_at) == (claim.generation, claim.due)

    def _planned(self, state: EntryState, now: float) -> _Planned:
        """Return the claim of an entry; one that cannot be planned rests for a while, and stands in nobody's way."""
        entry = state.entry
        assert state.next_at is not None
        try:
            schedule = self._schedules.of(state)
            deadline = self._app.conf.beat_cron_starting_deadline if _goes_by_calendar(schedule) else None
            decision = plan(state, schedule, now, has_ended=self._has_ended, deadline=deadline)
            claim = _claim_of(state, decision, [self._run(entry, moment, now) for moment in decision.to_run])
        except Exception as error:  # noqa: BLE001 - a schedule of the user's, or a call that no worker could take
            self._tell(entry.name, error)
            decision = Plan((), 0, 0, state.next_at, look_at=now + _REST)
            claim = _claim_of(state, decision, ())
        else:
            self._told.pop(entry.name, None)
        return _Planned(claim, [run.message for run in claim.runs], entry, decision.replaces)

    def _declared(self, planned: Sequence[_Planned], now: float) -> list[_Planned]:
        """Make sure that the queues are there. An entry whose queue cannot be has to rest; the others go on."""
        broken: dict[str, OperationalError] = {}
        queues = {message.queue: message for each in planned for message in each.messages}
        for queue, message in queues.items():
            try:
                self._app.publisher.declare([message])
            except OperationalError as error:
                broken[queue] = error
        if broken and len(broken) == len(queues):
            raise next(iter(broken.values()))
        usable = []
        for each in planned:
            faults = [broken[message.queue] for message in each.messages if message.queue in broken]
            usable.append(self._put_off(each, faults[0], now) if faults else each)
        return usable

    def _claimed(self, planned: Sequence[_Planned], now: float) -> list[_Planned]:
        """Claim; return those that were had. An entry whose message is refused has to rest; the others go on."""
        try:
            had = self._timetable.claim([each.claim for each in planned])
        except MessageRefused as error:
            if len(planned) == 1:
                self._timetable.claim([self._put_off(planned[0], error, now).claim])
                return []
            # Those that are had already are not had again, so each is published once.
            return [won for each in planned for won in self._claimed([each], now)]
        return [each for each, is_had in zip(planned, had, strict=True) if is_had]

    def _put_off(self, planned: _Planned, error: Exception, now: float) -> _Planned:
        """Return a claim by which the entry rests, and stands in nobody's way."""
        self._tell(planned.claim.name, error)
        claim = replace(planned.claim, next_at=planned.claim.due, look_at=now + _REST, runs=(), missed=0, skipped=0)
        return _Planned(claim, (), planned.entry)

    def _run(self, entry: ScheduleEntry, due: float, now: float) -> PlannedRun:
        task_id = run_id(self._timetable.namespace(), entry.name, due)
        message = message_of_run(self._app, entry, run_id=task_id, due=due, once=not self._timetable.publishes)
        reason = RunReason.SCHEDULED if now - due <= GRACE else RunReason.MISSED
        return PlannedRun(id=task_id, due=due, message=message, reason=reason)

    def _has_ended(self, state: EntryState) -> bool:
        """Say whether an entry's last run has ended: its result is there, or has expired, or it was never published."""
        assert state.last_run_id is not None
        backend = self._app.backend
        require_readable_results(self._app, state.entry)
        if backend.states([state.last_run_id]).get(state.last_run_id) in READY_STATES:
            return True
        published_at = state.last_published_at
        if published_at is None:
            # It is pending, or the broker has refused its message: then nothing comes of it any more.
            return all(run.id != state.last_run_id for run in self._timetable.pending(0.0, _BATCH))
        lifetime = self._app.conf.result_expires
        return bool(lifetime and self._timetable.now() - published_at > lifetime)

    def _tell(self, name: str, error: Exception) -> None:
        sentence = f"{type(error).__name__}: {error}"
        if self._told.get(name) != sentence:
            self._told[name] = sentence
            logger.error("%r cannot be run, and is looked at again every %g s. %s", name, _REST, sentence)

    def _publish(self, runs: Sequence[PlannedRun]) -> None:
        """Publish pending runs; what the broker takes at no time is withdrawn."""
        self._owes = True
        self._send(runs)
        self._owes = False

    def _send(self, runs: Sequence[PlannedRun]) -> None:
        try:
            self._app.publisher.send_now([run.message for run in runs], {})
        except MessageRefused as error:
            if len(runs) == 1:
                logger.error("The run %s is lost: the broker refuses its message. %s", runs[0].id, error)
                self._timetable.withdraw([runs[0].id])
                return
            arrived = set(error.published)
            self._note_published([run.id for run in runs if run.id in arrived])
            for run in runs:
                if run.id not in arrived:
                    self._send([run])
        except BrokerUnavailable as error:
            self._note_published(error.published)
            raise
        else:
            self._note_published([run.id for run in runs])

    def _note_published(self, run_ids: Sequence[str] = ()) -> None:
        """Take runs off the list of those that are pending, and those of which the store could not be told before."""
        self._unnoted += run_ids
        if self._unnoted:
            self._timetable.mark_published(self._unnoted)
            self._unnoted = []

    def _republish(self) -> bool:
        """Publish what was claimed and then not published, under the same ids; say whether there is more of it.

        What this one owes comes before any further claim. Else it would go on claiming while the broker is away, and
        all the runs of that time would come late, instead of those that the entries' policies leave.
        """
        now = time.monotonic()
        if self._timetable.publishes or (now < self._next_republish and not self._owes):
            return False
        runs = self._timetable.pending(0.0 if self._owes else _PENDING_AGE, _BATCH)
        if runs:
            logger.warning("Publishing %d runs that were claimed and may not have been published.", len(runs))
            self._publish(runs)
        has_more = len(runs) == _BATCH
        if not has_more:
            self._next_republish = now + _TURN
            self._owes = False
        return has_more

    def _step_down(self) -> None:
        try:
            self._timetable.step_down(self._name)
        except OperationalError as error:
            logger.debug("Could not step down: %s", error)


def _claim_of(state: EntryState, decision: Plan, runs: Sequence[PlannedRun]) -> Claim:
    """Return the claim that a plan is; raises ``ValueError`` for one that others could have again."""
    assert state.next_at is not None
    return Claim(
        name=state.entry.name,
        generation=state.generation,
        due=state.next_at,
        next_at=decision.next_at,
        look_at=decision.look_at,
        runs=tuple(runs),
        missed=decision.missed,
        skipped=decision.skipped,
    )


def _goes_by_calendar(schedule: BaseSchedule) -> bool:
    within = schedule.schedule if isinstance(schedule, bounded) else schedule
    return isinstance(within, crontab)
