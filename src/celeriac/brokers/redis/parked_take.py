"""A take that waits in the server for the next message of a list.

Who hears a bell and asks then is woken twice between a message and its start, and the server is woken in between. So an
idle consumer sends ahead, on a connection of its own, what it would ask: a command that waits until a list holds
something, and behind it the take of one message (``take_one.lua``). The server does the take in the moment in which the
wait ends, and the first that the consumer hears of the message is the message.

What waits is ``BLMOVE`` from a list's tail to the same place, which moves nothing: so nothing is lost if the connection
breaks between the two, and what the second takes is in the node's record like all that was ever taken. A command waits
for one list only; of the others the bell tells (``line.py``).
"""

import time
from typing import Final, NamedTuple

from celeriac.brokers.redis.waker import wait_for_any
from celeriac.redis.connecting import Connector
from celeriac.redis.connection import Connection
from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError
from celeriac.redis.packing import Reply, ScriptCall

__all__ = ["LEAST", "Lost", "ParkedTake"]

#: Seconds for which it is worth while to park a take.
LEAST: Final = 0.01
#: Seconds that a take is parked, at most. A node that is stopped or cut off meanwhile takes one message until its lease
#: ends, and only within this time.
_LONGEST: Final = 1.0
#: Seconds after its time within which the answer has to be there.
_ANSWERED: Final = 5.0
#: Seconds between two requests to end the wait: the first may come to the server before the wait has begun.
_AGAIN: Final = 0.01
#: Seconds for which nothing is parked after an error.
_PAUSE: Final = 1.0
#: Answers of a server that does not let us, and will not do so later.
_FOR_GOOD: Final = frozenset({"ERR", "NOPERM"})


class Lost(NamedTuple):
    """What is left of a take that was not answered: it may have been done."""

    reason: str


class ParkedTake:
    """At most one take that waits. Used by one thread; errors are noted, and nothing is parked for a while."""

    def __init__(self, connector: Connector) -> None:
        self._connection = Connection(connector)
        self._generation = 0
        self._client = 0
        self._replies: list[Reply] = []
        self._until = 0.0
        self._not_before = 0.0
        #: The list that is waited for; None: nothing is parked.
        self.key: bytes | None = None

    @property
    def is_possible(self) -> bool:
        """Something can be parked now."""
        return self.key is None and time.monotonic() >= self._not_before

    def fileno(self) -> int:
        """Return what becomes readable when the take is answered; -1 if none is parked."""
        return -1 if self.key is None else self._connection.fileno()

    def prepare(self) -> bool:
        """Make sure of the connection; return whether the server lets us."""
        connection = self._connection
        try:
            connection.open()
            if connection.generation != self._generation:
                self._client = connection.call(b"CLIENT", b"ID")
                # To be allowed to begin is not enough.
                connection.call(b"CLIENT", b"UNBLOCK", self._client)
                self._generation = connection.generation
        except RedisRefused as error:
            self._put_off(error.code)
            return False
        except RedisUnavailable:
            self._put_off("")
            return False
        return True

    def park(self, key: bytes, take: ScriptCall) -> None:
        """Have the server take as soon as the list holds something, or when the time is up; after ``prepare``."""
        self.key = key
        self._replies.clear()
        self._until = time.monotonic() + _LONGEST
        try:
            self._connection.send((b"BLMOVE", key, key, b"RIGHT", b"RIGHT", _LONGEST), take)
        except RedisUnavailable:
            # Seen as lost by who asks for the answer.
            self._put_off("")

    def answer(self) -> Reply | Lost | None:
        """Return what the take has brought, without waiting; None if it is still parked, or nothing is."""
        if self.key is None:
            return None
        try:
            self._replies += self._connection.read_available()
        except RedisUnavailable as error:
            return self._lose(str(error))
        if len(self._replies) < 2:
            if not self._connection.is_open or time.monotonic() > self._until + _ANSWERED:
                return self._lose("It was not answered.")
            return None
        waited, taken = self._replies
        for reply in (waited, taken):
            if isinstance(reply, ReplyError):
                self._put_off(reply.code)
        if isinstance(taken, ReplyError):
            # Perhaps the server has forgotten the script: a new connection sends its text.
            return self._lose(str(taken))
        self.key = None
        return taken

    def end(self, beside: Connection) -> Reply | Lost | None:
        """End the wait, by another connection to the server, and return the answer; None if nothing is parked."""
        answer = self.answer()
        deadline = time.monotonic() + _ANSWERED
        while answer is None and self.key is not None:
            try:
                beside.call(b"CLIENT", b"UNBLOCK", self._client)
            except (RedisRefused, RedisUnavailable) as error:
                return self._lose(str(error))
            wait_for_any([self._connection.fileno()], _AGAIN)
            answer = self.answer()
            if answer is None and time.monotonic() > deadline:
                return self._lose("It was not answered.")
        return answer

    def close(self) -> None:
        """Disconnect, and forget what is parked. Safe to call twice."""
        self.key = None
        self._connection.close()

    def _lose(self, reason: str) -> Lost:
        self.close()
        self._put_off("")
        return Lost(reason)

    def _put_off(self, code: str) -> None:
        pause = float("inf") if code in _FOR_GOOD else _PAUSE
        self._not_before = max(self._not_before, time.monotonic() + pause)
