"""A consumer's connection, and the door bell in it.

The bell is the server's client tracking, made for caches: whoever has read a key is told when it changes, once. Our
scripts read every list they find empty, so the first push to it, by whomever else, rings. What the consumer itself does
rings not (``NOLOOP``): a take would ring for the messages it has just taken, as a script that reads anything counts as
having read all of its keys. With RESP3 the news comes on the same connection; RESP2 needs a second one to send it to. A
server or a proxy that does not know of it leaves the consumer deaf: then it has to look. Measured against the
alternatives in ``docs/internals/redis-engine.md``.
"""

import logging
from typing import Any

from celeriac.brokers.redis.parked_take import ParkedTake
from celeriac.redis.connecting import Connector
from celeriac.redis.connection import Connection
from celeriac.redis.errors import RedisRefused
from celeriac.redis.packing import Reply

__all__ = ["Line"]

_log = logging.getLogger("celeriac.broker")


class Line:
    """A connection that tells which keys have changed since they were last read. Used by one thread."""

    def __init__(self, connector: Connector) -> None:
        self.connection = Connection(connector, on_push=self._heard)
        self._redirected = Connection(connector) if connector.location.protocol == 2 else None
        #: Beside the bell, for one list.
        self.parked = ParkedTake(connector)
        self._armed = -1
        self._redirected_generation = 0
        self._rung: list[bytes] = []
        self._is_all_rung = False
        #: The server does not ring.
        self.is_deaf = False

    def open(self) -> bool:
        """Connect if that is needed; return True if whatever was heard and read before is out of date."""
        connection = self.connection
        if connection.is_open and connection.generation == self._armed and self._is_redirected_open():
            return False
        connection.open()
        if self._redirected is not None:
            self._redirected.close()
        self._rung.clear()
        self._arm()
        self._armed = connection.generation
        return True

    def heard(self) -> tuple[list[bytes], bool]:
        """Return the keys that have changed, and whether all may have."""
        rung, is_all = self._rung, self._is_all_rung
        if rung or is_all:
            self._rung, self._is_all_rung = [], False
        return rung, is_all

    def listen(self) -> bool:
        """Hear what has come without being asked for; return whether anything has."""
        for reply in self.connection.read_available():
            self._heard(reply)
        if self._redirected is not None:
            for reply in self._redirected.read_available():
                self._heard(reply)
        return bool(self._rung) or self._is_all_rung

    @property
    def filenos(self) -> list[int]:
        """What becomes readable when something can be heard."""
        numbers = [self.connection.fileno()]
        if self._redirected is not None:
            numbers.append(self._redirected.fileno())
        numbers.append(self.parked.fileno())
        return [number for number in numbers if number >= 0]

    def close(self) -> None:
        """Disconnect. Safe to call twice."""
        self.connection.close()
        self.parked.close()
        if self._redirected is not None:
            self._redirected.close()

    def _arm(self) -> None:
        try:
            if self._redirected is None:
                self.connection.call(b"CLIENT", b"TRACKING", b"ON", b"NOLOOP")
            else:
                number = self._redirected.call(b"CLIENT", b"ID")
                self._redirected.send((b"SUBSCRIBE", b"__redis__:invalidate"))
                self._redirected_generation = self._redirected.generation
                self.connection.call(b"CLIENT", b"TRACKING", b"ON", b"REDIRECT", number, b"NOLOOP")
        except RedisRefused as error:
            if not self.is_deaf:
                _log.warning(
                    "The Redis server does not tell when something is published (%s), so this worker looks once a "
                    "second and starts tasks that much later. Allow it the command CLIENT TRACKING, or connect without "
                    "a proxy.",
                    error,
                )
            self.is_deaf = True
        else:
            self.is_deaf = False

    def _is_redirected_open(self) -> bool:
        return self._redirected is None or self.is_deaf or self._redirected.is_open

    def _heard(self, reply: Reply) -> None:
        match reply:
            case [b"invalidate", keys]:
                self._ring(keys)
            case [b"message", b"__redis__:invalidate", keys]:
                self._ring(keys)

    def _ring(self, keys: Any) -> None:
        if keys is None:
            self._is_all_rung = True
        else:
            self._rung += keys
