"""Broker suite: nodes, their leases, and what becomes of a silent node's deliveries."""

import time

from celeriac.brokers.base import Consumer, NodeRecord, Outcome, Settlement
from celeriac.testing.conformance.harness import BrokerHarness, until

__all__ = ["Leases"]

#: Seconds of a lease in these tests.
_LEASE = 0.5


class Leases(BrokerHarness):
    """A delivery belongs to its node while the lease lasts, and to whoever takes it next afterwards."""

    def test_closing_a_consumer_gives_back_what_is_unsettled(self) -> None:
        self.publish(3)
        first = self.consumer()
        settled, *_ = self.receive(first, 3)
        self.settle(first, settled)
        first.close()
        first.close()
        second = self.consumer(node="two@conformance")
        deliveries = self.receive(second, 2)
        assert [self.read(delivery).id for delivery in deliveries] == ["task-2", "task-3"]
        assert all(delivery.redelivered for delivery in deliveries)

    def test_a_waiting_consumer_is_woken_by_what_another_gives_back(self) -> None:
        self.publish()
        first, second = self.consumer(), self.consumer(node="two@conformance")
        self.receive(first)
        first.close()
        assert self.receive_ids(second) == ["task-1"]

    def test_while_a_lease_is_renewed_nobody_gets_the_deliveries(self) -> None:
        self.publish()
        holder = self.consumer(lease=2 * _LEASE)
        rescuer = self.consumer(node="two@conformance", lease=_LEASE)
        [delivery] = self.receive(holder)
        deadline = time.monotonic() + 5 * _LEASE
        while time.monotonic() < deadline:
            assert holder.renew()
            rescuer.renew()
            assert rescuer.recover() == 0
            assert rescuer.receive(1, _LEASE / 10) == []
        self.settle(holder, delivery)

    def test_a_silent_node_s_deliveries_go_to_others_after_its_lease(self) -> None:
        self.publish(2)
        silent = self.consumer(lease=_LEASE)
        rescuer = self.consumer(node="two@conformance", lease=_LEASE)
        self.receive(silent, 2)
        self.fall_silent(silent)
        self._recover(rescuer, 2)
        deliveries = self.receive(rescuer, 2)
        assert [self.read(delivery).id for delivery in deliveries] == ["task-1", "task-2"]
        assert all(delivery.redelivered for delivery in deliveries)

    def test_a_node_that_has_only_just_come_judges_nobody(self) -> None:
        self.publish()
        silent = self.consumer(lease=_LEASE)
        self.receive(silent)
        rescuer = self.consumer(node="two@conformance", lease=30)
        deadline = time.monotonic() + 3 * _LEASE
        while time.monotonic() < deadline:
            assert rescuer.renew()
            assert rescuer.recover() == 0
            assert rescuer.receive(1, _LEASE / 10) == []

    def test_renew_tells_that_the_lease_had_ended(self) -> None:
        consumer = self.consumer(lease=_LEASE)
        assert consumer.renew()
        self.fall_silent(consumer)
        if self.broker.capabilities.leases:
            until(lambda: self._node("one@conformance").lease_until < time.time() - 0.05)
        assert not consumer.renew()
        assert consumer.renew()

    def test_a_late_settlement_counts_as_long_as_nobody_has_taken_the_message(self) -> None:
        if not self.broker.capabilities.fenced:
            return
        self.publish()
        silent = self.consumer(lease=_LEASE, results=self.backend)
        rescuer = self.consumer(node="two@conformance", lease=_LEASE)
        [delivery] = self.receive(silent)
        self.fall_silent(silent)
        self._recover(rescuer, 1)
        self.settle(silent, delivery, result=self.success("task-1", execution=delivery.execution))
        self.expect_nothing(rescuer)
        assert self.backend.fetch_one("task-1") is not None

    def test_a_late_settlement_is_refused_once_somebody_has_taken_the_message(self) -> None:
        if not self.broker.capabilities.fenced:
            return
        self.publish()
        silent = self.consumer(lease=_LEASE, results=self.backend)
        rescuer = self.consumer(node="two@conformance", lease=_LEASE, results=self.backend)
        [late] = self.receive(silent)
        self.fall_silent(silent)
        self._recover(rescuer, 1)
        [again] = self.receive(rescuer)
        assert again.execution > late.execution
        for outcome in Outcome:
            settlement = Settlement(
                delivery=late,
                outcome=outcome,
                result=self.success("task-1", execution=late.execution),
                follow_ups=(self.message(id="never"),),
                replacement=self.message(id="nor this"),
            )
            assert silent.settle([settlement]) == [settlement]
        assert self.backend.fetch(["task-1"]) == {}
        assert self.broker.dead_letters() == []
        self.expect_nothing(rescuer)
        self.settle(rescuer, again)

    def test_a_node_that_was_silent_goes_on_when_it_is_back(self) -> None:
        self.publish()
        silent = self.consumer(lease=_LEASE)
        rescuer = self.consumer(node="two@conformance", lease=_LEASE)
        self.receive(silent)
        self.fall_silent(silent)
        self._recover(rescuer, 1)
        self.receive(rescuer)
        assert not silent.renew()
        self.publish()
        assert self.receive_ids(silent) == ["task-2"]

    def test_nodes_are_listed_with_their_status(self) -> None:
        first = self.consumer(lease=5)
        second = self.consumer(node="two@conformance", lease=5)
        assert first.renew(b"busy")
        nodes = self.nodes_beside(first, second)
        assert [(node.name, node.status) for node in nodes] == [("one@conformance", b"busy"), ("two@conformance", b"")]
        assert all(time.time() < node.lease_until < time.time() + 6 for node in nodes)
        assert not any(node.gone for node in nodes)

    def test_a_closed_consumer_is_no_node_any_more(self) -> None:
        self.consumer().close()
        assert self.broker.nodes() == []

    def _node(self, name: str) -> NodeRecord:
        [node] = [node for node in self.broker.nodes() if node.name == name]
        return node

    def _recover(self, rescuer: Consumer, count: int) -> None:
        """Have the rescuer give the silent node's deliveries back, so many; some servers do that themselves."""

        def attempt() -> int:
            # On a busy machine a short lease may end between two renewals; then it begins anew.
            rescuer.renew()
            return rescuer.recover()

        if self.broker.capabilities.leases:
            assert until(attempt, pause=0.05) == count
        else:
            assert rescuer.recover() == 0
