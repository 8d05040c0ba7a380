"""Broker suite: receiving."""

import threading
import time
from collections import Counter

from celeriac.brokers.base import Consumer
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import BrokerHarness, in_thread, until

__all__ = ["Receiving"]


class Receiving(BrokerHarness):
    """A consumer gets what is due, at once, and nobody else gets it meanwhile."""

    def test_an_empty_queue_gives_nothing(self) -> None:
        assert self.consumer().receive(10, 0) == []
        assert self.consumer().receive(10, 0.05) == []

    def test_no_more_than_asked_for_is_taken(self) -> None:
        self.publish(5)
        consumer = self.consumer()
        taken = consumer.receive(3, 1)
        assert 1 <= len(taken) <= 3
        assert len(self.receive(consumer, 5 - len(taken))) == 5 - len(taken)
        self.expect_nothing(consumer)

    def test_with_a_limit_of_nothing_nothing_is_taken(self) -> None:
        self.publish()
        assert self.consumer().receive(0, 0.05) == []
        assert self.broker.size(self.queue).ready == 1

    def test_what_is_in_flight_is_not_taken_again(self) -> None:
        self.publish()
        first, second = self.consumer(), self.consumer(node="two@conformance")
        self.receive(first)
        self.expect_nothing(second)
        self.expect_nothing(first)

    def test_a_waiting_consumer_gets_what_is_published_meanwhile(self) -> None:
        consumer = self.consumer()
        received: list[str] = []
        thread = in_thread(lambda: received.extend(self.receive_ids(consumer)))
        self.publish()
        thread.join()
        assert received == ["task-1"]

    def test_every_waiting_consumer_is_woken_by_its_own_queue(self) -> None:
        consumers = {name: self.consumer(name, node=f"{name}@conformance") for name in ("left", "right")}
        received: dict[str, str] = {}

        def wait(name: str) -> None:
            [received[name]] = self.receive_ids(consumers[name])

        threads = [in_thread(wait, name) for name in consumers]
        self.publish(queue="left")
        self.publish(queue="right")
        for thread in threads:
            thread.join()
        assert received == {"left": "task-1", "right": "task-2"}

    def test_wake_ends_a_wait(self) -> None:
        consumer = self.consumer()
        ended = threading.Event()

        def wait() -> None:
            assert consumer.receive(1, 60) == []
            ended.set()

        def is_ended() -> bool:
            consumer.wake()
            return ended.is_set()

        in_thread(wait)
        until(is_ended, pause=0.05)

    def test_wake_ends_a_wait_that_has_not_begun(self) -> None:
        consumer = self.consumer()
        consumer.wake()
        started = time.monotonic()
        assert consumer.receive(1, 60) == []
        assert time.monotonic() - started < 30

    def test_wake_does_not_hide_what_is_there(self) -> None:
        self.publish()
        consumer = self.consumer()
        consumer.wake()
        assert len(consumer.receive(1, 60)) == 1

    def test_other_queues_are_left_alone(self) -> None:
        self.publish(queue="elsewhere")
        self.expect_nothing(self.consumer())

    def test_no_queue_starves_beside_a_full_one(self) -> None:
        self.publish(100, queue="full")
        self.publish(1, queue="almost empty")
        consumer = self.consumer("full", "almost empty")
        # Some engines draw lots.
        turns = 2 if self.broker.capabilities.keeps_place else 25
        deliveries = [delivery for _ in range(turns) for delivery in consumer.receive(2, 1)]
        assert "almost empty" in {delivery.queue for delivery in deliveries}

    def test_a_batch_takes_from_a_full_queue_what_the_others_do_not_have(self) -> None:
        self.publish(20, queue="full")
        self.publish(1, queue="almost empty")
        consumer = self.consumer("full", "almost empty", "empty")
        assert len(self.receive(consumer, 21)) == 21

    def test_of_many_queues_each_gets_its_turn(self) -> None:
        names = [f"queue-{number}" for number in range(40)]
        self.broker.publish([self.message(queue=name) for name in names for _ in range(2)])
        consumer = self.consumer(*names)
        seen = Counter(delivery.queue for _ in range(8) for delivery in self.receive(consumer, 10))
        assert sorted(seen.items()) == sorted((name, 2) for name in names)

    def test_a_queue_can_be_added_to_a_consumer(self) -> None:
        consumer = self.consumer()
        consumer.add_queue(Queue("added"))
        consumer.add_queue(Queue("added"))
        self.publish(queue="added")
        assert self.receive_ids(consumer) == ["task-1"]
        assert "added" in self.broker.queues()

    def test_a_waiting_consumer_is_woken_by_an_added_queue(self) -> None:
        consumer = self.consumer()
        consumer.add_queue(Queue("added"))
        received: list[str] = []
        thread = in_thread(lambda: received.extend(self.receive_ids(consumer)))
        self.publish(queue="added")
        thread.join()
        assert received == ["task-1"]

    def test_a_cancelled_queue_gives_nothing_more_and_what_was_taken_can_be_settled(self) -> None:
        self.publish(2, queue="left")
        consumer = self.consumer("left", "right")
        [delivery] = consumer.receive(1, 1)
        consumer.cancel_queue("left")
        consumer.cancel_queue("left")
        self.expect_nothing(consumer)
        self.settle(consumer, delivery)
        self.publish(queue="right")
        assert [delivery.queue for delivery in self.receive(consumer)] == ["right"]

    def test_a_consumer_without_queues_receives_nothing(self) -> None:
        self.publish()
        consumer = self.keep(self.broker.consumer([], node="idle@conformance"))
        self.expect_nothing(consumer)

    def test_consumers_side_by_side_never_get_the_same_message(self) -> None:
        self.publish(200)
        consumers = [self.consumer(node=f"{number}@conformance") for number in range(4)]
        received: list[str] = []

        def drain(consumer: Consumer) -> None:
            while deliveries := consumer.receive(7, 0.2):
                received.extend(self.read(delivery).id for delivery in deliveries)

        threads = [in_thread(drain, consumer) for consumer in consumers]
        for thread in threads:
            thread.join()
        assert Counter(received) == Counter(f"task-{number}" for number in range(1, 201))

    def test_a_later_receipt_of_a_task_has_a_higher_execution_number(self) -> None:
        consumer = self.consumer()
        executions = []
        for _ in range(3):
            self.publish(id="same")
            [delivery] = self.receive(consumer)
            executions.append(delivery.execution)
            self.settle(consumer, delivery)
        assert executions == sorted(set(executions))
        assert executions[0] > 0

    def test_a_priority_is_honoured_within_a_queue(self) -> None:
        priorities = self.broker.capabilities.priorities
        if not priorities:
            return
        first, between, last = priorities[0], priorities[len(priorities) // 2], priorities[-1]
        for name, priority in (("d", last), ("b", between), ("a", first), ("c", between)):
            self.publish(id=name, priority=priority)
        assert self.receive_ids(self.consumer(), 4) == ["a", "b", "c", "d"]

    def test_no_priority_is_that_of_0(self) -> None:
        if 0 not in self.broker.capabilities.priorities:
            return
        for name, priority in (("a", 0), ("b", None), ("c", 0)):
            self.publish(id=name, priority=priority)
        assert self.receive_ids(self.consumer(), 3) == ["a", "b", "c"]
