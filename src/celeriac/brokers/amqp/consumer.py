"""Taking deliveries and ending them: a node's claim on some queues of RabbitMQ."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence

from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Arrival
from celeriac.amqp.errors import NOT_IMPLEMENTED
from celeriac.amqp.wake_pipe import WakePipe
from celeriac.backends.base import ResultBackend
from celeriac.brokers.amqp.arrivals import comes_again, message_of
from celeriac.brokers.amqp.declaring import Declarer
from celeriac.brokers.amqp.delaying import waits_until
from celeriac.brokers.amqp.early import EarlyMessages
from celeriac.brokers.amqp.flights import Flights
from celeriac.brokers.amqp.holding import Holder
from celeriac.brokers.amqp.line import Line
from celeriac.brokers.amqp.nodes import NodeAnswerer
from celeriac.brokers.amqp.publishing import Publisher
from celeriac.brokers.amqp.reunion import Reunion
from celeriac.brokers.amqp.settling import Settler
from celeriac.brokers.base import Consumer, Delivery, Settlement
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.amqp_message import HOLD
from celeriac.protocol.message import Message
from celeriac.queues import Queue

__all__ = ["AmqpConsumer"]

logger = logging.getLogger("celeriac.broker")

#: Seconds the server is given to push what it has, when a receive has no time to wait.
_PUSH_TIME = 0.1
#: Seconds after the end of a lease in which what was unsettled comes back, at most.
_MARGIN = 3.0
#: Seconds a node must have had no room before what was pushed to it goes back: it may have room again in a moment.
_FULL = 0.5


class AmqpConsumer(Consumer):
    """One connection that only consumes; what is published on the way goes through the broker's pool.

    So a server that takes no messages for lack of memory still takes acks, which is what frees its memory. The lease is
    the connection: the server notices its end by itself and gives back what was unsettled. Whatever happens to the
    connection, a channel or a queue, the next call comes through ``_live``, which alone connects and consumes.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        declarer: Declarer,
        publisher: Publisher,
        queues: Sequence[Queue],
        node: str,
        results: ResultBackend | None,
        lease: float,
        hold: Callable[[Connection, Flights], Holder],
    ) -> None:
        """``hold`` makes what hands over deliveries that are under way for too long."""
        self._connect = connect
        self._hold = hold
        self._holder: Holder | None = None
        self._declarer = declarer
        self._publisher = publisher
        self._queues = {queue.name: queue for queue in queues}
        self._node = node
        self._lease = lease
        self._status = b""
        self._flights = Flights()
        self._settler = Settler(self._flights, publisher, results, keep_alive=self._keep_alive)
        self._lines: list[Line] = []
        self._early = EarlyMessages(publisher, keep_alive=self._keep_alive)
        self._reunion = Reunion(self._flights, publisher, keep_alive=self._keep_alive)
        self._connection: Connection | None = None
        #: The connection, and its channels that had ended, when every queue was last seen to be consumed.
        self._whole: tuple[int, int] | None = None
        self._answerer: NodeAnswerer | None = None
        #: The lease has ended since the last renewal.
        self._was_lost = False
        self._full_since: float | None = None
        self._begun_at = 0.0
        #: When a connection or channel was last replaced, on the monotonic clock; seconds in which the server gives its
        #: messages back: it may take as long to notice the end as the node would be allowed to be silent.
        self._buried_at = 0.0
        self._return_time = lease + _MARGIN
        self._execution = 0
        self._bell = WakePipe()
        self._is_closed = False
        try:
            self._live()
        except BaseException:
            self.close()
            raise

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        connection = self._live()
        self._look(connection)
        self._settler.settle_late()
        if limit <= 0:
            self._note_full()
            return []
        self._full_since = None
        self._early.see_to()
        self._reunion.see_to()
        self._aim(limit - self._reunion.holds)
        now = time.monotonic()
        deadline = now + max(timeout, _PUSH_TIME)
        while True:
            # What came with the answer to something else is there already.
            self._sort()
            deliveries = self._take(limit)
            now = time.monotonic()
            is_woken = not deliveries and self._bell.hear()
            if deliveries or now >= deadline:
                return deliveries
            if is_woken:
                # What is there already is on its way since consuming began.
                deadline = min(deadline, max(now, self._begun_at + _PUSH_TIME))
                if now >= deadline:
                    return []
            self._early.see_to()
            self._reunion.see_to()
            connection.drive(self._reunion.pause(self._early.pause(deadline - now)), self._bell.fileno())

    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        if not settlements:
            return []
        with contextlib.suppress(OperationalError):
            self._look()
        self._settler.settle_late()
        refused = self._settler.settle(settlements)
        self._keep_alive()
        return refused

    def renew(self, status: bytes = b"") -> bool:
        self._status = status
        connection = self._live()
        if self._answerer is not None:
            self._answerer.status = status
        self._look(connection)
        self._hold_on()
        self._settler.settle_late()
        was_lost, self._was_lost = self._was_lost, False
        return not was_lost

    def recover(self) -> int:
        """The server gives dead nodes' deliveries back by itself."""
        self._keep_alive()
        self._hold_on()
        if self._connection is not None and self._connection.is_open:
            self._give_up()
            self._reunion.keep_up()
            self._reunion.see_to()
        return 0

    def add_queue(self, queue: Queue) -> None:
        if queue.name not in self._queues:
            self._queues[queue.name] = queue
            self._whole = None
            self._live()

    def cancel_queue(self, name: str) -> None:
        if self._queues.pop(name, None) is None:
            return
        for line in self._lines:
            if name in line.names and line.is_open:
                line.drop(name)

    def wake(self) -> None:
        self._bell.ring()

    def cut_off(self) -> None:
        """Break the connection as an accident would: for tests, and for those who want to see what happens then."""
        if self._connection is not None:
            self._connection.abandon()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._bell.close()
        if self._connection is not None:
            if self._holder is not None:
                self._holder.close()
            self._reunion.leave()
            # What is unsettled goes back with it.
            self._connection.close()
        self._flights.clear()
        self._lines.clear()

    # The connection and its channels.

    def _live(self) -> Connection:
        """Return a living connection on which every queue is consumed; makes whatever is missing."""
        connection = self._connection
        if connection is None or not connection.is_open:
            self._bury()
            if connection is not None and connection.lost_code == NOT_IMPLEMENTED:
                # A queue was no classic one after all, or this server knows no shared windows.
                self._declarer.separate(self._queues)
            was_there = self._connection is not None
            connection = self._connection = self._connect()
            self._answerer = NodeAnswerer(connection, name=self._node, lease=self._lease, say=self._publisher.say)
            self._answerer.status = self._status
            self._holder = self._hold(connection, self._flights)
            self._was_lost = was_there
            self._buried_at = time.monotonic()
            self._holder.on_return = self._settler.take_up
            self._reunion.begin(self._holder, is_again=was_there)
        self._mend(connection)
        return connection

    def _hold_on(self) -> None:
        """Hand over what has been under way for so long that the server would take it away."""
        if self._holder is not None and self._connection is not None and self._connection.is_open:
            self._holder.keep_up()

    def _bury(self) -> None:
        """Drop channels that are closed; what was received on them is given back by the server."""
        if self._holder is not None and not self._holder.is_open:
            self._flights.lose(self._holder)
        for line in self._lines:
            if line.is_open:
                continue
            lost = self._flights.lose(line)
            if lost:
                logger.warning(
                    "The connection to RabbitMQ broke with %d deliveries under way. Their tasks go on, and end as they "
                    "should unless the server gives them to another worker first.",
                    lost,
                )
            for name in line.names:
                self._forget(name)
        self._lines = [line for line in self._lines if line.is_open]

    def _forget(self, name: str) -> None:
        if self._connection is not None:
            self._declarer.forget(self._connection, name)

    def _mend(self, connection: Connection) -> None:
        """Consume from every queue that is on no channel, however that came about."""
        state = connection.number, connection.ended_channels
        if state == self._whole:
            return
        if any(not line.is_open for line in self._lines):
            self._bury()
            self._buried_at = time.monotonic()
        consumed = {name for line in self._lines for name in line.names}
        for name, queue in self._queues.items():
            if name not in consumed:
                self._declarer.declare(connection, queue)
                self._declarer.bind_delays(connection, queue)
                self._line_for(connection, queue).add(queue)
        # A channel that has ended since is seen the next time.
        self._whole = state

    def _line_for(self, connection: Connection, queue: Queue) -> Line:
        shares = self._declarer.shares_window(connection, queue)
        line = next((line for line in self._lines if shares and line.shares), None)
        if line is None:
            line = Line(connection, shares=shares)
            self._lines.append(line)
        return line

    def _aim(self, limit: int) -> None:
        """Let the server push what is wanted, and what it gives back of a lost connection."""
        wanted = limit + (self._flights.lost if self._is_being_given_back() else 0)
        for line in self._lines:
            if line.aim(wanted):
                self._begun_at = time.monotonic()

    def _is_being_given_back(self) -> bool:
        """Say whether the server may still have to give back what was unsettled on a connection that broke."""
        return time.monotonic() - self._buried_at < self._return_time

    def _look(self, connection: Connection | None = None) -> None:
        """Send and read without waiting, and sort what has come; raises ``ConnectionLost``."""
        connection = connection or self._connection
        if connection is None:
            return
        while connection.drive(0):
            pass
        self._sort()

    def _keep_alive(self) -> None:
        """Keep the lease during a long wait for something else."""
        with contextlib.suppress(OperationalError):
            self._look()

    def _sort(self) -> None:
        if self._answerer is not None:
            self._answerer.answer()
            while self._answerer.announcements:
                self._reunion.hear(self._answerer.announcements.popleft())
        if self._holder is not None:
            self._holder.collect()
        for line in self._lines:
            line.collect()
            while line.channel.cancelled:
                name = line.lose(line.channel.cancelled.popleft())
                self._whole = None
                if name is not None:
                    self._forget(name)
        if self._flights.expects_some and self._is_being_given_back():
            self._recognise()

    def _note_full(self) -> None:
        now = time.monotonic()
        if self._full_since is None:
            self._full_since = now
        if self._flights.lost and self._is_being_given_back():
            # There is no room for others, but what is under way here may come back.
            self._aim(-self._reunion.holds)
            self._look()
            return
        for line in self._lines:
            if line.shares or now - self._full_since >= _FULL:
                line.narrow(give_back=now - self._full_since >= _FULL)
        self._keep_alive()

    # Deliveries.

    def _take(self, limit: int) -> list[Delivery]:
        """Hand out what has been pushed, in turn from each channel."""
        deliveries: list[Delivery] = []
        for line, name, arrival in self._pushed():
            delivery = self._deliver(line, name, arrival)
            if delivery is not None:
                deliveries.append(delivery)
                if len(deliveries) >= limit:
                    break
        return deliveries

    def _pushed(self) -> Iterator[tuple[Line, str, Arrival]]:
        lines = [line for line in self._lines if line.is_open]
        while lines:
            for line in lines:
                if line.buffer:
                    yield line, *line.buffer.popleft()
            lines = [line for line in lines if line.buffer]

    def _deliver(self, line: Line, name: str, arrival: Arrival) -> Delivery | None:
        """Return a delivery; None for a message that is known, or has to wait."""
        message = message_of(arrival, name)
        if self._settle_known(line, arrival, message):
            return None
        if self._reunion.keeps(line, name, arrival, message):
            return None
        due = waits_until(message, time.time())
        if due is not None:
            self._early.add(line, name, arrival, message, due)
            return None
        self._execution = max(self._execution + 1, time.time_ns() // 1000)
        delivery = Delivery(
            tag=self._flights.new_tag(),
            queue=name,
            envelope=envelopes.encode(message),
            execution=self._execution,
            redelivered=comes_again(arrival),
        )
        self._flights.begin(delivery, line, arrival.delivery_tag)
        return delivery

    def _settle_known(self, line: Line, arrival: Arrival, message: Message) -> bool:
        """Say whether a message comes again that is under way here, or has just been acked; see to it.

        A server that was killed may have forgotten that it had delivered a message before.
        """
        if not self._flights.expects_some and HOLD not in arrival.properties.headers:
            return False
        hold_key = str(arrival.properties.headers.get(HOLD, ""))
        flight = self._flights.recognise_held(hold_key) if hold_key else self._flights.recognise(message)
        if flight is not None:
            self._flights.adopt(flight.delivery.tag, line, arrival.delivery_tag)
            self._settler.take_up(flight)
            return True
        if not comes_again(arrival):
            self._flights.forget_acked(message)
            return False
        is_surplus = bool(hold_key) and self._flights.has_other_half(hold_key)
        if is_surplus or self._flights.was_acked(message, hold_key):
            line.finish((arrival.delivery_tag,), ())
            return True
        return False

    def _recognise(self) -> None:
        """Take what belongs to deliveries that are under way out of the buffers, also while nothing is wanted."""
        for line in self._lines:
            for _ in range(len(line.buffer)):
                name, arrival = line.buffer.popleft()
                message = message_of(arrival, name)
                if self._settle_known(line, arrival, message) or self._reunion.keeps(line, name, arrival, message):
                    continue
                line.buffer.append((name, arrival))

    def _give_up(self) -> None:
        """Drop the ends of what has not come back in time."""
        if not self._flights.expects_some or self._is_being_given_back():
            return
        for flight in self._flights.give_up():
            logger.warning(
                "The end of delivery %s from queue %s is dropped: its connection broke, and another worker has it.",
                flight.delivery.tag,
                flight.delivery.queue,
            )
