"""Timetable suite: what is due, and what rests."""

from celeriac.testing.conformance.harness import TimetableHarness, until
from celeriac.timetables.base import FOREVER

__all__ = ["Moments"]


class Moments(TimetableHarness):
    """What is due is told, the longest due first, until it is claimed."""

    def test_what_is_due_is_told_and_the_longest_due_comes_first(self) -> None:
        self.save("late", due_in=-10)
        self.save("later", due_in=-20)
        self.save("future", due_in=1000)
        due = self.timetable.due(10)
        assert [state.entry.name for state in due.states] == ["later", "late"]
        assert due.states[0] == self.state("later")
        assert due.next_moment == self.state("future").next_at

    def test_what_is_due_at_one_moment_comes_by_name(self) -> None:
        for name in ("b", "c", "a"):
            self.timetable.save(self.entry(name), 1000.0)
        assert self.due_names() == ["a", "b", "c"]

    def test_what_is_due_is_decided_by_the_clock_of_the_store(self) -> None:
        self.save("a", due_in=0.3)
        due = self.timetable.due(10)
        assert due.states == ()
        assert due.next_moment == self.state("a").next_at
        assert due.next_moment is not None
        assert due.now < due.next_moment
        until(lambda: self.due_names() == ["a"])
        assert self.timetable.now() >= due.next_moment

    def test_a_moment_that_has_come_exactly_is_due(self) -> None:
        self.timetable.save(self.entry("a"), 5000.5)
        assert self.due_names(now=5000.25) == []
        assert self.due_names(now=5000.5) == ["a"]

    def test_no_more_is_told_than_asked_for_and_that_there_is_more(self) -> None:
        for number in range(5):
            self.timetable.save(self.entry(f"{number}"), 1000.0 + number)
        due = self.timetable.due(3, now=2000.0)
        assert [state.entry.name for state in due.states] == ["0", "1", "2"]
        assert (due.now, due.next_moment) == (2000.0, 1003.0)

    def test_nothing_planned_means_no_next_moment(self) -> None:
        self.save("ended", due_in=None)
        self.save("disabled", due_in=-1, enabled=False)
        self.save("resting", due_in=-1)
        self.timetable.pause("resting")
        due = self.timetable.due(10)
        assert (due.states, due.next_moment) == ((), None)

    def test_what_is_not_claimed_stays_due(self) -> None:
        self.save("a")
        assert [self.due_names() for _ in range(3)] == [["a"]] * 3

    def test_few_among_many_are_found(self) -> None:
        entries = [self.entry(f"{number:04}") for number in range(2000)]
        soon = {"0700": 10.0, "1999": 11.0}
        self.timetable.sync("code", entries, lambda entry: soon.get(entry.name, 1e6))
        due = self.timetable.due(10, now=20.0)
        assert [state.entry.name for state in due.states] == ["0700", "1999"]
        assert due.next_moment == 1e6

    def test_a_paused_entry_rests_until_it_is_resumed(self) -> None:
        self.save("a")
        assert self.timetable.pause("a")
        assert self.state("a").paused_until == FOREVER
        assert self.due_names() == []
        moment = self.timetable.now() - 0.5
        assert self.timetable.resume("a", moment)
        assert (self.state("a").paused_until, self.state("a").next_at) == (None, moment)
        assert self.due_names() == ["a"]

    def test_an_entry_paused_for_a_while_goes_on_by_itself(self) -> None:
        before = self.save("a")
        assert before.next_at is not None
        moment = self.timetable.now() + 0.3
        assert self.timetable.pause("a", moment)
        due = self.timetable.due(10)
        assert (due.states, due.next_moment) == ((), moment)
        [state] = until(lambda: self.timetable.due(10).states)
        # The moments that it slept through can be told from those that were missed.
        assert (state.next_at, state.paused_until) == (before.next_at, moment)
        # Also by who looks after the entry has waited for something.
        assert self.claim(state, next_at=state.next_at, look_at=self.timetable.now(), runs=())
        [state] = until(lambda: self.timetable.due(10).states)
        assert (state.next_at, state.paused_until) == (before.next_at, moment)
        assert self.claim(state)
        assert self.state("a").paused_until is None

    def test_an_entry_paused_beyond_its_next_moment_is_due_at_the_end_of_the_pause(self) -> None:
        self.timetable.save(self.entry("short"), 1000.0)
        self.timetable.save(self.entry("long"), 1000.0)
        self.timetable.pause("short", 500.0)
        self.timetable.pause("long", 1500.0)
        assert self.due_names(now=1000.0) == ["short"]
        assert self.due_names(now=1500.0) == ["short", "long"]

    def test_a_paused_entry_stays_paused_when_it_is_changed(self) -> None:
        self.save("a")
        self.timetable.pause("a")
        self.save("a", args=(1,))
        self.save("a", schedule={"every": 1})
        assert self.state("a").paused_until == FOREVER
        assert self.due_names() == []

    def test_a_disabled_entry_that_is_resumed_stays_disabled(self) -> None:
        self.save("a", enabled=False)
        self.timetable.resume("a", 1000.0)
        assert self.due_names() == []

    def test_nobody_can_pause_or_resume_what_is_not_there(self) -> None:
        assert not self.timetable.pause("a")
        assert not self.timetable.resume("a", 1000.0)
        assert self.timetable.get("a") is None

    def test_an_entry_that_waits_for_something_is_not_told_before(self) -> None:
        state = self.save("a")
        assert state.next_at is not None
        moment = self.timetable.now() + 1000
        assert self.claim(state, next_at=state.next_at, look_at=moment, runs=())
        assert self.due_names() == []
        assert self.timetable.due(10).next_moment == moment
        assert self.due_names(now=moment) == ["a"]
        assert self.state("a").next_at == state.next_at
        assert self.claim(self.state("a"))
