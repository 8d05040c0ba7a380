"""Broker suite: how deliveries end."""

import time

from celeriac.backends.base import Holding
from celeriac.backends.disabled import DisabledBackend
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.base import Outcome, Settlement
from celeriac.exceptions import OperationalError
from celeriac.testing.conformance.harness import BackendThatFails, BrokerHarness

__all__ = ["Settling"]


class Settling(BrokerHarness):
    """A delivery ends once, with all that belongs to it."""

    def test_an_acked_message_is_gone(self) -> None:
        self.publish()
        consumer = self.consumer()
        [delivery] = self.receive(consumer)
        assert self.broker.size(self.queue) == self.sized(in_flight=1)
        self.settle(consumer, delivery)
        assert self.broker.size(self.queue) == self.sized()
        self.expect_nothing(consumer)

    def test_settling_nothing_is_allowed(self) -> None:
        assert self.consumer().settle([]) == []

    def test_a_requeued_message_comes_again(self) -> None:
        self.publish(3)
        consumer = self.consumer()
        [delivery] = consumer.receive(1, 1)
        self.settle(consumer, delivery, Outcome.REQUEUE)
        again = {self.read(each).id: each for each in self.receive(consumer, 3)}
        assert set(again) == {"task-1", "task-2", "task-3"}
        assert again["task-1"].redelivered
        if self.broker.capabilities.keeps_place:
            assert not any(again[task_id].redelivered for task_id in ("task-2", "task-3"))
        assert again["task-1"].execution > delivery.execution

    def test_no_two_receipts_have_the_same_tag(self) -> None:
        consumer = self.consumer()
        tags = []
        for outcome in (Outcome.REQUEUE, Outcome.ACK, Outcome.REQUEUE, Outcome.ACK):
            if self.broker.size(self.queue) == self.sized():
                self.publish()
            [delivery] = self.receive(consumer)
            tags.append(delivery.tag)
            self.settle(consumer, delivery, outcome)
        assert len(set(tags)) == 4

    def test_a_run_that_is_held_has_ended_with_its_delivery_where_results_are_apart(self) -> None:
        results = self.keep(BackendThatFails(f"memory://{id(self)}-apart"))
        results.is_away = False
        if self.broker.shares_store_with(results):
            return
        self.publish(4)
        consumer = self.consumer(results=results)
        outcomes = (Outcome.ACK, Outcome.REJECT, Outcome.REQUEUE, Outcome.REPLACE)
        for outcome, delivery in zip(outcomes, self.receive(consumer, 4), strict=True):
            replacement = self.message() if outcome is Outcome.REPLACE else None
            self.settle(consumer, delivery, outcome, run=outcome.value, replacement=replacement)
        held = results.hold([outcome.value for outcome in outcomes], "one", 60.0)
        assert list(held.values()) == [Holding.ENDED, Holding.ENDED, Holding.OURS, Holding.OURS]

    def test_a_rejected_message_becomes_a_dead_letter(self) -> None:
        [message] = self.publish()
        consumer = self.consumer()
        before = time.time()
        [delivery] = self.receive(consumer)
        self.settle(consumer, delivery, Outcome.REJECT, reason="Nobody can read it.")
        [letter] = self.broker.dead_letters()
        assert (letter.id, letter.queue, letter.task) == (message.id, self.queue, "conformance.task")
        assert letter.reason == "Nobody can read it."
        assert letter.envelope == delivery.envelope
        assert before - 1 <= letter.died_at <= time.time() + 1
        assert self.broker.size(self.queue) == self.sized()

    def test_a_replacement_takes_the_message_s_place(self) -> None:
        self.publish()
        consumer = self.consumer()
        [delivery] = self.receive(consumer)
        replacement = self.message(id="replacement", body=b"new")
        self.settle(consumer, delivery, Outcome.REPLACE, replacement=replacement)
        if self.broker.capabilities.counts_all:
            assert self.broker.size(self.queue).in_flight == 0
        [again] = self.receive(consumer)
        assert self.read(again) == replacement
        assert again.execution > delivery.execution
        self.settle(consumer, again)
        self.expect_nothing(consumer)

    def test_a_replacement_may_wait_for_its_moment(self) -> None:
        if not self.broker.capabilities.delay:
            return
        self.publish()
        consumer = self.consumer()
        [delivery] = self.receive(consumer)
        replacement = self.message(id="later", not_before=time.time() + 0.3)
        self.settle(consumer, delivery, Outcome.REPLACE, replacement=replacement)
        assert self.broker.size(self.queue) == self.sized(delayed=1)
        self.expect_nothing(consumer)
        assert self.receive_ids(consumer) == ["later"]

    def test_a_batch_may_end_in_every_way_at_once(self) -> None:
        self.publish(4)
        consumer = self.consumer(results=self.backend)
        acked, requeued, rejected, replaced = self.receive(consumer, 4)
        settlements = [
            Settlement(delivery=acked, outcome=Outcome.ACK, result=self.success("task-1")),
            Settlement(delivery=requeued, outcome=Outcome.REQUEUE),
            Settlement(delivery=rejected, outcome=Outcome.REJECT, reason="Bad."),
            Settlement(delivery=replaced, outcome=Outcome.REPLACE, replacement=self.message(id="new")),
        ]
        assert consumer.settle(settlements) == []
        assert sorted(self.receive_ids(consumer, 2)) == ["new", "task-2"]
        assert [letter.id for letter in self.broker.dead_letters()] == ["task-3"]
        assert self.backend.fetch_one("task-1") is not None

    def test_a_result_is_stored_with_the_ack(self) -> None:
        self.publish()
        consumer = self.consumer(results=self.backend)
        [delivery] = self.receive(consumer)
        self.settle(consumer, delivery, result=self.success("task-1", execution=delivery.execution))
        stored = self.backend.fetch_one("task-1")
        assert stored is not None
        assert (stored.state, stored.document) == ("SUCCESS", b'{"status": "SUCCESS"}')

    def test_follow_ups_are_published_with_the_ack(self) -> None:
        self.publish()
        consumer = self.consumer()
        [delivery] = self.receive(consumer)
        follow_ups = (self.message(id="next"), self.message(id="other", queue="elsewhere"))
        self.settle(consumer, delivery, follow_ups=follow_ups)
        assert self.receive_ids(consumer) == ["next"]
        assert self.receive_ids(self.consumer("elsewhere")) == ["other"]

    def test_a_delivery_can_be_settled_only_once(self) -> None:
        if not self.broker.capabilities.fenced:
            return
        self.publish(2)
        consumer = self.consumer()
        for outcome in (Outcome.ACK, Outcome.REQUEUE):
            [delivery] = consumer.receive(1, 1)
            self.settle(consumer, delivery, outcome)
            again = Settlement(delivery=delivery, outcome=Outcome.ACK, follow_ups=(self.message(id="no"),))
            assert consumer.settle([again]) == [again]
        assert self.receive_ids(consumer) == ["task-2"]
        self.expect_nothing(consumer)

    def test_a_delivery_settled_twice_in_one_batch_counts_once(self) -> None:
        if not self.broker.capabilities.fenced:
            return
        self.publish()
        consumer = self.consumer()
        [delivery] = self.receive(consumer)
        first, second = (Settlement(delivery=delivery, outcome=Outcome.REJECT, reason=text) for text in ("1", "2"))
        assert consumer.settle([first, second]) == [second]
        assert [letter.reason for letter in self.broker.dead_letters()] == ["1"]

    def test_of_a_refused_settlement_nothing_is_done_and_the_others_are(self) -> None:
        if not self.broker.capabilities.fenced:
            return
        self.publish(2)
        consumer = self.consumer(results=self.backend)
        stale, good = self.receive(consumer, 2)
        self.settle(consumer, stale, Outcome.REQUEUE)
        [fresh] = self.receive(consumer)
        settlements = [
            Settlement(
                delivery=stale,
                outcome=Outcome.ACK,
                result=self.success("task-1", execution=stale.execution),
                follow_ups=(self.message(id="never"),),
            ),
            Settlement(delivery=good, outcome=Outcome.ACK, result=self.success("task-2", execution=good.execution)),
        ]
        assert consumer.settle(settlements) == settlements[:1]
        self.expect_nothing(consumer)
        assert set(self.backend.fetch(["task-1", "task-2"])) == {"task-2"}
        self.settle(consumer, fresh)

    def test_without_results_a_settlement_s_result_is_dropped(self) -> None:
        self.publish(2)
        for backend in (None, DisabledBackend()):
            consumer = self.consumer(results=backend)
            [delivery] = consumer.receive(1, 1)
            self.settle(consumer, delivery, result=self.success("task-1"))
            consumer.close()
        assert self.backend.fetch(["task-1"]) == {}

    def test_results_may_be_kept_elsewhere(self) -> None:
        elsewhere = self.keep(MemoryBackend(f"memory://{id(self)}-elsewhere"))
        self.publish()
        consumer = self.consumer(results=elsewhere)
        [delivery] = self.receive(consumer)
        self.settle(consumer, delivery, result=self.success("task-1"), follow_ups=(self.message(id="next"),))
        assert elsewhere.fetch_one("task-1") is not None
        assert self.receive_ids(consumer) == ["next"]

    def test_while_the_results_are_away_nothing_is_acked_and_a_second_call_mends_it(self) -> None:
        elsewhere = self.keep(BackendThatFails(f"memory://{id(self)}-away"))
        if self.broker.shares_store_with(elsewhere):
            return
        self.publish()
        consumer = self.consumer(results=elsewhere)
        [delivery] = self.receive(consumer)
        settlement = Settlement(
            delivery=delivery,
            outcome=Outcome.ACK,
            result=self.success("task-1"),
            follow_ups=(self.message(id="next", queue="other"),),
        )
        for _ in range(3):
            try:
                consumer.settle([settlement])
            except OperationalError:
                pass
            else:
                raise AssertionError("A result that was not stored was settled without an error.")
        assert self.broker.size(self.queue).in_flight == (1 if self.broker.capabilities.counts_all else None)
        elsewhere.is_away = False
        assert consumer.settle([settlement]) == []
        assert elsewhere.fetch_one("task-1") is not None
        # However often it was tried, what follows was published once.
        assert self.broker.size("other").ready == 1
        assert self.broker.size(self.queue) == self.sized()
