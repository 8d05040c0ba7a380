"""A connection that listens to channels, and goes on listening after it was lost."""

import time
from typing import Final, NamedTuple

from celeriac.brokers.redis.waker import wait_for_any
from celeriac.redis.connecting import Connector
from celeriac.redis.connection import Connection
from celeriac.redis.errors import RedisUnavailable

__all__ = ["SILENCE", "Ear", "Heard"]

#: Seconds of silence after which the connection is tried: one that is half open never says so.
SILENCE: Final = 15.0
#: Seconds within which the server confirms that we listen.
_CONFIRMED: Final = 5.0


class Heard(NamedTuple):
    """What was sent, and the pattern by which it was heard."""

    pattern: str
    payload: bytes


class Ear:
    """Hears what is published on channels from now on. What is sent while it is cut off is not kept for it."""

    def __init__(self, connector: Connector) -> None:
        self._connection = Connection(connector)
        self._patterns: list[str] = []
        self._generation = 0
        self._heard: list[Heard] = []
        self._heard_at = 0.0
        self._is_tried = False

    def add(self, pattern: str) -> None:
        """Listen to this too; returns when the server has confirmed it."""
        if pattern not in self._patterns:
            self._patterns.append(pattern)
            self._generation = -1
            self._listen()

    def hear(self) -> list[Heard]:
        """Return what has come, without waiting; raises ``RedisUnavailable``, and the next call connects again."""
        self._listen()
        self._read()
        heard, self._heard = self._heard, []
        return heard

    def fileno(self) -> int:
        """Return what becomes readable when there is something to hear."""
        return self._connection.fileno()

    def close(self) -> None:
        """Disconnect. Safe to call twice."""
        self._connection.close()

    def _listen(self) -> None:
        """Have the server send, if it does not or the connection was lost."""
        now = time.monotonic()
        if self._connection.is_open and self._connection.generation == self._generation:
            self._check(now)
            return
        self._connection.send((b"PSUBSCRIBE", *self._patterns))
        self._generation = self._connection.generation
        self._heard_at = now
        deadline = now + _CONFIRMED
        confirmed = self._read()
        while confirmed < len(self._patterns):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self._connection.close()
                raise RedisUnavailable(
                    f"The Redis server at {self._connection.server} does not confirm a subscription."
                )
            wait_for_any([self._connection.fileno()], remaining)
            confirmed += self._read()

    def _check(self, now: float) -> None:
        """Try a connection that has been silent; give one up that has stayed so."""
        if now - self._heard_at <= SILENCE:
            self._is_tried = False
        elif not self._is_tried:
            self._is_tried = True
            self._connection.send((b"PING",))
        elif now - self._heard_at > 2 * SILENCE:
            self._connection.close()

    def _read(self) -> int:
        """Keep what has come; return how many subscriptions were confirmed."""
        confirmed = 0
        for reply in self._connection.read_available():
            self._heard_at = time.monotonic()
            match reply:
                case [b"psubscribe", *_]:
                    confirmed += 1
                case [b"pmessage", pattern, _, payload]:
                    self._heard.append(Heard(pattern.decode(), payload))
        return confirmed
