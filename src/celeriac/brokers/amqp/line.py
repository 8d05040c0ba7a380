"""A consumer's channels: what the server pushes through them, and how much it may."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Arrival
from celeriac.queues import Queue

__all__ = ["Line", "Place"]

#: Shared windows up to this size are kept exact. Larger ones may be too large by a quarter, or have room for four
#: fifths of what is wanted: that changes with each task that ends, and each time a frame would go to the server.
_SMALL = 16
#: A consumer's own window up to this size is made as it is wanted, a larger one a power of two.
_FEW = 64
#: How many cancelled consumers are remembered: what was pushed to them may still be on its way.
_FORMER = 1000
#: The largest window there is.
_MAX_WINDOW = 65535


class Place(Protocol):
    """Where deliveries are settled."""

    @property
    def is_open(self) -> bool:
        """Settling counts; else the server has given back everything unsettled."""

    def finish(self, done: Sequence[int], returned: Sequence[int]) -> None:
        """Ack these delivery tags and give back those; sent with the connection's next ``drive``."""


class Line:
    """One channel, and the queues that are consumed on it.

    The server pushes as long as fewer messages are unsettled than the window allows. It is made exactly as large as
    what is unsettled and what is wanted together, so that nothing is pushed to a node that has no room for it while
    another waits. Where queues share a window (classic ones) it can be changed at any time, for the price of a frame;
    a consumer of its own (all other queues) has to be cancelled and begun again, so there it only changes by steps.
    """

    def __init__(self, connection: Connection, *, shares: bool) -> None:
        self.shares = shares
        self.channel: Channel = connection.channel()
        #: Consumer tag -> queue.
        self.queues: dict[str, Queue] = {}
        #: Pushed, and not handed out yet: the oldest first, with its queue's name.
        self.buffer: deque[tuple[str, Arrival]] = deque()
        #: Delivery tags of all that is unsettled, what is in the buffer included, in the order of their coming.
        self._unsettled: dict[int, None] = {}
        #: The queues to consume from, whether or not anything is wanted at the moment.
        self._wanted: dict[str, Queue] = {}
        #: Old consumer tags whose messages may still come.
        self._former: dict[str, Queue] = {}
        #: Unsettled, and pushed to consumers that have been cancelled since: no window counts them.
        self._legacy: set[int] = set()
        self._window = 0
        self._serial = 0

    @property
    def is_open(self) -> bool:
        """Settling counts; else the server has given back everything unsettled."""
        return self.channel.is_open

    @property
    def names(self) -> list[str]:
        """The names of its queues."""
        return list(self._wanted)

    @property
    def handed_out(self) -> int:
        """How many of its messages the consumer has."""
        return len(self._unsettled) - len(self.buffer)

    def add(self, queue: Queue) -> None:
        """Consume from this queue too, as soon as anything is wanted."""
        self._wanted[queue.name] = queue
        if self.queues:
            self._begin(queue)

    def drop(self, name: str) -> None:
        """Consume no more from this queue; what is in the buffer of it goes back."""
        self._wanted.pop(name, None)
        self._cancel(name)
        self._give_back(name)

    def lose(self, tag: str) -> str | None:
        """The server has cancelled this consumer; return its queue's name."""
        queue = self.queues.pop(tag, None)
        if queue is None:
            return None
        self._wanted.pop(queue.name, None)
        return queue.name

    def aim(self, wanted: int) -> bool:
        """Have the window allow so many beyond what is handed out; return whether consuming has just begun."""
        target = min(_MAX_WINDOW, self.handed_out + wanted - self._uncounted())
        if target <= 0:
            self.pause()
        elif not self.queues:
            self._open(target)
            return bool(self._wanted)
        elif self.shares:
            self._resize(target, wanted)
        elif target > self._window or target * 4 < self._window:
            self.pause()
            self._open(target)
            return True
        return False

    def narrow(self, *, give_back: bool) -> None:
        """Nothing is wanted: let nothing more be pushed than is unsettled, and perhaps give back the buffer."""
        if give_back:
            self._give_back()
        counted = len(self._unsettled) - len(self._legacy)
        if not counted or (not self.shares and self._window > counted):
            self.pause()
        elif self.shares and self.queues and self._window > counted:
            self._set_window(counted)

    def pause(self) -> None:
        """Have nothing pushed at all."""
        for name in [queue.name for queue in self.queues.values()]:
            self._cancel(name)
        if not self.shares:
            self._legacy = set(self._unsettled)

    def collect(self) -> bool:
        """Put what has been pushed into the buffer; return whether there was anything."""
        arrivals = self.channel.arrivals
        if not arrivals:
            return False
        while arrivals:
            arrival = arrivals.popleft()
            queue = self.queues.get(arrival.consumer_tag) or self._former.get(arrival.consumer_tag)
            self._unsettled[arrival.delivery_tag] = None
            if queue is None or queue.name not in self._wanted:
                self.finish((), (arrival.delivery_tag,))
            else:
                self.buffer.append((queue.name, arrival))
        return True

    def take_back(self, name: str, arrival: Arrival) -> None:
        """Put a message that was handed out to be looked at back into the buffer."""
        if name in self._wanted:
            self.buffer.append((name, arrival))
        else:
            self.finish((), (arrival.delivery_tag,))

    def finish(self, done: Sequence[int], returned: Sequence[int]) -> None:
        """Ack these delivery tags and give back those; sent with the connection's next ``drive``."""
        if not self.is_open:
            return
        ended = set(done)
        first = self._oldest_among(ended)
        if len(first) > 1:
            self.channel.ack(first[-1], multiple=True)
            ended.difference_update(first)
            for tag in first:
                del self._unsettled[tag]
        for tag in done:
            if tag in ended:
                self.channel.ack(tag)
                self._unsettled.pop(tag, None)
        for tag in returned:
            self.channel.nack(tag)
            self._unsettled.pop(tag, None)
        if self._legacy:
            self._legacy.difference_update(done, returned)

    def _uncounted(self) -> int:
        """How many of those handed out the window does not count."""
        if not self._legacy:
            return 0
        return len(self._legacy) - sum(arrival.delivery_tag in self._legacy for _, arrival in self.buffer)

    def _oldest_among(self, ended: set[int]) -> list[int]:
        """Return the tags before which nothing is unsettled: one ack is enough for all of them."""
        first: list[int] = []
        for tag in self._unsettled:
            if tag not in ended:
                break
            first.append(tag)
        return first

    def _open(self, window: int) -> None:
        size = window if self.shares or window <= _FEW else min(_MAX_WINDOW, 1 << (window - 1).bit_length())
        self._set_window(size)
        for queue in list(self._wanted.values()):
            self._begin(queue)

    def _resize(self, target: int, wanted: int) -> None:
        window = self._window
        if window <= _SMALL:
            is_wrong = target != window
        elif target > window:
            is_wrong = (target - window) * 5 > wanted
        else:
            is_wrong = target * 5 < window * 4
        if is_wrong:
            self._set_window(target)

    def _set_window(self, size: int) -> None:
        self._window = size
        self.channel.window(size, shared=self.shares)

    def _begin(self, queue: Queue) -> None:
        # A tag of our own is known before the first message can come.
        self._serial += 1
        tag = f"celeriac-{self.channel.number}-{self._serial}"
        self.queues[tag] = queue
        try:
            self.channel.consume(queue.name, tag=tag, no_ack=False, arguments=queue.consumer_arguments)
        except BaseException:
            self.queues.pop(tag, None)
            raise

    def _cancel(self, name: str) -> None:
        for tag in self._tags_of(name):
            self._former[tag] = self.queues.pop(tag)
            while len(self._former) > _FORMER:
                del self._former[next(iter(self._former))]
            self.channel.cancel(tag)
            self.collect()

    def _tags_of(self, name: str) -> list[str]:
        return [tag for tag, queue in self.queues.items() if queue.name == name]

    def _give_back(self, name: str | None = None) -> None:
        """Give back what is in the buffer, of one queue or of all."""
        returned = [arrival.delivery_tag for queue, arrival in self.buffer if name in {None, queue}]
        self.buffer = deque((queue, arrival) for queue, arrival in self.buffer if name not in {None, queue})
        self.finish((), returned)
