"""Result backend suite: storing and fetching."""

import pickle

from celeriac import states
from celeriac.backends.base import LAST_WORD
from celeriac.testing.conformance.harness import BackendHarness, in_thread, until

__all__ = ["Storing"]


class Storing(BackendHarness):
    """What is stored is there for everybody until it expires; later executions win, and SUCCESS is final."""

    def test_a_stored_result_is_fetched_as_it_was(self) -> None:
        stored = self.result("a", content_type="application/x-msgpack", content_encoding="binary", execution=7)
        self.store(stored)
        fetched = self.backend.fetch(["a"])["a"]
        assert (fetched.task_id, fetched.state, fetched.document) == ("a", "SUCCESS", b"a is SUCCESS")
        assert (fetched.content_type, fetched.content_encoding) == ("application/x-msgpack", "binary")

    def test_ids_nobody_knows_are_missing_from_the_answer(self) -> None:
        self.store(self.result("a"))
        assert set(self.backend.fetch(["a", "b"])) == {"a"}
        assert self.backend.fetch([]) == {}
        assert self.backend.fetch_one("b") is None

    def test_states_of_unknown_tasks_are_pending(self) -> None:
        self.store(self.result("a"), self.result("b", states.STARTED))
        assert self.backend.states(["a", "b", "c"]) == {"a": "SUCCESS", "b": "STARTED", "c": "PENDING"}

    def test_many_are_stored_at_once(self) -> None:
        results = [self.result(f"task-{number}") for number in range(1200)]
        self.store(*results)
        assert self.documents([result.task_id for result in results]) == {
            result.task_id: result.document for result in results
        }

    def test_storing_nothing_is_allowed(self) -> None:
        assert self.backend.store([]) == []

    def test_a_large_document_is_kept(self) -> None:
        document = bytes(range(256)) * 8192
        self.store(self.result("a", document=document))
        assert self.documents(["a"]) == {"a": document}

    def test_another_backend_object_sees_the_same(self) -> None:
        self.store(self.result("a"))
        assert self.keep(self.make_backend()).fetch_one("a") is not None

    def test_a_later_state_takes_the_place_of_an_earlier_one(self) -> None:
        for state in (states.STARTED, states.RETRY, "PROGRESS", states.FAILURE, states.STARTED, states.SUCCESS):
            self.store(self.result("a", state))
            assert self.documents(["a"]) == {"a": f"a is {state}".encode()}

    def test_success_is_final(self) -> None:
        self.store(self.result("a", execution=1))
        for state in (states.STARTED, states.FAILURE, states.SUCCESS):
            late = self.result("a", state, document=b"late", execution=2)
            assert self.backend.store([late]) == [late]
        assert self.documents(["a"]) == {"a": b"a is SUCCESS"}

    def test_an_earlier_execution_never_replaces_a_later_one(self) -> None:
        self.store(self.result("a", states.RETRY, execution=5))
        late = self.result("a", states.STARTED, execution=4)
        good = self.result("b", states.SUCCESS, execution=4)
        assert self.backend.store([late, good]) == [late]
        assert self.documents(["a", "b"]) == {"a": b"a is RETRY", "b": b"b is SUCCESS"}
        self.store(self.result("a", states.FAILURE, execution=5))
        late = self.result("a", states.FAILURE, execution=4)
        assert self.backend.store([late]) == [late]
        self.store(self.result("a", states.SUCCESS, execution=6))

    def test_a_final_state_takes_the_place_of_an_unfinished_one_whatever_the_clocks_say(self) -> None:
        self.store(self.result("a", states.STARTED, execution=5))
        self.store(self.result("a", states.FAILURE, execution=4))
        late = self.result("a", states.STARTED, execution=4)
        assert self.backend.store([late]) == [late]
        self.store(self.result("a", states.SUCCESS, execution=5))

    def test_a_result_without_a_delivery_is_not_refused_and_leaves_the_fence_up(self) -> None:
        self.store(self.result("a", states.STARTED, execution=5))
        self.store(self.result("a", "PROGRESS", execution=0))
        late = self.result("a", states.STARTED, execution=4)
        assert self.backend.store([late]) == [late]
        self.store(self.result("a", states.SUCCESS, execution=5))

    def test_a_last_word_is_final_and_takes_the_place_of_nothing_that_is(self) -> None:
        self.store(self.result("a", states.STARTED, execution=5), self.result("b", states.FAILURE, execution=5))
        last = self.result("b", states.REVOKED, execution=LAST_WORD)
        assert self.backend.store([last]) == [last]
        self.store(self.result("a", states.REVOKED, execution=LAST_WORD))
        for state, execution in (("PROGRESS", 0), (states.SUCCESS, 6), (states.SUCCESS, 0), (states.FAILURE, 7)):
            late = self.result("a", state, execution=execution)
            assert self.backend.store([late]) == [late]
        assert self.documents(["a", "b"]) == {"a": b"a is REVOKED", "b": b"b is FAILURE"}

    def test_one_task_may_occur_twice_in_a_batch(self) -> None:
        self.store(self.result("a", states.STARTED, execution=1), self.result("a", states.SUCCESS, execution=1))
        assert self.documents(["a"]) == {"a": b"a is SUCCESS"}

    def test_a_result_expires(self) -> None:
        self.store(self.result("brief", lifetime=0.2), self.result("long"), self.result("ever", lifetime=None))
        until(lambda: "brief" not in self.backend.fetch(["brief"]))
        assert set(self.backend.fetch(["brief", "long", "ever"])) == {"long", "ever"}

    def test_what_has_expired_fences_nothing(self) -> None:
        self.store(self.result("a", execution=5, lifetime=0.1))
        until(lambda: not self.backend.fetch(["a"]))
        self.store(self.result("a", states.STARTED, execution=1))
        assert self.documents(["a"]) == {"a": b"a is STARTED"}

    def test_prune_drops_what_has_expired_and_nothing_else(self) -> None:
        self.store(self.result("a", lifetime=0.05), self.result("b"), self.result("c", lifetime=None))
        until(lambda: not self.backend.fetch(["a"]))
        self.backend.prune()
        assert self.backend.prune() == 0
        assert set(self.backend.fetch(["a", "b", "c"])) == {"b", "c"}

    def test_a_forgotten_result_is_gone_and_can_be_stored_again(self) -> None:
        self.store(self.result("a"), self.result("b"))
        self.backend.forget(["a", "unknown"])
        self.backend.forget(["a"])
        assert set(self.backend.fetch(["a", "b"])) == {"b"}
        self.store(self.result("a", states.FAILURE))

    def test_threads_store_at_the_same_time_and_nothing_is_lost(self) -> None:
        failures: list[BaseException] = []

        def store(number: int) -> None:
            try:
                for step in range(20):
                    self.store(self.result(f"{number}-{step}"))
            except BaseException as error:  # noqa: BLE001 - reported by the test's own thread
                failures.append(error)

        threads = [in_thread(store, number) for number in range(6)]
        for thread in threads:
            thread.join()
        assert failures == []
        task_ids = [f"{number}-{step}" for number in range(6) for step in range(20)]
        assert set(self.backend.fetch(task_ids)) == set(task_ids)

    def test_a_backend_that_was_closed_opens_itself_when_it_is_used(self) -> None:
        self.backend.open()
        self.backend.open()
        self.store(self.result("a"))
        self.backend.close()
        self.backend.close()
        assert self.documents(["a"]) == {"a": b"a is SUCCESS"}

    def test_what_is_fetched_can_be_pickled(self) -> None:
        self.store(self.result("a"))
        fetched = self.backend.fetch(["a"])
        assert pickle.loads(pickle.dumps(fetched)) == fetched  # noqa: S301 - our own bytes
