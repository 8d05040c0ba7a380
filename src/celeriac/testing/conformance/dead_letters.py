"""Broker suite: dead letters."""

from typing import Any

from celeriac.brokers.base import Outcome
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import BrokerHarness

__all__ = ["DeadLetters"]


class DeadLetters(BrokerHarness):
    """What is refused for good is kept for a person, who can look, retry and purge."""

    def test_the_newest_come_first(self) -> None:
        self._let_die("a", "b", "c")
        assert self._ids() == ["c", "b", "a"]
        assert [letter.id for letter in self.broker.dead_letters(1, 1)] == ["b"]
        assert self.broker.dead_letters(10, 3) == []

    def test_they_are_found_by_the_task_s_id(self) -> None:
        self._let_die("a", "b", "a")
        assert [letter.reason for letter in self.broker.find_dead_letters("a")] == ["number 2", "number 0"]
        assert self.broker.find_dead_letters("unknown") == []

    def test_all_can_be_retried(self) -> None:
        self._let_die("a", "b")
        assert self.broker.retry_dead_letters() == 2
        assert self.broker.dead_letters() == []
        assert self.receive_ids(self.consumer(), 2) == ["a", "b"]

    def test_some_can_be_retried(self) -> None:
        self._let_die("a", "b", "c")
        assert self.broker.retry_dead_letters(["b", "unknown"]) == 1
        assert self._ids() == ["c", "a"]
        consumer = self.consumer()
        assert self.receive_ids(consumer) == ["b"]
        self.expect_nothing(consumer)

    def test_a_retried_message_is_as_it_was_but_its_crashes_are_forgotten(self) -> None:
        headers = {"task": "conformance.task", "id": "a", "custom": 1}
        crashes = {"celeriac-crashes": 3, "celeriac-suspect": True}
        [message] = self._let_die("a", headers=headers | crashes, body=b"body", priority=7)
        self.broker.retry_dead_letters(["a"])
        [delivery] = self.receive(self.consumer())
        again = self.read(delivery)
        assert again.headers == headers
        assert (again.body, again.priority, again.queue) == (message.body, message.priority, message.queue)
        assert not delivery.redelivered

    def test_a_waiting_consumer_is_woken_by_a_retry(self) -> None:
        self._let_die("a")
        consumer = self.consumer()
        self.expect_nothing(consumer)
        self.broker.retry_dead_letters()
        assert self.receive_ids(consumer) == ["a"]

    def test_some_and_all_can_be_purged(self) -> None:
        self._let_die("a", "b", "c")
        assert self.broker.purge_dead_letters(["a", "unknown"]) == 1
        assert self._ids() == ["c", "b"]
        assert self.broker.purge_dead_letters() == 2
        assert self.broker.purge_dead_letters() == 0
        assert self.broker.size(self.queue) == self.sized()

    def test_naming_none_retries_and_purges_none(self) -> None:
        self._let_die("a")
        assert self.broker.retry_dead_letters([]) == 0
        assert self.broker.purge_dead_letters([]) == 0
        assert self._ids() == ["a"]

    def _ids(self) -> list[str]:
        return [letter.id for letter in self.broker.dead_letters()]

    def _let_die(self, *task_ids: str, **changes: Any) -> list[Message]:
        messages = [self.message(id=task_id, **changes) for task_id in task_ids]
        self.broker.publish(messages)
        consumer = self.broker.consumer([Queue(self.queue)], node="undertaker@conformance")
        for number in range(len(messages)):
            [delivery] = consumer.receive(1, 5)
            self.settle(consumer, delivery, Outcome.REJECT, reason=f"number {number}")
        consumer.close()
        return messages
