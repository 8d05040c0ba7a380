"""Timetable suite: runs are published or pending, and written down."""

from celeriac.protocol.message import Message
from celeriac.testing.conformance.harness import TimetableHarness, until
from celeriac.timetables.base import EntryState, PlannedRun, RunReason

__all__ = ["Runs"]


class Runs(TimetableHarness):
    """A claimed run is published in the same step, or pending until somebody says that it is; and it is remembered."""

    def test_a_claimed_run_is_in_its_queue_or_pending(self) -> None:
        state = self.save("a")
        assert state.next_at is not None
        run = self.planned(state, state.next_at)
        assert self.claim(state)
        if self.timetable.publishes:
            assert self.broker.peek(self.queue) == [run.message]
            assert self.timetable.pending(0) == []
        else:
            assert self.broker.peek(self.queue) == []
            assert self.timetable.pending(0) == [run]

    def test_several_runs_of_one_claim_keep_their_order(self) -> None:
        state = self.save("a")
        runs = tuple(self.planned(state, 100.0 + number, RunReason.MISSED) for number in range(5))
        assert self.claim(state, runs=runs, missed=5)
        assert self.run_ids() == [run.id for run in runs]
        after = self.state("a")
        assert (after.runs_total, after.last_due, after.last_run_id) == (5, 104.0, runs[-1].id)
        assert [record.due for record in self.timetable.history("a")] == [104.0, 103.0, 102.0, 101.0, 100.0]

    def test_a_published_run_is_not_pending_any_more(self) -> None:
        if self.timetable.publishes:
            return
        states = [self.save("a"), self.save("b")]
        claims = [self.claim_of(state) for state in states]
        assert self.timetable.claim(claims) == [True, True]
        assert self.state("a").last_published_at is None
        ids = [claim.runs[0].id for claim in claims]
        self.timetable.mark_published([ids[0], "unknown"])
        self.timetable.mark_published([ids[0]])
        assert [run.id for run in self.timetable.pending(0)] == [ids[1]]
        published_at = self.state("a").last_published_at
        assert published_at is not None
        assert abs(published_at - self.timetable.now()) < 60
        [record] = self.timetable.history("a")
        assert record.published_at == published_at
        assert [record.published_at for record in self.timetable.history("b")] == [None]

    def test_runs_claimed_a_while_ago_are_pending_the_oldest_first(self) -> None:
        if self.timetable.publishes:
            return
        assert self.claim(self.save("a"))
        assert self.timetable.pending(1000) == []
        until(lambda: self.timetable.pending(0.2))
        assert self.claim(self.save("b"))
        assert [run.due for run in self.timetable.pending(0)] == [
            self.state("a").last_due,
            self.state("b").last_due,
        ]
        assert [run.due for run in self.timetable.pending(0, 1)] == [self.state("a").last_due]

    def test_what_is_pending_outlives_its_entry(self) -> None:
        if self.timetable.publishes:
            return
        assert self.claim(self.save("a"))
        [run] = self.timetable.pending(0)
        self.timetable.remove("a")
        assert self.timetable.pending(0) == [run]
        self.save("a")
        self.timetable.mark_published([run.id])
        assert self.timetable.pending(0) == []
        assert self.timetable.history("a") == []
        assert self.state("a").last_published_at is None

    def test_a_run_that_is_withdrawn_is_not_pending_any_more(self) -> None:
        if self.timetable.publishes:
            return
        assert self.timetable.claim([self.claim_of(self.save(name)) for name in ("a", "b")]) == [True, True]
        first, second = self.timetable.pending(0)
        self.timetable.withdraw([first.id, "unknown"])
        self.timetable.withdraw([first.id])
        assert self.timetable.pending(0) == [second]
        self.timetable.mark_published([first.id, second.id])
        assert self.timetable.pending(0) == []
        assert [record.published_at for record in self.timetable.history("a")] == [None]
        assert self.state("b").last_published_at is not None

    def test_a_run_claimed_here_is_pending_for_everybody(self) -> None:
        assert self.claim(self.save("a"))
        assert self.another().pending(0) == self.timetable.pending(0)

    def test_history_tells_the_last_runs_first(self) -> None:
        state = self.save("a", due_in=-30)
        assert state.next_at is not None
        assert self.claim(state, runs=(self.planned(state, state.next_at, RunReason.MISSED),))
        later = self.state("a")
        assert self.claim(later)
        second, first = self.timetable.history("a")
        assert (first.id, second.id) == (state_run_id(self, state), state_run_id(self, later))
        assert (first.due, second.due) == (state.next_at, later.next_at)
        assert (first.reason, second.reason) == (RunReason.MISSED, RunReason.SCHEDULED)
        # The second was claimed before its time.
        assert 30 <= first.lateness < 90
        assert second.lateness == 0
        assert (first.published_at is None) == (not self.timetable.publishes)
        assert self.timetable.history("a", 1) == [second]

    def test_history_is_bounded(self) -> None:
        self.timetable.save(self.entry("a"), 1000.0)
        for _ in range(3):
            state = self.state("a")
            assert state.next_at is not None
            due = state.next_at
            runs = tuple(self.planned(state, due + number) for number in range(40))
            assert self.claim(state, next_at=due + 40, runs=runs)
        history = self.timetable.history("a", 1000)
        assert [record.due for record in history] == [1119.0 - number for number in range(100)]
        assert self.state("a").runs_total == 120
        self.timetable.history_length = 3
        assert self.claim(self.state("a"))
        assert [record.due for record in self.timetable.history("a")] == [1120.0, 1119.0, 1118.0]

    def test_histories_of_different_entries_do_not_mix(self) -> None:
        assert self.claim(self.save("a"))
        assert self.claim(self.save("ab"))
        assert len(self.timetable.history("a")) == 1
        self.timetable.remove("a")
        assert len(self.timetable.history("ab")) == 1

    def test_a_run_by_hand_is_published_beside_the_schedule(self) -> None:
        self.save("a")
        assert self.claim(self.state("a"))
        before = self.state("a")
        run = self._by_hand(before, "by-hand")
        assert self.timetable.run_by_hand("a", run)
        after = self.state("a")
        assert (after.generation, after.next_at) == (before.generation, before.next_at)
        assert (after.last_due, after.lateness) == (before.last_due, before.lateness)
        assert (after.last_run_id, after.runs_total) == ("by-hand", 2)
        assert "by-hand" in self.run_ids()
        record = self.timetable.history("a")[0]
        assert (record.id, record.reason, record.due) == ("by-hand", RunReason.BY_HAND, run.due)
        assert self.claim(before)

    def test_whatever_rests_can_be_run_by_hand(self) -> None:
        paused, disabled = self.save("paused"), self.save("disabled", enabled=False)
        self.timetable.pause("paused")
        assert self.timetable.run_by_hand("paused", self._by_hand(paused, "one"))
        assert self.timetable.run_by_hand("disabled", self._by_hand(disabled, "two"))
        assert self.run_ids() == ["one", "two"]

    def test_what_is_not_there_cannot_be_run_by_hand(self) -> None:
        run = self._by_hand(self.save("a"), "one")
        self.timetable.remove("a")
        assert not self.timetable.run_by_hand("a", run)
        assert self.run_ids() == []

    def _by_hand(self, state: EntryState, task_id: str) -> PlannedRun:
        message = Message(id=task_id, queue=self.queue, headers={"task": state.entry.task, "id": task_id})
        return PlannedRun(id=task_id, due=self.timetable.now(), message=message, reason=RunReason.BY_HAND)


def state_run_id(harness: TimetableHarness, state: EntryState) -> str:
    """Return the id of the run at an entry's next moment."""
    assert state.next_at is not None
    return harness.planned(state, state.next_at).id
