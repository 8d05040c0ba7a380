"""Broker suite: broadcasts."""

import threading

from celeriac.brokers.base import Subscription
from celeriac.testing.conformance.harness import BrokerHarness, in_thread, until

__all__ = ["Broadcasts"]


class Broadcasts(BrokerHarness):
    """Everybody who listens hears it once; nobody else ever does."""

    def test_every_subscription_of_the_channel_receives_it(self) -> None:
        first, second = self._subscribe("control"), self._subscribe("control")
        other = self._subscribe("events")
        self.broker.broadcast("control", b"ping")
        assert first.receive(5) == [b"ping"]
        assert second.receive(5) == [b"ping"]
        assert other.receive(0) == []
        assert first.receive(0) == []

    def test_several_arrive_in_their_order(self) -> None:
        subscription = self._subscribe("control")
        sent = [b"%d" % number for number in range(20)]
        for payload in sent:
            self.broker.broadcast("control", payload)
        received: list[bytes] = []

        def are_all_there() -> bool:
            received.extend(subscription.receive(1))
            return len(received) >= 20

        until(are_all_there)
        assert received == sent

    def test_a_waiting_subscription_is_woken(self) -> None:
        subscription = self._subscribe("control")
        received: list[bytes] = []
        thread = in_thread(lambda: received.extend(subscription.receive(15)))
        self.broker.broadcast("control", b"ping")
        thread.join()
        assert received == [b"ping"]

    def test_nothing_is_kept_for_those_who_come_later(self) -> None:
        self.broker.broadcast("control", b"into the void")
        first = self._subscribe("control")
        self.broker.broadcast("control", b"first")
        late = self._subscribe("control")
        assert late.receive(0.05) == []
        assert first.receive(5) == [b"first"]

    def test_another_broker_is_heard_too(self) -> None:
        subscription = self._subscribe("control")
        self.keep(self.make_broker()).broadcast("control", b"ping")
        assert subscription.receive(5) == [b"ping"]

    def test_a_large_payload_arrives(self) -> None:
        subscription = self._subscribe("control")
        self.broker.broadcast("control", b"x" * 1_000_000)
        assert subscription.receive(5) == [b"x" * 1_000_000]

    def test_wake_ends_a_wait(self) -> None:
        subscription = self._subscribe("control")
        ended = threading.Event()

        def wait() -> None:
            assert subscription.receive(60) == []
            ended.set()

        def is_ended() -> bool:
            subscription.wake()
            return ended.is_set()

        in_thread(wait)
        until(is_ended, pause=0.05)

    def test_a_closed_subscription_is_out_of_the_way(self) -> None:
        subscription = self._subscribe("control")
        subscription.close()
        subscription.close()
        self.broker.broadcast("control", b"ping")

    def _subscribe(self, channel: str) -> Subscription:
        return self.keep(self.broker.subscribe(channel))
