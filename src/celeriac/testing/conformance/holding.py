"""Result backend suite: runs that are held."""

import threading
from collections import Counter

from celeriac import states
from celeriac.backends.base import Holding
from celeriac.testing.conformance.harness import BackendHarness, in_thread, until

__all__ = ["RunHolding"]


class RunHolding(BackendHarness):
    """A run is one holder's at a time, and nobody's once it has ended."""

    def test_a_run_that_nobody_holds_is_had_and_another_one_does_not_get_it(self) -> None:
        assert self._hold("a", "b") == {"a": Holding.OURS, "b": Holding.OURS}
        assert self._hold("a", "c", holder="two") == {"a": Holding.TAKEN, "c": Holding.OURS}
        assert self._hold("a", "c") == {"a": Holding.OURS, "c": Holding.TAKEN}
        assert self.backend.hold([], "one", 60.0) == {}

    def test_another_backend_object_sees_what_is_held(self) -> None:
        self._hold("a")
        assert self.keep(self.make_backend()).hold(["a"], "two", 60.0) == {"a": Holding.TAKEN}

    def test_what_is_not_held_any_longer_goes_to_others(self) -> None:
        assert self._hold("a", seconds=0.2) == {"a": Holding.OURS}
        until(lambda: self._hold("a", holder="two") == {"a": Holding.OURS})
        assert self._hold("a") == {"a": Holding.TAKEN}

    def test_holding_again_holds_for_longer(self) -> None:
        self._hold("a", "b", seconds=0.5)
        self._hold("a")
        until(lambda: self._hold("b", holder="two") == {"b": Holding.OURS})
        assert self._hold("a", holder="two") == {"a": Holding.TAKEN}

    def test_what_is_let_go_goes_to_others_at_once_and_what_others_hold_stays_theirs(self) -> None:
        self._hold("a")
        self.backend.let_go(["a", "unknown"], "two")
        assert self._hold("a", holder="two") == {"a": Holding.TAKEN}
        self.backend.let_go(["a"], "one")
        self.backend.let_go(["a"], "one")
        assert self._hold("a", holder="two") == {"a": Holding.OURS}

    def test_nobody_gets_a_run_whose_result_is_final(self) -> None:
        for state in (states.SUCCESS, states.FAILURE, states.REVOKED):
            self._hold(state)
            self.store(self.result(state, state))
            assert self._hold(state) == self._hold(state, holder="two") == {state: Holding.ENDED}
        self.store(self.result("packed", content_type="application/x-msgpack", content_encoding="binary"))
        assert self._hold("packed") == {"packed": Holding.ENDED}

    def test_a_run_that_has_begun_or_is_to_be_tried_again_has_not_ended(self) -> None:
        for state in (states.STARTED, states.RETRY):
            self.store(self.result(state, state))
            assert self._hold(state) == {state: Holding.OURS}

    def test_what_has_ended_without_a_result_is_nobodys_either(self) -> None:
        self._hold("a")
        self.backend.end_runs(["a", "b"])
        self.backend.end_runs(["a"])
        assert self._hold("a", "b") == {"a": Holding.ENDED, "b": Holding.ENDED}
        self.backend.let_go(["a", "b"], "one")
        assert self._hold("a", "b", holder="two") == {"a": Holding.ENDED, "b": Holding.ENDED}
        assert self.backend.fetch(["a"]) == {}

    def test_pruning_leaves_what_is_held_and_what_has_ended(self) -> None:
        self._hold("a")
        self.backend.end_runs(["b"])
        self.backend.prune()
        assert self._hold("a", "b", holder="two") == {"a": Holding.TAKEN, "b": Holding.ENDED}

    def test_many_are_held_at_once(self) -> None:
        task_ids = [f"run-{number}" for number in range(1200)]
        assert set(self._hold(*task_ids).values()) == {Holding.OURS}
        self.backend.let_go(task_ids[:600], "one")
        assert Counter(self._hold(*task_ids, holder="two").values()) == {Holding.OURS: 600, Holding.TAKEN: 600}

    def test_of_many_who_ask_at_the_same_moment_one_gets_it(self) -> None:
        task_ids = [f"run-{number}" for number in range(40)]
        barrier = threading.Barrier(4)
        answers: dict[str, dict[str, Holding]] = {}

        def ask(holder: str) -> None:
            barrier.wait()
            answers[holder] = {task_id: self._hold(task_id, holder=holder)[task_id] for task_id in task_ids}

        for thread in [in_thread(ask, f"holder-{number}") for number in range(4)]:
            thread.join()
        for task_id in task_ids:
            assert Counter(answer[task_id] for answer in answers.values()) == {Holding.OURS: 1, Holding.TAKEN: 3}

    def _hold(self, *task_ids: str, holder: str = "one", seconds: float = 60.0) -> dict[str, Holding]:
        return self.backend.hold(task_ids, holder, seconds)
