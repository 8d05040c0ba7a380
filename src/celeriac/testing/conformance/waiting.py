"""Result backend suite: waiting for results."""

import threading
import time

from celeriac import states
from celeriac.backends.base import StoredResult
from celeriac.testing.conformance.harness import PATIENCE, BackendHarness, in_thread

__all__ = ["Waiting"]


class Waiting(BackendHarness):
    """Whoever waits learns of the first result at once."""

    def test_a_result_that_is_there_is_returned_at_once(self) -> None:
        self.store(self.result("a"), self.result("b", states.FAILURE), self.result("c", states.STARTED))
        assert set(self.backend.wait(["a", "b", "c", "d"], 60)) == {"a", "b"}

    def test_nothing_is_returned_after_the_timeout(self) -> None:
        self.store(self.result("a", states.STARTED))
        started = time.monotonic()
        assert self.backend.wait(["a", "b"], 0.15) == {}
        assert time.monotonic() - started >= 0.14
        assert self.backend.wait(["a"], 0) == {}

    def test_a_wait_ends_with_the_result(self) -> None:
        thread, found = self._wait_in_thread("a")
        self.store(self.result("a"))
        thread.join()
        assert found["a"].document == b"a is SUCCESS"

    def test_a_wait_for_several_ends_with_the_first(self) -> None:
        thread, found = self._wait_in_thread("a", "b", "c")
        self.store(self.result("b", states.REVOKED))
        thread.join()
        assert set(found) == {"b"}

    def test_a_state_that_is_not_final_ends_no_wait(self) -> None:
        thread, found = self._wait_in_thread("a")
        for state in (states.STARTED, states.RETRY, "PROGRESS"):
            self.store(self.result("a", state))
        self.store(self.result("a"))
        thread.join()
        assert found["a"].state == "SUCCESS"

    def test_what_another_backend_object_stores_ends_a_wait(self) -> None:
        other = self.keep(self.make_backend())
        thread, found = self._wait_in_thread("a")
        other.store([self.result("a")])
        thread.join()
        assert set(found) == {"a"}

    def test_wake_ends_a_wait(self) -> None:
        started = time.monotonic()
        thread, found = self._wait_in_thread("a")
        self.backend.wake()
        thread.join()
        assert found == {}
        assert time.monotonic() - started < PATIENCE

    def test_wake_ends_a_wait_that_has_not_begun_but_only_one(self) -> None:
        self.backend.wake()
        started = time.monotonic()
        assert self.backend.wait(["a"], PATIENCE) == {}
        assert time.monotonic() - started < PATIENCE
        thread, found = self._wait_in_thread("a")
        self.store(self.result("a"))
        thread.join()
        assert set(found) == {"a"}

    def test_many_threads_wait_each_for_its_own(self) -> None:
        waits = [self._wait_in_thread(f"task-{number}") for number in range(40)]
        for number in reversed(range(40)):
            self.store(self.result(f"task-{number}"))
        for number, (thread, found) in enumerate(waits):
            thread.join()
            assert set(found) == {f"task-{number}"}

    def test_many_threads_wait_for_one(self) -> None:
        waits = [self._wait_in_thread("a") for _ in range(20)]
        self.store(self.result("a"))
        for thread, found in waits:
            thread.join()
            assert set(found) == {"a"}

    def test_a_wait_for_several_may_ask_for_how_many(self) -> None:
        found: dict[str, StoredResult] = {}
        wait = lambda: found.update(self.backend.wait(["a", "b", "c"], PATIENCE, minimum=2))  # noqa: E731
        thread = in_thread(wait)
        self.store(self.result("a"))
        assert self.backend.wait(["a", "b"], 0.05, minimum=2).keys() == {"a"}
        assert thread.is_alive()
        self.store(self.result("b", states.FAILURE))
        thread.join()
        assert set(found) == {"a", "b"}
        assert set(self.backend.wait(["a", "b"], PATIENCE, minimum=9)) == {"a", "b"}

    def test_a_wait_for_very_many_is_over_when_all_have_come(self) -> None:
        waiting = {f"task-{number}" for number in range(300)}

        def store_all() -> None:
            for number in range(300):
                self.store(self.result(f"task-{number}"))

        thread = in_thread(store_all)
        deadline = time.monotonic() + PATIENCE
        while waiting and time.monotonic() < deadline:
            waiting -= self.backend.wait(sorted(waiting), 5).keys()
        thread.join()
        assert waiting == set()

    def test_waiting_again_after_a_timeout_works(self) -> None:
        assert self.backend.wait(["a"], 0.05) == {}
        thread, found = self._wait_in_thread("a")
        self.store(self.result("a"))
        thread.join()
        assert set(found) == {"a"}

    def _wait_in_thread(self, *task_ids: str) -> tuple[threading.Thread, dict[str, StoredResult]]:
        found: dict[str, StoredResult] = {}
        return in_thread(lambda: found.update(self.backend.wait(task_ids, PATIENCE))), found
