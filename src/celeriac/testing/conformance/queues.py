"""Broker suite: looking at queues, and emptying them."""

import time

from celeriac.routing import Queue
from celeriac.testing.conformance.harness import BrokerHarness

__all__ = ["Queues"]


class Queues(BrokerHarness):
    """Queues are there when they are declared, published to or consumed from."""

    def test_declared_queues_are_listed_in_alphabetical_order(self) -> None:
        assert self.broker.queues() == []
        for name in ("b", "a", "b"):
            self.broker.declare(Queue(name))
        assert self.broker.queues() == ["a", "b"]

    def test_publishing_and_consuming_declare_too(self) -> None:
        self.publish(queue="published")
        self.consumer("consumed")
        assert self.broker.queues() == ["consumed", "published"]

    def test_follow_ups_and_replacements_declare_too(self) -> None:
        self.publish()
        consumer = self.consumer()
        [delivery] = self.receive(consumer)
        self.settle(consumer, delivery, follow_ups=(self.message(queue="next"),))
        assert "next" in self.broker.queues()

    def test_a_queue_s_messages_are_counted_by_their_condition(self) -> None:
        self.publish(5)
        self.receive(self.consumer(), 2)
        assert self.broker.size(self.queue) == self.sized(ready=3, delayed=0, in_flight=2)

    def test_a_queue_that_does_not_exist_is_empty(self) -> None:
        assert self.broker.size("nowhere") == self.sized()
        assert self.broker.purge("nowhere") == 0

    def test_peek_shows_waiting_messages_in_the_order_of_delivery_and_takes_none(self) -> None:
        if not self.broker.capabilities.peek:
            return
        messages = self.publish(5)
        assert self.broker.peek(self.queue) == messages
        assert self.broker.peek(self.queue, 2) == messages[:2]
        assert self.broker.peek(self.queue, 2, 3) == messages[3:]
        assert self.broker.peek(self.queue, 2, 9) == []
        assert self.broker.size(self.queue) == self.sized(ready=5)
        assert self.broker.peek("nowhere") == []

    def test_peek_shows_priorities_first_and_the_delayed_last(self) -> None:
        capabilities = self.broker.capabilities
        if not (capabilities.peek and capabilities.delay and capabilities.priorities):
            return
        later, sooner = time.time() + 900, time.time() + 600
        for task_id, priority, not_before in (
            ("later", capabilities.priorities[0], later),
            ("sooner", capabilities.priorities[-1], sooner),
            ("low", capabilities.priorities[-1], None),
            ("high", capabilities.priorities[0], None),
        ):
            self.publish(id=task_id, priority=priority, not_before=not_before)
        order = ["high", "low", "sooner", "later"]
        assert [message.id for message in self.broker.peek(self.queue)] == order
        assert [self.broker.peek(self.queue, 1, offset)[0].id for offset in range(4)] == order

    def test_peek_does_not_show_what_is_in_flight(self) -> None:
        if not self.broker.capabilities.peek:
            return
        messages = self.publish(2)
        self.receive(self.consumer())
        assert self.broker.peek(self.queue) == messages[1:]

    def test_purge_drops_what_waits_and_nothing_else(self) -> None:
        self.publish(4)
        self.publish(queue="other")
        consumer = self.consumer()
        [delivery] = self.receive(consumer)
        delayed = 0
        if self.broker.capabilities.delay and self.broker.capabilities.counts_all:
            delayed = len(self.publish(2, not_before=time.time() + 600))
        assert self.broker.purge(self.queue) == 3 + delayed
        assert self.broker.size(self.queue) == self.sized(in_flight=1)
        assert self.broker.size("other") == self.sized(ready=1)
        self.settle(consumer, delivery)

    def test_delete_removes_a_queue_with_its_messages(self) -> None:
        self.publish(3)
        self.broker.delete(self.queue)
        self.broker.delete(self.queue)
        assert self.broker.queues() == []
        assert self.broker.size(self.queue) == self.sized()

    def test_a_deleted_queue_can_be_used_again(self) -> None:
        self.publish()
        self.broker.delete(self.queue)
        self.publish()
        assert self.broker.queues() == [self.queue]
        assert self.receive_ids(self.consumer()) == ["task-2"]
