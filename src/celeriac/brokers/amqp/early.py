"""Messages that came before their moment, as Celery's producers send those with an eta."""

import time
from collections.abc import Callable
from typing import NamedTuple

from celeriac.amqp.content import Arrival
from celeriac.brokers.amqp.line import Line
from celeriac.brokers.amqp.publishing import Publisher, pack
from celeriac.brokers.base import DEFAULT_PUBLISH_TIMEOUT
from celeriac.protocol.message import Message

__all__ = ["EarlyMessages"]

#: Seconds: the shortest delay that RabbitMQ's queues know. A message that is due sooner waits here.
_SHORTEST = 1.0


class _Early(NamedTuple):
    line: Line
    queue: str
    arrival: Arrival
    message: Message
    #: Unix time.
    due: float


class EarlyMessages:
    """Keeps messages for their last second, unsettled, and has those that wait longer wait in the delay queues.

    There a copy is confirmed before the original is acked: a crash between doubles it, and loses none.
    """

    def __init__(self, publisher: Publisher, *, keep_alive: Callable[[], object]) -> None:
        self._publisher = publisher
        self._keep_alive = keep_alive
        self._waiting: list[_Early] = []

    def add(self, line: Line, queue: str, arrival: Arrival, message: Message, due: float) -> None:
        """Take a message that is not due."""
        self._waiting.append(_Early(line, queue, arrival, message, due))

    def pause(self, longest: float) -> float:
        """Return how many seconds to wait, of this many, for something to be due."""
        if not self._waiting:
            return longest
        return max(0.0, min(longest, min(each.due for each in self._waiting) - time.time()))

    def see_to(self) -> None:
        """Put back in line what is due, and send away what has to wait for long."""
        if not self._waiting:
            return
        waiting = [each for each in self._waiting if each.line.is_open]
        now = time.time()
        self._waiting = [each for each in waiting if now < each.due]
        for each in waiting:
            if each.due <= now:
                each.line.take_back(each.queue, each.arrival)
        long = [each for each in self._waiting if each.due - now >= _SHORTEST]
        if long:
            parcels = [pack(each.message, now, interop=False) for each in long]
            self._publisher.send(parcels, timeout=DEFAULT_PUBLISH_TIMEOUT, meanwhile=self._keep_alive)
            gone = {id(each) for each in long}
            self._waiting = [each for each in self._waiting if id(each) not in gone]
            for each in long:
                each.line.finish((each.arrival.delivery_tag,), ())
