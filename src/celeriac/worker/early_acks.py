"""Early acks: deliveries that are acked before their task begins (``acks_late=False``).

Such a delivery gets a free slot first, then its ack, then it is sent to the child: so it is lost only if a process dies
between the ack and the end of the task, which is what was asked for. From the order to ack on it cannot be given back
to the broker.
"""

from celeriac.brokers.base import Delivery
from celeriac.worker.assignment import Assignment
from celeriac.worker.child import Child
from celeriac.worker.dispatcher import Placement

__all__ = ["EarlyAcks"]


class EarlyAcks:
    """Which deliveries are being acked, or are acked, ahead of their tasks."""

    def __init__(self) -> None:
        self._pending: dict[int | str, Placement[Child]] = {}
        self._acked: set[int | str] = set()

    def must_wait(self, placement: Placement[Child]) -> bool:
        """Say whether this placement has to wait for its ack, and remember it until ``confirm``."""
        assignment = placement.assignment
        tag = assignment.delivery.tag
        if not assignment.acked_early or assignment.verdict is not None or tag in self._acked:
            return False
        self._pending[tag] = placement
        return True

    def is_pending(self, delivery: Delivery) -> bool:
        """Its ack has been ordered and has not come back."""
        return delivery.tag in self._pending

    def confirm(self, delivery: Delivery) -> Placement[Child]:
        """Record that it is acked, and return where it was to run."""
        self._acked.add(delivery.tag)
        return self._pending.pop(delivery.tag)

    def lose(self, delivery: Delivery) -> Placement[Child]:
        """Record that another node has it, and return where it was to run."""
        return self._pending.pop(delivery.tag)

    def holds(self, assignment: Assignment) -> bool:
        """Say whether it cannot be given back to the broker any more."""
        tag = assignment.delivery.tag
        return tag in self._acked or tag in self._pending

    def finish(self, assignment: Assignment) -> bool:
        """Forget a delivery that has ended; return whether it had been acked early."""
        tag = assignment.delivery.tag
        if tag in self._acked:
            self._acked.remove(tag)
            return True
        return False
