"""What is done about an entry that is due, by its policies."""

from datetime import UTC, datetime, timedelta

import pytest

from celeriac.beat.planning import GRACE, Plan, first_due, plan
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import BaseSchedule, clocked, crontab, schedstate, schedule
from celeriac.timetables.base import EntryState

#: 12:00 on a Monday.
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
MINUTE, HOUR = 60.0, 3600.0
HOURLY = schedule(HOUR)


def entry_state(*, next_at: float = NOON, **said) -> EntryState:
    facts = {name: said.pop(name) for name in ("last_run_id", "last_due", "paused_until") if name in said}
    entry = ScheduleEntry(name="report", task="tasks.report", schedule={"type": "interval", "every": 3600}, **said)
    return EntryState(entry=entry, generation=1, next_at=next_at, **facts)


def planned(state, now, when=HOURLY, *, running: bool = False, deadline: float | None = None) -> Plan:
    return plan(state, when, now, has_ended=lambda _state: not running, deadline=deadline)


def test_what_is_due_runs_and_is_due_again_at_the_next_tick():
    assert planned(entry_state(), NOON + 0.01) == Plan((NOON,), missed=0, skipped=0, next_at=NOON + HOUR)


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_a_little_late_is_not_missed(missed):
    assert planned(entry_state(missed=missed), NOON + GRACE) == Plan((NOON,), 0, 0, NOON + HOUR)


def test_of_missed_runs_the_latest_is_made_up_for():
    assert planned(entry_state(), NOON + 3 * HOUR + MINUTE) == Plan((NOON + 3 * HOUR,), 4, 0, NOON + 4 * HOUR)


def test_missed_runs_are_let_go_where_the_entry_says_so():
    assert planned(entry_state(missed="skip"), NOON + 3 * HOUR + MINUTE) == Plan((), 4, 0, NOON + 4 * HOUR)


def test_all_missed_runs_are_made_up_for_where_the_entry_says_so():
    moments = (NOON, NOON + HOUR, NOON + 2 * HOUR)
    assert planned(entry_state(missed="all"), NOON + 2 * HOUR + 1) == Plan(moments, 2, 0, NOON + 3 * HOUR)


def test_no_more_missed_runs_are_made_up_for_than_the_bound_the_latest_of_them():
    state = entry_state(missed="all", missed_bound=2)
    assert planned(state, NOON + 9 * HOUR) == Plan((NOON + 8 * HOUR, NOON + 9 * HOUR), 9, 0, NOON + 10 * HOUR)


def test_ten_years_without_a_scheduler_are_soon_worked_off():
    decision = planned(entry_state(), NOON + 10 * 365 * 86400, schedule(1.0))
    assert len(decision.to_run) == 1
    assert decision.missed >= 9_999


def test_what_comes_later_than_the_deadline_is_missed():
    assert planned(entry_state(), NOON + 10 * MINUTE, deadline=300.0) == Plan((), 1, 0, NOON + HOUR)
    assert planned(entry_state(), NOON + 4 * MINUTE, deadline=300.0).to_run == (NOON,)


def test_moments_within_a_pause_are_neither_run_nor_missed():
    state = entry_state(paused_until=NOON + 2.5 * HOUR)
    assert planned(state, NOON + 2.5 * HOUR) == Plan((), 0, 0, NOON + 3 * HOUR)
    assert planned(state, NOON + 3 * HOUR) == Plan((NOON + 3 * HOUR,), 0, 0, NOON + 4 * HOUR)


def test_a_moment_stands_even_if_the_schedule_has_others_by_now():
    state = entry_state(next_at=NOON + 7)
    assert planned(state, NOON + 8) == Plan((NOON + 7,), 0, 0, NOON + HOUR)


def test_a_one_off_runs_once():
    when = clocked(datetime.fromtimestamp(NOON, UTC))
    assert first_due(when, NOON - 1) == NOON
    assert first_due(when, NOON) is None
    assert planned(entry_state(), NOON + 5, when) == Plan((NOON,), 0, 0, None)


def test_the_first_run_of_a_new_entry_is_at_the_next_tick():
    assert first_due(crontab(minute="30"), NOON) == NOON + 30 * MINUTE


class TestOverlap:
    """The run before has not ended."""

    def test_beside_it(self):
        assert planned(entry_state(last_run_id="a"), NOON, running=True).to_run == (NOON,)

    def test_not_at_all(self):
        state = entry_state(overlap="skip", last_run_id="a")
        assert planned(state, NOON, running=True) == Plan((), 0, 1, NOON + HOUR)
        assert planned(state, NOON).to_run == (NOON,)

    def test_after_it(self):
        state = entry_state(overlap="queue", last_run_id="a")
        waiting = planned(state, NOON, running=True)
        assert (waiting.to_run, waiting.next_at) == ((), NOON)
        assert NOON < waiting.look_at <= NOON + 2
        assert planned(state, NOON + 20).to_run == (NOON,)

    def test_after_it_one_by_one_and_each_missed_one_is_counted_once(self):
        state = entry_state(overlap="queue", missed="all")
        now = NOON + 2 * HOUR + 1
        decisions = []
        while state.next_at <= now:
            decisions.append(planned(state, now))
            state = entry_state(overlap="queue", missed="all", next_at=decisions[-1].next_at, last_run_id="a")
        assert [decision.to_run for decision in decisions] == [(NOON,), (NOON + HOUR,), (NOON + 2 * HOUR,)]
        assert sum(decision.missed for decision in decisions) == 2

    def test_in_its_place(self):
        state = entry_state(overlap="replace", last_run_id="a")
        assert planned(state, NOON, running=True) == Plan((NOON,), 0, 0, NOON + HOUR, replaces="a")
        assert planned(state, NOON) == Plan((NOON,), 0, 0, NOON + HOUR)

    def test_of_many_that_would_replace_each_other_the_last_one_runs(self):
        state = entry_state(overlap="replace", missed="all", last_run_id="a")
        decision = planned(state, NOON + 2 * HOUR + 1, running=True)
        assert (decision.to_run, decision.skipped, decision.missed) == ((NOON + 2 * HOUR,), 2, 2)
        assert decision.replaces == "a"

    def test_the_first_run_of_all_waits_for_nobody(self):
        assert planned(entry_state(overlap="skip"), NOON, running=True).to_run == (NOON,)


class Every(BaseSchedule):
    """In Celery's way: due some seconds after the last run."""

    def is_due(self, last_run_at):
        waited = (datetime.fromtimestamp(self.time, UTC) - last_run_at) / timedelta(seconds=1)
        return schedstate(waited >= 10, 10.0 if waited >= 10 else 10 - waited)


class TestOwnSchedules:
    """Schedules of the user's in Celery's form are asked."""

    def at(self, moment: float) -> Every:
        when = Every()
        when.time = moment
        return when

    def test_one_that_is_not_due_is_asked_again_when_it_says(self):
        assert first_due(self.at(NOON), NOON) == NOON + 10
        assert planned(entry_state(last_due=NOON - 4), NOON, self.at(NOON)) == Plan((), 0, 0, NOON + 6)

    def test_one_that_is_due_runs(self):
        state = entry_state(last_due=NOON - 10)
        assert planned(state, NOON, self.at(NOON)) == Plan((NOON,), 0, 0, NOON + 10)
        state = entry_state(last_due=NOON - 10, overlap="skip", last_run_id="a")
        assert planned(state, NOON, self.at(NOON), running=True) == Plan((), 0, 1, NOON + 10)
