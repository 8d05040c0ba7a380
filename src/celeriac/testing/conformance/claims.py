"""Timetable suite: each due moment is claimed once."""

import threading
from collections import Counter

from celeriac.testing.conformance.harness import TimetableHarness, in_thread, raised
from celeriac.timetables.base import Timetable

__all__ = ["Claims"]


class Claims(TimetableHarness):
    """Of any number of claims of one due moment one is had, and none that was read before a change."""

    def test_a_claim_moves_the_entry_on(self) -> None:
        state = self.save("a")
        assert state.next_at is not None
        moment = self.timetable.now() + 1000
        assert self.claim(state, next_at=moment, missed=3, skipped=2)
        after = self.state("a")
        assert (after.next_at, after.last_due) == (moment, state.next_at)
        assert (after.runs_total, after.missed_total, after.skipped_total) == (1, 3, 2)
        assert after.last_run_id == self.planned(state, state.next_at).id
        assert after.lateness is not None
        assert after.lateness >= 1
        assert self.due_names() == []
        assert self.timetable.due(10).next_moment == moment

    def test_the_last_claim_ends_the_schedule(self) -> None:
        assert self.claim(self.save("a"), next_at=None)
        assert self.state("a").next_at is None
        due = self.timetable.due(10)
        assert (due.states, due.next_moment) == ((), None)

    def test_a_second_claim_of_one_moment_loses(self) -> None:
        state = self.save("a")
        assert self.claim(state)
        before = self.state("a")
        assert not self.claim(state, missed=5)
        assert self.another().claim([self.claim_of(state)]) == [False]
        assert self.state("a") == before
        assert len(self.run_ids()) == 1

    def test_each_of_several_claims_counts_for_itself(self) -> None:
        states = [self.save(name) for name in ("a", "b", "c")]
        assert self.claim(states[1])
        assert self.timetable.claim([self.claim_of(state) for state in states]) == [True, False, True]
        assert self.timetable.claim([self.claim_of(states[0])] * 2) == [False, False]
        assert self.timetable.claim([]) == []
        assert len(self.run_ids()) == 3

    def test_the_same_moment_twice_in_one_batch_is_had_once(self) -> None:
        state = self.save("a")
        assert self.timetable.claim([self.claim_of(state)] * 2) == [True, False]
        assert len(self.run_ids()) == 1

    def test_one_moment_after_the_other_is_claimed(self) -> None:
        self.save("a")
        for _ in range(5):
            assert self.claim(self.state("a"))
        assert len(set(self.run_ids())) == 5

    def test_a_claim_of_what_was_read_before_a_change_loses(self) -> None:
        state = self.save("a")
        self.save("a", args=(1,))
        assert not self.claim(state)
        assert self.claim(self.state("a"))

    def test_a_claim_of_what_was_read_before_a_pause_loses(self) -> None:
        state = self.save("a")
        self.timetable.pause("a", self.timetable.now() + 1000)
        assert not self.claim(state)
        assert not self.claim(self.state("a"))
        self.timetable.resume("a", state.next_at)
        assert not self.claim(state)
        assert self.claim(self.state("a"))

    def test_a_claim_of_what_has_been_disabled_loses(self) -> None:
        state = self.save("a")
        self.save("a", enabled=False)
        assert not self.claim(state)
        assert not self.claim(self.state("a"))

    def test_a_claim_of_what_has_been_removed_loses_also_when_it_is_back(self) -> None:
        state = self.save("a")
        self.timetable.remove("a")
        assert not self.claim(state)
        self.timetable.save(self.entry("a"), state.next_at)
        assert not self.claim(state)
        assert self.run_ids() == []
        assert self.claim(self.state("a"))

    def test_a_lost_claim_publishes_nothing(self) -> None:
        state = self.save("a")
        self.timetable.pause("a")
        assert not self.claim(state)
        assert self.run_ids() == []
        assert self.timetable.history("a") == []
        assert self.state("a").runs_total == 0

    def test_a_moment_can_pass_without_a_run(self) -> None:
        state = self.save("a")
        assert self.claim(state, runs=(), skipped=1)
        assert self.run_ids() == []
        assert (self.state("a").skipped_total, self.state("a").last_due) == (1, None)

    def test_a_claim_with_runs_that_stays_where_it_is_is_refused(self) -> None:
        state = self.save("a")
        assert "others could claim it again" in raised(ValueError, lambda: self.claim(state, next_at=state.next_at))

    def test_a_claim_that_ends_the_schedule_cannot_say_when_to_look_again(self) -> None:
        state = self.save("a")
        assert "will not come" in raised(ValueError, lambda: self.claim(state, next_at=None, look_at=1000.0))

    def test_moments_are_kept_to_the_last_bit(self) -> None:
        moment = 1764180000.1 + 1e-6 / 3
        self.timetable.save(self.entry("a"), moment)
        state = self.state("a")
        assert state.next_at == moment
        assert self.claim(state, next_at=moment + 0.1)
        assert self.state("a").next_at == moment + 0.1
        assert self.claim(self.state("a"))

    def test_of_many_claimers_one_has_each_moment(self) -> None:
        names = [f"entry-{number}" for number in range(8)]
        for name in names:
            self.timetable.save(self.entry(name), 1000.0)
        had: list[tuple[str, float]] = []
        barrier = threading.Barrier(6)
        threads = [in_thread(self._claim_all, self.another(), barrier, had) for _ in range(6)]
        for thread in threads:
            thread.join()
        expected = {(name, 1000.0 + 60 * step) for name in names for step in range(20)}
        assert Counter(had) == Counter(expected)
        ids = Counter(self.run_ids())
        assert len(ids) == len(expected)
        assert set(ids.values()) == {1}
        assert [self.state(name).runs_total for name in names] == [20] * len(names)

    def _claim_all(self, timetable: Timetable, barrier: threading.Barrier, had: list[tuple[str, float]]) -> None:
        """Claim whatever is due until twenty moments of each entry are over."""
        barrier.wait()
        while states := timetable.due(5, now=1000.0 + 60 * 19).states:
            claims = [self.claim_of(state) for state in states]
            won = timetable.claim(claims)
            had += [(claim.name, claim.due) for claim, was_had in zip(claims, won, strict=True) if was_had]
