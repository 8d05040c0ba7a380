"""Timetable suite: entries come, change and go."""

import threading
from datetime import UTC, datetime

from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedule_entry import ScheduleEntry
from celeriac.testing.conformance.harness import TimetableHarness, in_thread, raised
from celeriac.timetables.base import Changes

__all__ = ["Entries"]


class Entries(TimetableHarness):
    """A source's entries become what it says, and what it does not touch stays as it is."""

    #: Names of entries that were asked for their first moment.
    asked: list[str]

    def test_an_entry_is_there_as_it_was_saved(self) -> None:
        entry = self.entry(
            "Ünder the röof",
            args=(1, "two", datetime(2026, 11, 26, tzinfo=UTC)),
            kwargs={"days": 30},
            options={"queue": "nightly", "headers": {"x": "y"}},
            missed="all",
            missed_bound=7,
            overlap="queue",
            source="user",
        )
        self.timetable.save(entry, 1234567890.125)
        state = self.state(entry.name)
        assert state.entry == entry
        assert state.next_at == 1234567890.125
        assert (state.last_due, state.last_run_id, state.last_published_at, state.lateness) == (None,) * 4
        assert (state.runs_total, state.missed_total, state.skipped_total, state.paused_until) == (0, 0, 0, None)

    def test_a_name_nobody_knows_is_nothing(self) -> None:
        assert self.timetable.get("a") is None
        assert self.timetable.states(["a"]) == {}
        assert self.timetable.entries() == []
        assert self.timetable.count() == 0
        assert self.timetable.history("a") == []

    def test_sync_adds_changes_and_removes_and_says_so(self) -> None:
        assert self._sync(self.entry("a"), self.entry("b")) == Changes(added=("a", "b"))
        changes = self._sync(self.entry("c"), self.entry("b", args=(1,)))
        assert changes == Changes(added=("c",), changed=("b",), removed=("a",))
        assert [state.entry.name for state in self.timetable.entries()] == ["b", "c"]
        assert self.state("b").entry.args == (1,)

    def test_sync_of_what_is_there_changes_nothing_and_asks_for_no_moment(self) -> None:
        entries = [self.entry("a", kwargs={"x": 1, "y": 2}), self.entry("b")]
        self._sync(*entries)
        before = self.timetable.entries()
        self.asked.clear()
        assert self._sync(self.entry("a", kwargs={"y": 2, "x": 1}), self.entry("b")) == Changes()
        assert self.asked == []
        assert self.timetable.entries() == before

    def test_what_sync_does_not_change_keeps_its_moment_and_its_history(self) -> None:
        self._sync(self.entry("a"))
        assert self.claim(self.state("a"))
        before = self.state("a")
        self._sync(self.entry("a"), self.entry("b"))
        assert self.state("a") == before
        assert len(self.timetable.history("a")) == 1

    def test_an_entry_with_other_arguments_keeps_its_moment(self) -> None:
        self._sync(self.entry("a"))
        before = self.state("a")
        self.asked.clear()
        assert self._sync(self.entry("a", args=(1,))) == Changes(changed=("a",))
        assert self.asked == []
        assert self.state("a").next_at == before.next_at
        assert self.state("a").generation != before.generation

    def test_an_entry_with_another_schedule_gets_another_moment_and_keeps_its_history(self) -> None:
        self._sync(self.entry("a"))
        assert self.claim(self.state("a"))
        moment = self.timetable.now() + 1000
        changed = self.entry("a", schedule={"every": 1000})
        assert self.timetable.sync("code", [changed], lambda _: moment) == Changes(changed=("a",))
        assert self.state("a").next_at == moment
        assert self.state("a").runs_total == 1
        assert len(self.timetable.history("a")) == 1

    def test_an_entry_that_is_enabled_again_gets_a_new_moment(self) -> None:
        self._sync(self.entry("a", enabled=False))
        assert self.due_names() == []
        self.asked.clear()
        self._sync(self.entry("a"))
        assert self.asked == ["a"]
        assert self.due_names() == ["a"]

    def test_an_entry_whose_schedule_has_ended_stays_without_a_moment(self) -> None:
        assert self.timetable.sync("code", [self.entry("a")], lambda _: None) == Changes(added=("a",))
        assert self.state("a").next_at is None
        assert self.due_names() == []

    def test_entries_of_other_sources_stay(self) -> None:
        self.save("theirs", source="user")
        self._sync(self.entry("ours"))
        assert self._sync() == Changes(removed=("ours",))
        assert [state.entry.name for state in self.timetable.entries()] == ["theirs"]

    def test_an_entry_whose_name_another_source_has_is_left_out_and_the_others_are_not(self) -> None:
        theirs = self.save("theirs", source="user")
        changes = self._sync(self.entry("ours"), self.entry("theirs", args=(1,)))
        assert changes == Changes(added=("ours",), taken={"theirs": "user"})
        assert self._sync(self.entry("ours"), self.entry("theirs", args=(1,))) == Changes(taken={"theirs": "user"})
        assert self._sync() == Changes(removed=("ours",))
        assert self.timetable.entries() == [theirs]

    def test_a_name_that_another_source_has_is_refused_when_saved(self) -> None:
        self._sync(self.entry("ours"))
        said = raised(ImproperlyConfigured, lambda: self.save("ours", args=(1,), source="user"))
        assert "'ours' already, of the source 'code'" in said
        assert self.state("ours").entry.args == ()

    def test_one_name_for_two_entries_is_refused(self) -> None:
        twice = self.entry("a"), self.entry("a", args=(1,))
        said = raised(ImproperlyConfigured, lambda: self._sync(*twice))
        assert said.startswith("Two schedule entries are called 'a'.")
        assert self.timetable.count() == 0

    def test_saving_an_entry_changes_it_and_saving_it_again_does_not(self) -> None:
        first = self.save("a", due_in=10)
        second = self.save("a", due_in=20, args=(1,))
        assert (second.entry.args, second.next_at) == ((1,), first.next_at)
        assert second.generation != first.generation
        assert self.save("a", due_in=30, args=(1,)) == second
        third = self.save("a", due_in=30, schedule={"every": 1})
        assert third.next_at is not None
        assert first.next_at is not None
        assert third.next_at > first.next_at + 15

    def test_a_removed_entry_is_gone_with_its_history(self) -> None:
        state = self.save("a")
        assert self.claim(state)
        assert self.timetable.remove("a")
        assert not self.timetable.remove("a")
        assert self.timetable.get("a") is None
        assert self.due_names() == []
        assert self.timetable.history("a") == []
        self.save("a")
        assert self.timetable.history("a") == []

    def test_entries_are_listed_by_name_or_by_their_next_moment(self) -> None:
        self.save("c", due_in=30)
        self.save("a", due_in=20)
        self.save("b", due_in=10)
        self.save("d", due_in=5, enabled=False)
        self.save("e", due_in=40)
        self.timetable.pause("e")
        assert self._names() == ["a", "b", "c", "d", "e"]
        assert [state.entry.name for state in self.timetable.entries(1, 2)] == ["b", "c"]
        by_moment = [state.entry.name for state in self.timetable.entries(order="next")]
        assert by_moment == ["b", "a", "c", "d", "e"]
        assert [state.entry.name for state in self.timetable.entries(1, 3, order="next")] == ["a", "c", "d"]
        assert self.timetable.count() == 5

    def test_some_entries_are_read_by_their_names(self) -> None:
        for name in ("a", "b", "c"):
            self.save(name)
        assert self.timetable.states(["c", "a", "nobody", "a"]) == {name: self.state(name) for name in ("a", "c")}
        assert self.timetable.states([]) == {}

    def test_many_entries_are_put_in_order_at_once(self) -> None:
        entries = [self.entry(f"entry-{number:04}") for number in range(3000)]
        assert len(self._sync(*entries).added) == 3000
        assert self.timetable.count() == 3000
        changed = [self.entry(entry.name, args=(1,)) for entry in entries[:1500]]
        changes = self._sync(*changed)
        assert (len(changes.changed), len(changes.removed)) == (1500, 1500)
        assert self._sync(*changed) == Changes()

    def test_two_who_put_a_source_in_order_at_once_do_not_mix(self) -> None:
        sides = {letter: [self.entry(f"{letter}-{number}") for number in range(40)] for letter in "ab"}

        timetables = {letter: self.another() for letter in sides}
        expected = [sorted(entry.name for entry in side) for side in sides.values()]

        def sync(letter: str, together: threading.Barrier) -> None:
            together.wait()
            timetables[letter].sync("code", sides[letter], lambda _: 1.0)

        for _ in range(30):
            together = threading.Barrier(2)
            threads = [in_thread(sync, letter, together) for letter in sides]
            for thread in threads:
                thread.join()
            assert self._names() in expected
            self._sync()

    def test_another_timetable_object_sees_the_same(self) -> None:
        state = self.save("a")
        other = self.another()
        assert other.get("a") == state
        assert other.namespace() == self.timetable.namespace()

    def test_a_timetable_that_was_closed_opens_itself_when_it_is_used(self) -> None:
        self.timetable.open()
        self.timetable.open()
        state = self.save("a")
        self.timetable.close()
        self.timetable.close()
        assert self.timetable.get("a") == state

    def setup_method(self) -> None:
        super().setup_method()
        self.asked = []

    def _sync(self, *entries: ScheduleEntry) -> Changes:
        def first_due(entry: ScheduleEntry) -> float:
            self.asked.append(entry.name)
            return self.timetable.now() - 1

        return self.timetable.sync("code", entries, first_due)

    def _names(self) -> list[str]:
        return [state.entry.name for state in self.timetable.entries()]
