"""Broker suite: broadcasts."""

import threading

from celeriac.brokers.base import Broadcast, Channel, Subscription
from celeriac.testing.conformance.harness import BrokerHarness, in_thread, until

__all__ = ["Broadcasts"]

_CONTROL = Channel(name="conformance.control")
_EVENTS = Channel(name="conformance.events", topics=True)
_PING = Broadcast(body=b"ping", headers={"clock": 7, "expires": None}, content_type="text/plain")


class Broadcasts(BrokerHarness):
    """Everybody who listens hears it once; nobody else ever does."""

    def test_every_subscription_of_the_channel_receives_it(self) -> None:
        first, second = self._subscribe(_CONTROL), self._subscribe(_CONTROL)
        other = self._subscribe(_EVENTS)
        self.broker.broadcast(_CONTROL, _PING)
        assert first.receive(5) == [_PING]
        assert second.receive(5) == [_PING]
        assert other.receive(0) == []
        assert first.receive(0) == []

    def test_several_arrive_in_their_order(self) -> None:
        subscription = self._subscribe(_CONTROL)
        sent = [Broadcast(body=b"%d" % number) for number in range(20)]
        for each in sent:
            self.broker.broadcast(_CONTROL, each)
        received: list[Broadcast] = []

        def are_all_there() -> bool:
            received.extend(subscription.receive(1))
            return len(received) >= 20

        until(are_all_there)
        assert received == sent

    def test_a_waiting_subscription_is_woken(self) -> None:
        subscription = self._subscribe(_CONTROL)
        received: list[Broadcast] = []
        thread = in_thread(lambda: received.extend(subscription.receive(15)))
        self.broker.broadcast(_CONTROL, _PING)
        thread.join()
        assert received == [_PING]

    def test_nothing_is_kept_for_those_who_come_later(self) -> None:
        self.broker.broadcast(_CONTROL, Broadcast(body=b"into the void"))
        first = self._subscribe(_CONTROL)
        self.broker.broadcast(_CONTROL, _PING)
        late = self._subscribe(_CONTROL)
        assert late.receive(0.05) == []
        assert first.receive(5) == [_PING]

    def test_another_broker_is_heard_too(self) -> None:
        subscription = self._subscribe(_CONTROL)
        self.keep(self.make_broker()).broadcast(_CONTROL, _PING)
        assert subscription.receive(5) == [_PING]

    def test_a_large_payload_arrives(self) -> None:
        subscription = self._subscribe(_CONTROL)
        large = Broadcast(body=b"x" * 1_000_000)
        self.broker.broadcast(_CONTROL, large)
        assert subscription.receive(5) == [large]

    def test_wake_ends_a_wait(self) -> None:
        subscription = self._subscribe(_CONTROL)
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
        subscription = self._subscribe(_CONTROL)
        subscription.close()
        subscription.close()
        self.broker.broadcast(_CONTROL, _PING)

    def test_on_a_channel_with_topics_a_pattern_chooses(self) -> None:
        everything = self._subscribe(_EVENTS)
        of_workers = self._subscribe(_EVENTS, "worker.#")
        one_word = self._subscribe(_EVENTS, "*")
        started, online = (
            Broadcast(body=key.encode(), routing_key=key, headers={"hostname": "one@conformance"})
            for key in ("task.started", "worker.online")
        )
        self.broker.broadcast(_EVENTS, started)
        self.broker.broadcast(_EVENTS, online)
        assert self._receive(everything, 2) == [started, online]
        assert self._receive(of_workers, 1) == [online]
        assert one_word.receive(0.05) == []

    def _receive(self, subscription: Subscription, count: int) -> list[Broadcast]:
        received: list[Broadcast] = []

        def are_all_there() -> bool:
            received.extend(subscription.receive(1))
            return len(received) >= count

        until(are_all_there)
        return received

    def _subscribe(self, channel: Channel, pattern: str = "#") -> Subscription:
        return self.keep(self.broker.subscribe(channel, pattern))
