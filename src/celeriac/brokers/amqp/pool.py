"""Connections for publishing and for looking after queues, lent to one thread at a time."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.exceptions import BrokerUnavailable, CeleriacError, OperationalError

__all__ = ["ConnectionPool"]

#: Seconds after which an idle connection is asked whether its server is still there: a host that has vanished, and a
#: firewall that has forgotten, say nothing.
_IDLE = 10.0
#: Seconds to wait for the answer.
_ANSWER = 1.0


class ConnectionPool:
    """Connections without heartbeat, one channel each. Safe for use by many threads, and across forks.

    Nothing drives an idle connection, so it is looked at before it is lent: one that the server has closed meanwhile
    is replaced, and no publish finds it dead.
    """

    def __init__(self, connect: Callable[[float], Connection], *, limit: int) -> None:
        """``connect`` opens a connection within so many seconds; ``limit`` is the most there are at a time."""
        self._connect = connect
        self._limit = max(1, limit)
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._returned = threading.Condition()
        #: The one used last comes first, so that the others can be idle.
        self._idle: list[tuple[Channel, float]] = []
        self._lent = 0
        #: Raised by ``close``: what was lent before is not taken back.
        self._generation = 0

    @contextlib.contextmanager
    def channel(self, *, timeout: float = 5.0) -> Iterator[Channel]:
        """Lend a channel of a living connection; its calls may take ``timeout`` seconds each.

        Its connection is kept for others if it is still open at the end. Raises ``BrokerUnavailable``.
        """
        deadline = time.monotonic() + timeout
        generation = self._enter(deadline)
        channel: Channel | None = None
        try:
            channel = self._living(deadline)
            channel.connection.patience = max(0.1, timeout)
            try:
                yield channel
            except (CeleriacError, TypeError):
                # Its own errors leave it as it should be; whatever else comes may have come in the middle of something.
                self._take_back(channel, generation)
                channel = None
                raise
            self._take_back(channel, generation)
            channel = None
        finally:
            if channel is not None:
                channel.connection.abandon()
            self._leave()

    def close(self) -> None:
        """Close what is idle. What is lent is closed when it comes back."""
        if self._process != os.getpid():
            self._abandon_inherited()
            return
        with self._returned:
            self._generation += 1
            idle, self._idle = self._idle, []
        for channel, _ in idle:
            channel.connection.close()

    def _enter(self, deadline: float) -> int:
        if self._process != os.getpid():
            self._abandon_inherited()
        with self._returned:
            while self._lent >= self._limit:
                if not self._returned.wait(deadline - time.monotonic()):
                    raise BrokerUnavailable(
                        f"All {self._limit} connections to RabbitMQ of this process were in use until the deadline; "
                        "raise broker_pool_limit."
                    )
            self._lent += 1
            return self._generation

    def _leave(self) -> None:
        with self._returned:
            self._lent -= 1
            self._returned.notify()

    def _living(self, deadline: float) -> Channel:
        while True:
            with self._returned:
                channel, since = self._idle.pop() if self._idle else (None, 0.0)
            if channel is None:
                return self._connect(max(0.05, deadline - time.monotonic())).channel()
            if _is_alive(channel, since):
                return channel
            channel.connection.abandon()

    def _take_back(self, channel: Channel, generation: int) -> None:
        """Keep it for others. Raises nothing: what was done with it is done."""
        with contextlib.suppress(OperationalError):
            if not channel.is_open and channel.connection.is_open:
                channel = channel.connection.channel()
        if channel.is_open:
            with self._returned:
                if generation == self._generation:
                    self._idle.append((channel, time.monotonic()))
                    return
            channel.connection.close()

    def _abandon_inherited(self) -> None:
        """After a fork the connections are the parent's: this process only closes its copies."""
        inherited = self._idle
        self._begin()
        for channel, _ in inherited:
            channel.connection.abandon()


def _is_alive(channel: Channel, since: float) -> bool:
    connection = channel.connection
    try:
        while connection.drive(0):
            pass
        if channel.is_open and time.monotonic() - since > _IDLE:
            connection.patience = _ANSWER
            channel.check()
    except OperationalError:
        return False
    return channel.is_open
