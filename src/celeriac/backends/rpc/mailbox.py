"""A process's mailbox: the queue that the results of its tasks come to, read by whichever of its threads waits."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import msgspec

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.errors import ConnectionLost
from celeriac.amqp.wake_pipe import WakePipe
from celeriac.backends.base import StoredResult, may_replace
from celeriac.backends.rpc.letters import read_result

__all__ = ["Mailbox"]

#: Milliseconds: the server removes a mailbox whose process has been gone for an hour, and a result that nobody has read
#: for a day (Celery's).
_ARGUMENTS = {"x-expires": 3_600_000, "x-message-ttl": 86_400_000}
#: Results pushed ahead of their reading.
_WINDOW = 1000
#: Results kept for somebody who may ask later, unless somebody is waiting; the oldest go first.
_KEPT = 10_000
#: Seconds without a word after which the server is asked whether it is still there.
_SILENCE = 10.0
#: Seconds for which an idle connection is taken to be alive.
_FRESH = 1.0
#: Seconds between two attempts to get a word in, and between two questions how much is still to come.
_TURN = 0.02


class Mailbox:
    """Results that have come, and the way more of them come. Safe for use by many threads of one process.

    There is one reader at a time: of the threads that wait one drives the connection for all, and passes that on when
    its own wait is over. Results are acked when they have been read, so that a broken connection loses none; and the
    queue, unlike Celery's, outlives its reader, so that it is there again when the connection has been made anew. It
    is consumed from the beginning, whether or not anybody reads, for that tells the server that its process lives.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        #: The queue's name.
        self.address = str(uuid.uuid4())
        #: The queue has been declared at least once.
        self.has_existed = False
        self._changed = threading.Condition()
        self._kept: dict[str, StoredResult] = {}
        self._channel: Channel | None = None
        self._is_read = False
        #: Threads that want to be the reader for a moment.
        self._guests = 0
        self._bell = WakePipe()
        self._waiting = 0
        self._wakes = 0
        self._is_woken = False
        self._heard_at = self._looked_at = 0.0

    def open(self) -> None:
        """Make sure that the queue exists, cheaply if it is known to; raises ``OperationalError``."""
        with self._changed:
            is_there = self._channel is not None
            if is_there and (self._is_read or time.monotonic() - self._looked_at < _FRESH):
                return
        with self._as_reader():
            channel = self._require_channel()
            # What has come stays unread: a process that never asks for results need not keep them.
            with contextlib.suppress(ConnectionLost):
                channel.connection.drive(0)
            self._require_channel()
            self._looked_at = time.monotonic()

    def find(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        """Return what has come of these tasks."""
        with self._changed:
            return self._known(task_ids)

    def read(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        """Return what is known of these tasks after everything that lies in the queue has been read."""
        with self._as_reader():
            self._empty()
        return self.find(task_ids)

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int) -> dict[str, StoredResult]:
        """Wait until so many of these tasks are ready; see ``ResultBackend.wait``."""
        deadline = time.monotonic() + timeout
        wanted = min(minimum, len(set(task_ids)))
        with self._changed:
            wakes = self._wakes - self._is_woken
            self._is_woken = False
            self._waiting += 1
            try:
                while True:
                    ready = {task_id: each for task_id, each in self._known(task_ids).items() if each.ready}
                    remaining = deadline - time.monotonic()
                    if len(ready) >= wanted or wakes != self._wakes:
                        return ready
                    if not self._is_read and not self._guests:
                        if not self._drive(remaining) and remaining <= 0:
                            return ready
                    elif remaining <= 0:
                        return ready
                    else:
                        self._changed.wait(remaining)
            finally:
                self._waiting -= 1

    def wake(self) -> None:
        """End every ``wait`` that has begun; if none has, the next one."""
        with self._changed:
            self._wakes += 1
            self._is_woken = not self._waiting
            self._bell.ring()
            self._changed.notify_all()

    def forget(self, task_ids: Sequence[str]) -> None:
        """Drop what has come of these tasks."""
        with self._changed:
            for task_id in task_ids:
                self._kept.pop(task_id, None)

    def close(self) -> None:
        """Disconnect; what has come stays, and the queue stays. Safe to call twice."""
        with self._changed:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.connection.close()

    def remove(self) -> None:
        """Disconnect and delete the queue: the process ends, and nobody else can read it."""
        channel = self._channel
        if channel is not None and channel.is_open and not self._is_read:
            channel.connection.patience = 1.0
            channel.delete_queue(self.address)
            channel.connection.close()

    def abandon(self) -> None:
        """After a fork: the connection is the parent's."""
        if self._channel is not None:
            self._channel.connection.abandon()
        self._bell.close()

    @contextlib.contextmanager
    def _as_reader(self) -> Iterator[None]:
        """Be the reader for a moment; whoever is it steps back."""
        with self._changed:
            self._guests += 1
            try:
                while self._is_read:
                    self._bell.ring()
                    self._changed.wait(_TURN)
                self._is_read = True
            finally:
                self._guests -= 1
        try:
            yield
        finally:
            with self._changed:
                self._is_read = False
                self._changed.notify_all()

    # These two are called with the lock held.

    def _known(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        return {task_id: self._kept[task_id] for task_id in task_ids if task_id in self._kept}

    def _drive(self, timeout: float) -> bool:
        """Be the reader, without the lock, until something has come or the time is over; return whether it has."""
        self._is_read = True
        self._changed.release()
        try:
            return self._read_some(timeout)
        finally:
            self._changed.acquire()
            self._is_read = False
            self._changed.notify_all()

    # All below are the reader's, without the lock.

    def _require_channel(self) -> Channel:
        """Return a channel of a living connection, on which the queue is consumed."""
        channel = self._channel
        if channel is not None and channel.is_open and not channel.cancelled:
            return channel
        self._channel = None
        if channel is not None:
            channel.connection.abandon()
        connection = self._connect()
        try:
            channel = connection.channel()
            channel.declare_queue(self.address, arguments=_ARGUMENTS)
            channel.window(_WINDOW)
            channel.consume(self.address)
        except BaseException:
            connection.abandon()
            raise
        self._channel, self._heard_at, self.has_existed = channel, time.monotonic(), True
        return channel

    def _read_some(self, timeout: float) -> bool:
        try:
            return self._try_to_read(timeout)
        except ConnectionLost:
            # Once more: it may have been lost long ago, with nobody looking.
            return self._try_to_read(timeout)

    def _try_to_read(self, timeout: float) -> bool:
        channel = self._require_channel()
        if self._sort(channel):
            return True
        if time.monotonic() - self._heard_at > _SILENCE:
            self._count(channel)
        channel.connection.drive(max(0.0, min(timeout, _SILENCE)), self._bell.fileno())
        self._bell.hear()
        return self._sort(channel)

    def _empty(self) -> None:
        try:
            self._read_all(self._require_channel())
        except ConnectionLost:
            self._read_all(self._require_channel())

    def _read_all(self, channel: Channel) -> None:
        while self._count(channel):
            self._sort(channel)
            channel.connection.drive(_TURN)
        # The last of them are on their way; the server answers this after them.
        self._count(channel)
        self._sort(channel)

    def _count(self, channel: Channel) -> int:
        """Return how many results have not been pushed yet; a lost connection is noticed."""
        count = channel.declare_queue(self.address, passive=True).messages
        self._heard_at = time.monotonic()
        return count

    def _sort(self, channel: Channel) -> bool:
        """Keep what has come, and ack it; return whether there was anything."""
        arrivals = list(channel.arrivals)
        if not arrivals:
            return False
        channel.arrivals.clear()
        results = [result for result in map(read_result, arrivals) if result is not None]
        with self._changed:
            for result in results:
                self._keep(result)
        channel.ack(arrivals[-1].delivery_tag, multiple=True)
        channel.connection.drive(0)
        self._heard_at = time.monotonic()
        return True

    def _keep(self, result: StoredResult) -> None:
        there = self._kept.get(result.task_id)
        if there is not None:
            if not may_replace(result, there):
                return
            # One without a delivery leaves the fence where it is.
            result = msgspec.structs.replace(result, execution=max(result.execution, there.execution))
        self._kept[result.task_id] = result
        if len(self._kept) > _KEPT and not self._waiting:
            del self._kept[next(iter(self._kept))]
