"""Timetable suite: who does the work, and how the others learn that there is some."""

import threading
import time

from celeriac.testing.conformance.harness import PATIENCE, TimetableHarness, in_thread, until
from celeriac.timetables.base import Timetable

__all__ = ["Leading"]


class Leading(TimetableHarness):
    """One leads at a time, another soon after it has fallen silent; and a change wakes whoever waits."""

    def test_one_leads_and_the_others_do_not(self) -> None:
        other = self.another()
        assert self.timetable.leader() is None
        assert self.timetable.lead("one", 60)
        assert not other.lead("two", 60)
        assert self.timetable.lead("one", 60)
        leader = other.leader()
        assert leader is not None
        assert leader.name == "one"
        assert 0 < leader.until - self.timetable.now() <= 60

    def test_another_leads_soon_after_the_leader_has_fallen_silent(self) -> None:
        assert self.timetable.lead("one", 0.3)
        began = time.monotonic()
        assert not self.timetable.lead("two", 0.3)
        until(lambda: self.timetable.lead("two", 60))
        assert time.monotonic() - began >= 0.2
        assert not self.timetable.lead("one", 0.3)

    def test_who_leads_again_in_time_goes_on(self) -> None:
        assert self.timetable.lead("one", 5)
        leader = self.timetable.leader()
        assert leader is not None
        assert self.timetable.lead("one", 60)
        again = self.timetable.leader()
        assert again is not None
        assert again.until > leader.until + 30

    def test_who_steps_down_lets_others_lead_at_once(self) -> None:
        assert self.timetable.lead("one", 60)
        self.timetable.step_down("two")
        assert not self.timetable.lead("two", 60)
        self.timetable.step_down("one")
        self.timetable.step_down("one")
        assert self.timetable.leader() is None
        assert self.timetable.lead("two", 60)

    def test_of_many_who_want_to_lead_one_does(self) -> None:
        for _ in range(10):
            barrier = threading.Barrier(5)
            leaders: list[str] = []

            def apply(timetable: Timetable, name: str, barrier: threading.Barrier, leaders: list[str]) -> None:
                barrier.wait()
                if timetable.lead(name, 60):
                    leaders.append(name)

            threads = [in_thread(apply, self.another(), f"{number}", barrier, leaders) for number in range(5)]
            for thread in threads:
                thread.join()
            assert len(leaders) == 1
            self.timetable.step_down(leaders[0])

    def test_a_wait_without_changes_ends_with_its_time(self) -> None:
        self.save("a")
        self.timetable.due(1)
        began = time.monotonic()
        assert not self.timetable.wait(0.15)
        assert time.monotonic() - began >= 0.14
        assert not self.timetable.wait(0)

    def test_a_change_ends_a_wait_of_another(self) -> None:
        self.save("a")
        other = self.another()
        for change in (
            lambda: self.save("b"),
            lambda: self.timetable.sync("code", [self.entry("a")], lambda _: 1.0),
            lambda: self.timetable.pause("a"),
            lambda: self.timetable.resume("a", 1.0),
            lambda: self.timetable.remove("a"),
        ):
            other.due(1)
            ended: list[bool] = []
            thread = in_thread(lambda: ended.append(other.wait(PATIENCE)))  # noqa: B023 - joined before the next
            change()
            thread.join()
            assert ended == [True]

    def test_a_change_since_the_last_look_ends_the_next_wait(self) -> None:
        other = self.another()
        other.due(1)
        self.save("a")
        assert other.wait(PATIENCE)
        assert not other.wait(0)
        self.save("b")
        other.due(1)
        assert not other.wait(0)

    def test_a_claim_is_no_change(self) -> None:
        state = self.save("a")
        other = self.another()
        other.due(1)
        assert self.claim(state)
        assert not other.wait(0)

    def test_wake_ends_a_wait_also_one_that_has_not_begun(self) -> None:
        self.timetable.due(1)
        self.timetable.wake()
        began = time.monotonic()
        assert not self.timetable.wait(PATIENCE)
        thread = in_thread(self.timetable.wait, PATIENCE)
        self.timetable.wake()
        thread.join()
        assert time.monotonic() - began < PATIENCE
