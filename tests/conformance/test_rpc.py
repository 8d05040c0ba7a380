"""The suite on the results that RabbitMQ sends to their callers, as far as results that nobody keeps can pass it."""

import time

import pytest

from celeriac import states
from celeriac.backends.base import LAST_WORD, StoredResult
from celeriac.backends.rpc import RpcBackend
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.testing.conformance.harness import until
from celeriac.testing.conformance.storing import Storing
from celeriac.testing.conformance.waiting import Waiting
from tests.servers.shared import amqp_url


class TestRpcBackend(Storing, Waiting):
    """What is stored reaches the caller, whose queue every result is addressed to here, and nobody else."""

    def make_backend(self) -> RpcBackend:
        broker = self.keep(AmqpBroker(amqp_url()))
        return RpcBackend("rpc://", broker=broker)

    def setup_method(self) -> None:
        super().setup_method()
        # This one is the caller, and it is there before another thread asks for it.
        self.backend.reply_address()

    def teardown_method(self) -> None:
        backends = [each for each in self._to_close if isinstance(each, RpcBackend)]
        for backend in backends:
            backend._remove()
        super().teardown_method()

    def result(self, task_id: str, state: str = "SUCCESS", **changes) -> StoredResult:
        return super().result(task_id, state, **({"reply_to": self.backend.reply_address()} | changes))

    def test_another_backend_object_sees_the_same(self) -> None:
        self.store(self.result("a"))
        assert self.keep(self.make_backend()).fetch_one("a") is None
        assert self.backend.fetch_one("a") is not None

    def test_success_is_final(self) -> None:
        self.store(self.result("a", execution=1))
        for state in (states.STARTED, states.FAILURE, states.SUCCESS):
            # Whoever sends it cannot know, so nothing is refused; the caller knows.
            self.store(self.result("a", state, document=b"late", execution=2))
        assert self.documents(["a"]) == {"a": b"a is SUCCESS"}

    def test_an_earlier_execution_never_replaces_a_later_one(self) -> None:
        self.store(self.result("a", states.STARTED, execution=5))
        self.store(self.result("a", states.RETRY, execution=4), self.result("b", execution=4))
        assert self.documents(["a", "b"]) == {"a": b"a is STARTED", "b": b"b is SUCCESS"}

    def test_a_final_state_takes_the_place_of_an_unfinished_one_whatever_the_clocks_say(self) -> None:
        self.store(self.result("a", states.STARTED, execution=5))
        self.store(self.result("a", states.FAILURE, execution=4), self.result("a", states.STARTED, execution=4))
        self.store(self.result("a", states.STARTED, execution=3))
        assert self.documents(["a"]) == {"a": b"a is FAILURE"}

    def test_a_result_without_a_delivery_is_not_refused_and_leaves_the_fence_up(self) -> None:
        self.store(self.result("a", states.STARTED, execution=5))
        self.store(self.result("a", "PROGRESS", execution=0))
        self.store(self.result("a", states.STARTED, execution=4))
        assert self.documents(["a"]) == {"a": b"a is PROGRESS"}

    def test_a_last_word_is_final_and_takes_the_place_of_nothing_that_is(self) -> None:
        self.store(self.result("a", states.STARTED, execution=5), self.result("b", states.FAILURE, execution=5))
        self.store(*[self.result(each, states.REVOKED, execution=LAST_WORD) for each in "ab"])
        for state, execution in (("PROGRESS", 0), (states.SUCCESS, 6), (states.SUCCESS, 0), (states.FAILURE, 7)):
            self.store(self.result("a", state, execution=execution))
        assert self.documents(["a", "b"]) == {"a": b"a is REVOKED", "b": b"b is FAILURE"}

    def test_a_result_expires(self) -> None:
        """With its queue, a day after the last reading."""

    def test_what_has_expired_fences_nothing(self) -> None:
        """Nothing fences."""

    def test_prune_drops_what_has_expired_and_nothing_else(self) -> None:
        assert self.backend.prune() == 0

    def test_a_result_without_an_address_goes_nowhere(self) -> None:
        self.store(self.result("a", reply_to=None))
        assert self.backend.fetch(["a"]) == {}

    def test_a_result_for_a_caller_who_is_gone_is_dropped(self) -> None:
        self.store(self.result("a", reply_to="gone"))

    def test_what_it_cannot_do_it_says_in_a_sentence(self) -> None:
        for attempt in (
            lambda: self.backend.save_group("g", b""),
            lambda: self.backend.load_group("g"),
            lambda: self.backend.chord_part("g", size=1, index=0, document=b""),
        ):
            with pytest.raises(NotImplementedError, match=r"sends each result to its caller and keeps none, so .* Set"):
                attempt()
        self.backend.forget_group("g")
        assert "to no other" in self.backend.examine()[0].sentence

    def test_a_fetch_gets_a_word_in_while_another_thread_waits(self) -> None:
        thread, found = self._wait_in_thread("later")
        for number in range(30):
            self.store(self.result(f"task-{number}", states.STARTED))
            assert set(self.backend.fetch([f"task-{number}"])) == {f"task-{number}"}
        self.store(self.result("later"))
        thread.join()
        assert set(found) == {"later"}

    def test_what_comes_while_nobody_reads_waits_in_the_queue(self) -> None:
        self.store(*(self.result(f"task-{number}") for number in range(2500)))
        assert len(self.backend.wait([f"task-{number}" for number in range(2500)], 15, 2500)) == 2500

    def test_a_reader_who_lost_the_connection_reads_on(self) -> None:
        self.store(self.result("a"))
        assert self.backend.wait(["a"], 15)
        backend = self.backend
        assert isinstance(backend, RpcBackend)
        backend._own_mailbox._channel.connection._stream._socket.shutdown(2)
        self.store(self.result("b"))
        assert set(self.backend.wait(["b"], 15)) == {"b"}

    def test_a_wait_that_has_begun_goes_on_after_the_connection_was_lost(self) -> None:
        thread, found = self._wait_in_thread("a")
        backend = self.backend
        assert isinstance(backend, RpcBackend)
        until(lambda: backend._own_mailbox._is_read)
        backend._own_mailbox._channel.connection._stream._socket.shutdown(2)
        self.store(self.result("a"))
        started = time.monotonic()
        thread.join()
        assert set(found) == {"a"}
        assert time.monotonic() - started < 10
