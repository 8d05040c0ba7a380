"""Broker suite: messages that wait for their moment."""

import time

from celeriac.testing.conformance.harness import BrokerHarness, in_thread

__all__ = ["Delays"]

#: Seconds by which clocks that engines use may differ, rounding included.
_PRECISION = 0.01


class Delays(BrokerHarness):
    """``not_before`` is kept by the broker. Asked only of engines that say so."""

    @property
    def _is_asked(self) -> bool:
        return self.broker.capabilities.delay

    def test_a_delayed_message_comes_when_it_is_due_and_not_before(self) -> None:
        if not self._is_asked:
            return
        due = time.time() + 0.4
        self.publish(not_before=due)
        consumer = self.consumer()
        self.expect_nothing(consumer)
        assert self.receive_ids(consumer) == ["task-1"]
        assert time.time() >= due - _PRECISION

    def test_a_moment_that_has_passed_delays_nothing(self) -> None:
        if not self._is_asked:
            return
        self.publish(not_before=time.time() - 100)
        assert len(self.consumer().receive(1, 0)) == 1

    def test_a_delayed_message_holds_up_no_other(self) -> None:
        if not self._is_asked:
            return
        self.publish(not_before=time.time() + 600)
        self.publish()
        consumer = self.consumer()
        assert self.receive_ids(consumer) == ["task-2"]
        self.expect_nothing(consumer)

    def test_a_shorter_delay_published_meanwhile_comes_first(self) -> None:
        if not self._is_asked:
            return
        consumer = self.consumer()
        self.publish(not_before=time.time() + 600)
        received: list[str] = []
        thread = in_thread(lambda: received.extend(self.receive_ids(consumer)))
        self.publish(not_before=time.time() + 0.2)
        thread.join()
        assert received == ["task-2"]

    def test_delayed_messages_come_in_the_order_of_their_moments(self) -> None:
        if not self._is_asked:
            return
        unit = 0.2 + self.broker.capabilities.delay_precision
        now = time.time()
        for number, steps in enumerate((3, 1, 2)):
            self.publish(id=f"delay {number}", not_before=now + steps * unit)
        consumer = self.consumer()
        assert [self.receive_ids(consumer)[0] for _ in range(3)] == ["delay 1", "delay 2", "delay 0"]

    def test_many_may_be_due_at_once(self) -> None:
        if not self._is_asked:
            return
        self.publish(1500, not_before=time.time() + 0.2)
        assert len(set(self.receive_ids(self.consumer(), 1500))) == 1500

    def test_delayed_messages_are_counted_apart(self) -> None:
        if not self._is_asked:
            return
        self.publish(2, not_before=time.time() + 600)
        self.publish()
        assert self.broker.size(self.queue) == self.sized(ready=1, delayed=2, in_flight=0)
