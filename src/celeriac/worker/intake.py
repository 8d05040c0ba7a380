"""The intake: the consumer thread, which alone talks to the broker.

Its duties, in one loop: renew the lease, give dead nodes' deliveries back, settle what has ended, take as many
deliveries as are wanted. The main thread hands over orders and picks up what has come in; neither ever waits for the
other. What comes in while the main thread sleeps, the consumer thread gives to the children itself (``on_arrivals``):
to wake the main thread first would be a good part of a task's latency.

While the broker is away the intake tries again with growing pauses, keeps every order, says so once in the log, and
once more when it is back; the main thread and the children go on meanwhile. While only the result store is away it does
the same, and keeps the lease.
"""

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.brokers.base import Broker, Consumer, Delivery, Outcome, Settlement
from celeriac.exceptions import MessageRefused, OperationalError
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.worker.outages import Outages

__all__ = ["Arrivals", "Intake", "Keep"]

logger = logging.getLogger("celeriac.worker.intake")

#: Seconds between two attempts while the broker is away: the first and the longest pause. The longest is most of what
#: a task waits for after the server's return, and a quarter of the lease at most, to keep it while only the results are
#: away.
_PAUSES = (0.1, 1.0)
#: Deliveries taken at once, at most: a batch must not hold the store for long.
_BATCH = 500
#: Seconds between two looks for dead nodes, and between two renewals that tell news of this one.
_LOOK_EVERY = 1.0
#: Seconds between two questions whether the broker takes new messages.
_ASK_EVERY = 3.0
#: Seconds a take waits before the loop looks at its other duties.
_TURN = 1.0
#: Seconds for which the main thread may sleep on after work was given to a child in its place. Most tasks have ended by
#: then, which wakes it; to wake it for the beginning, too, takes a processor from the child that has just been woken.
_MAIN_SLEEPS_ON = 0.02
_NEVER = float("inf")


def _leave_to_the_main_thread() -> bool:
    """Stand in for a callback until the node has set it."""
    return False


class Keep(NamedTuple):
    """What to keep of an execution whose delivery has been acked before."""

    result: StoredResult | None
    follow_ups: tuple[Message, ...] = ()


class Arrivals(NamedTuple):
    """What the consumer thread has for the main thread."""

    deliveries: list[Delivery]
    #: Those of ``ack_first`` that are acked now, and may begin.
    acked: list[Delivery]
    #: Those of ``ack_first`` that another node has taken.
    lost: list[Delivery]


class Intake:
    """Owns the consumer. ``connect``, ``start``, then ``stop``; every other method is for the main thread."""

    def __init__(
        self,
        broker: Broker,
        backend: ResultBackend,
        queues: Sequence[Queue],
        *,
        node: str,
        lease: float,
        status: Callable[[], bytes],
        outages: Outages,
        max_attempts: int | None = None,
    ) -> None:
        self._broker = broker
        self._backend = backend
        self._queues = queues
        self._node = node
        self._longest_pause = min(_PAUSES[1], lease / 4)
        # Where the connection is the lease, to renew is to read and answer what the server says.
        self._renew_every = lease / 3 if broker.capabilities.leases else 0.0
        self._lease = lease
        self._status = status
        self._outages = outages
        self._max_attempts = max_attempts
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._settlements: list[Settlement] = []
        self._keeps: list[Keep] = []
        self._acks_first: list[Settlement] = []
        self._incoming: deque[Delivery] = deque()
        self._acked: list[Delivery] = []
        self._not_acked: list[Delivery] = []
        self._wanted = 0
        #: Called in the consumer thread when the broker has given all that it has; True: nothing is left to be done.
        self.on_arrivals: Callable[[], bool] = _leave_to_the_main_thread
        #: Called in the consumer thread with the tags of runs (``Settlement.run``) that are settled.
        self.on_settled_runs: Callable[[list[int | str]], None] | None = None
        #: When the main thread is to look at what runs, if it has not been awake by then (monotonic).
        self._main_wakes_at = _NEVER
        self._stopping = False
        #: Until when a broker that is away is tried while stopping (monotonic).
        self._patient_until = 0.0
        self._consumer: Consumer | None = None
        self._renewed_at = 0.0
        self._looked_at = 0.0
        self._asked_at = 0.0
        self._told = b""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    # For the main thread.

    def connect(self) -> None:
        """Connect and take the lease; raises ``OperationalError`` when the broker cannot be used."""
        self._broker.open()
        self._backend.open()
        self._consumer = self._broker.consumer(self._queues, node=self._node, results=self._backend, lease=self._lease)

    def start(self) -> None:
        """Begin, after ``connect``."""
        self._thread.start()

    def fileno(self) -> int:
        """Return a descriptor that is readable when something has come in."""
        return self._reader

    @property
    def is_alive(self) -> bool:
        """The thread runs: it ends by ``stop`` only, unless the broker has been away for too many attempts."""
        return self._thread.is_alive()

    def want(self, count: int) -> None:
        """Ask for up to this many deliveries, those that have come in already included."""
        before, self._wanted = self._wanted, count
        # Who waits for deliveries need not know that there is room for more of them than there was.
        if before < count and before <= len(self._incoming):
            self._wake()

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Have deliveries settled soon; in batches, in this order."""
        if settlements:
            with self._lock:
                self._settlements.extend(settlements)
            self._wake()

    def keep(self, keeps: Sequence[Keep]) -> None:
        """Have results stored and follow-ups published that belong to no delivery any more."""
        if keeps:
            with self._lock:
                self._keeps.extend(keeps)
            self._wake()

    def ack_first(self, acks: Sequence[Settlement]) -> None:
        """Have deliveries acked; each comes back by ``collect`` when it is done, and may run then."""
        if acks:
            with self._lock:
                self._acks_first.extend(acks)
            self._wake()

    def main_thread_is_awake(self) -> None:
        """Note that it looks at what runs, and will do so by itself as long as something does."""
        self._main_wakes_at = _NEVER

    def collect(self) -> Arrivals:
        """Return what has come in since the last time, and have the descriptor readable no more."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
        return self.take_over()

    def take_over(self) -> Arrivals:
        """Return what has come in since the last time."""
        with self._lock:
            arrivals = Arrivals(list(self._incoming), self._acked, self._not_acked)
            self._incoming.clear()
            self._acked, self._not_acked = [], []
            self._wanted = max(0, self._wanted - len(arrivals.deliveries))
        return arrivals

    def stop(self, timeout: float) -> bool:
        """Settle what is left, give back the lease and end; return whether that was done in time (seconds).

        A broker that is away is tried for half of the time.
        """
        self._patient_until = time.monotonic() + timeout / 2
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive() and not self._has_orders()

    def _wake(self) -> None:
        self._changed.set()
        consumer = self._consumer
        if consumer is not None:
            consumer.wake()

    # The consumer thread.

    def _run(self) -> None:
        assert self._consumer is not None
        consumer = self._consumer
        pause = _PAUSES[0]
        failures = 0
        while True:
            try:
                self._turn(consumer)
                self._outages.end()
                pause, failures = _PAUSES[0], 0
            except Exception as error:  # noqa: BLE001 - without this thread the node would hang for ever
                self._tell(error, is_first=not failures)
                failures += 1
                if self._gives_up(failures):
                    break
                pause = self._rest(pause)
            if time.monotonic() >= self._main_wakes_at:
                self._main_wakes_at = _NEVER
                self._notify()
            if self._stopping and not self._has_orders():
                break
        with contextlib.suppress(OperationalError):
            consumer.close()
        self._notify()

    def _tell(self, error: Exception, *, is_first: bool) -> None:
        if isinstance(error, OperationalError):
            self._outages.begin(error)
        elif is_first:
            logger.error("The engine has failed in a way that it should not; trying again.", exc_info=error)

    def _gives_up(self, failures: int) -> bool:
        if self._stopping:
            return not self._has_orders() or time.monotonic() > self._patient_until
        return self._max_attempts is not None and failures > self._max_attempts

    def _rest(self, pause: float) -> float:
        """Wait before the next attempt; return how long to wait before the one after it."""
        self._changed.wait(self._at_most(pause))
        self._changed.clear()
        return min(self._longest_pause, pause * 2)

    def _at_most(self, seconds: float) -> float:
        """Return how long to wait: not for longer than the main thread may sleep on."""
        return max(0.0, min(seconds, self._main_wakes_at - time.monotonic()))

    def _turn(self, consumer: Consumer) -> None:
        self._changed.clear()
        now = time.monotonic()
        # First of all, as settling may fail for as long as the results are away. During an outage in any case: a turn
        # that has nothing to ask the broker proves nothing.
        if self._outages.is_on or now - self._looked_at > _LOOK_EVERY:
            self._looked_at = now
            self._renew(consumer, now)
            self._recover(consumer)
            if now - self._asked_at > _ASK_EVERY:
                self._asked_at = now
                self._outages.note_hindrance(consumer.hindrance())
        self._settle_all(consumer)
        if self._stopping:
            return
        with self._lock:
            limit = min(_BATCH, self._wanted - len(self._incoming))
        if limit <= 0:
            # An engine whose server pushes messages has to know that there is no room for any.
            consumer.receive(0, 0.0)
            self._changed.wait(self._at_most(_TURN))
            return
        deliveries = consumer.receive(limit, self._at_most(_TURN))
        if deliveries:
            with self._lock:
                self._incoming.extend(deliveries)
            if len(deliveries) < limit and self.on_arrivals():
                self._main_wakes_at = min(self._main_wakes_at, time.monotonic() + _MAIN_SLEEPS_ON)
            else:
                self._notify()

    def _renew(self, consumer: Consumer, now: float) -> None:
        status = self._status()
        is_told = status == self._told and not self._outages.is_on
        if is_told and now - self._renewed_at <= self._renew_every:
            return
        self._renewed_at, self._told = now, status
        if not consumer.renew(status):
            logger.warning(
                "This node's lease had ended: other nodes may have taken its deliveries. Results of tasks that others "
                "have begun since will be refused."
            )

    @staticmethod
    def _recover(consumer: Consumer) -> None:
        recovered = consumer.recover()
        if recovered:
            logger.warning("Gave %d deliveries of dead nodes back to their queues.", recovered)

    def _settle_all(self, consumer: Consumer) -> None:
        if self._acks_first:
            batch = self._acks_first[:_BATCH]
            refused = {id(each.delivery) for each in consumer.settle(batch)}
            with self._lock:
                del self._acks_first[: len(batch)]
                for settlement in batch:
                    lost = id(settlement.delivery) in refused
                    (self._not_acked if lost else self._acked).append(settlement.delivery)
            self._tell_runs(batch)
            self._notify()
        while self._keeps or self._settlements:
            # STARTED results are among the keeps, and must not come after what ended the task: the ends that come in
            # while keeps are stored may have a keep before them that is not.
            due = len(self._settlements)
            while self._keeps:
                keeps = self._keeps[:_BATCH]
                self._keep_batch(keeps)
                with self._lock:
                    del self._keeps[: len(keeps)]
            while due:
                settlements = self._settlements[: min(_BATCH, due)]
                self._settle_batch(consumer, settlements)
                with self._lock:
                    del self._settlements[: len(settlements)]
                due -= len(settlements)

    def _settle_batch(self, consumer: Consumer, settlements: Sequence[Settlement]) -> None:
        try:
            refused = consumer.settle(settlements)
        except Exception as error:
            if isinstance(error, OperationalError) and not isinstance(error, MessageRefused):
                raise
            if len(settlements) > 1:
                for settlement in settlements:
                    self._settle_batch(consumer, [settlement])
                return
            self._settle_as_dead(consumer, settlements[0], error)
            return
        self._tell_runs(settlements)
        for settlement in refused:
            logger.warning(
                "Refused the end of delivery %s from queue %s: another worker has taken it since.",
                settlement.delivery.tag,
                settlement.delivery.queue,
            )

    def _settle_as_dead(self, consumer: Consumer, settlement: Settlement, error: Exception) -> None:
        """Keep what could not be settled as it ended, with the result that it had, for a person to look at."""
        if isinstance(error, MessageRefused):
            reason = f"What was to follow the task cannot be published. {error}"
            logger.error("A delivery from queue %s is kept as a dead letter. %s", settlement.delivery.queue, reason)
            result = settlement.result
        else:
            reason = "Its end could not be stored; the worker's log says why."
            logger.error("A delivery could not be settled as it ended; it is kept as a dead letter.", exc_info=error)
            result = None
        dead = Settlement(
            delivery=settlement.delivery, outcome=Outcome.REJECT, reason=reason, result=result, run=settlement.run
        )
        try:
            consumer.settle([dead])
            self._tell_runs([dead])
        except OperationalError:
            raise
        except Exception:
            logger.exception("Nor could it be kept as a dead letter: it comes back when this node's lease ends.")

    def _tell_runs(self, settlements: Sequence[Settlement]) -> None:
        if self.on_settled_runs is not None:
            self.on_settled_runs([each.delivery.tag for each in settlements if each.run is not None])

    def _keep_batch(self, keeps: Sequence[Keep]) -> None:
        try:
            self._keep_all(keeps)
        except Exception as error:
            if isinstance(error, OperationalError) and not isinstance(error, MessageRefused):
                raise
            if len(keeps) > 1:
                for keep in keeps:
                    self._keep_batch([keep])
                return
            logger.exception("A result, or what was to follow it, could not be kept and is lost.")
            if isinstance(error, MessageRefused) and keeps[0].follow_ups:
                self._keep_batch([keeps[0]._replace(follow_ups=())])

    def _keep_all(self, keeps: Sequence[Keep]) -> None:
        follow_ups = [message for keep in keeps for message in keep.follow_ups]
        results = [keep.result for keep in keeps if keep.result is not None]
        if follow_ups:
            self._broker.publish(follow_ups)
        if results:
            self._backend.store(results)

    def _has_orders(self) -> bool:
        return bool(self._settlements or self._keeps or self._acks_first)

    def _notify(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"\0")
