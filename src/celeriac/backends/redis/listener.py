"""The listener: the thread that holds the subscription to the channels of results."""

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from celeriac.backends.base import StoredResult
from celeriac.backends.redis.fetching import Fetching
from celeriac.exceptions import OperationalError
from celeriac.redis.connection import Connection
from celeriac.redis.errors import ReplyError, explain_reply
from celeriac.redis.packing import Reply
from celeriac.redis.results import is_readable, read_readable, result_key

__all__ = ["Listener"]

#: Seconds with nobody to listen for after which the thread ends; the next who waits starts another.
_IDLE: Final = 20.0
#: Seconds of silence after which the server is asked whether it is there, and once more after which it is not.
_SILENCE: Final = 5.0
#: Seconds after which results on a node of a Cluster that was away are looked at again.
_TRY_AGAIN: Final = 1.0
#: Seconds after which everything is looked at in any case: between the nodes of a Cluster a word may get lost.
_LOOK_AGAIN: Final = 15.0
#: Seconds between attempts to reach a server that is away; the last one for as long as it takes.
_PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
#: Channels in one command.
_CHUNK: Final = 1000

_logger = logging.getLogger(__name__)


class Listener:
    """Hands over each final result of the tasks it was told of. Its thread begins and ends by itself.

    ``deliver`` is called in that thread.
    """

    def __init__(self, fetching: Fetching, deliver: Callable[[StoredResult], None]) -> None:
        self._fetching = fetching
        self._deliver = deliver
        self._key_length = len(result_key(fetching.prefix, ""))
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        #: Tasks to listen for, and what has changed since the thread last looked.
        self._wanted: set[str] = set()
        self._added: set[str] = set()
        self._dropped: set[str] = set()
        self._bell: tuple[socket.socket, socket.socket] | None = None
        self._is_rung = False
        # The thread's own.
        self._connection: Connection | None = None
        self._to_look: set[str] = set()
        self._heard_at = self._looked_at = self._wanted_at = 0.0
        self._has_asked = False
        self._failures = 0

    def listen(self, task_ids: Collection[str]) -> None:
        """Deliver the results of these tasks, whether they are there already or come later."""
        with self._mutex:
            self._wanted.update(task_ids)
            self._added.update(task_ids)
            self._dropped.difference_update(task_ids)
            if self._thread is None:
                self._bell = socket.socketpair()
                self._is_rung = False
                self._thread = threading.Thread(target=self._run, name="celeriac-results", daemon=True)
                self._thread.start()
            self._ring()

    def drop(self, task_ids: Collection[str]) -> None:
        """Listen for these tasks no more."""
        with self._mutex:
            self._wanted.difference_update(task_ids)
            self._added.difference_update(task_ids)
            self._dropped.update(task_ids)

    def stop(self) -> None:
        """End the thread, and wait for its end. For good."""
        with self._mutex:
            self._is_stopping = True
            thread = self._thread
            self._ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_SILENCE)

    def _ring(self) -> None:
        if self._bell is not None and not self._is_rung:
            self._is_rung = True
            self._bell[1].send(b"!")

    # The thread

    def _run(self) -> None:
        self._wanted_at = self._looked_at = time.monotonic()
        while self._goes_on():
            try:
                self._turn()
                self._failures = 0
            except OperationalError as error:
                self._fail(str(error))
            except Exception as error:
                # Whoever waits has nobody else.
                _logger.exception("Waiting for results failed; trying again.")
                self._fail(str(error))

    def _goes_on(self) -> bool:
        """Say whether the thread is still needed; if not, it is gone as far as others are concerned."""
        now = time.monotonic()
        with self._mutex:
            if self._wanted:
                self._wanted_at = now
            if not self._is_stopping and now - self._wanted_at < _IDLE:
                return True
            bell, self._bell = self._bell, None
            self._thread = None
            self._added.update(self._wanted)
            self._dropped.clear()
        self._disconnect()
        for end in bell or ():
            end.close()
        return False

    def _turn(self) -> None:
        """Do once what there is to do, after waiting for it."""
        connection = self._connect()
        self._wait(connection, _TRY_AGAIN if self._to_look else _SILENCE)
        added, dropped = self._take_changes()
        self._tell(connection, b"UNSUBSCRIBE", dropped)
        self._tell(connection, b"SUBSCRIBE", added)
        for reply in connection.read_available():
            self._handle(reply)
        now = time.monotonic()
        if now - self._looked_at > _LOOK_AGAIN:
            self._looked_at = now
            with self._mutex:
                self._to_look.update(self._wanted)
        self._look()
        self._ask_if_silent(connection, now)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._fetching.server.any_connector())
            self._connection.open()
            self._heard_at = time.monotonic()
            self._has_asked = False
            with self._mutex:
                self._added.update(self._wanted)
                self._dropped.clear()
                if self._wanted:
                    self._ring()
            if self._failures:
                _logger.info("Results are waited for again at %s.", self._connection.server)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fail(self, reason: str) -> None:
        """Say so once, and let some time pass."""
        if not self._failures:
            _logger.warning("Results cannot be waited for at the moment; trying again until they can. %s", reason)
        self._disconnect()
        pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
        self._failures += 1
        deadline = time.monotonic() + pause
        while not self._is_stopping and (remaining := deadline - time.monotonic()) > 0:
            self._wait(None, remaining)

    def _wait(self, connection: Connection | None, timeout: float) -> None:
        """Wait until there is something to read or somebody rings."""
        assert self._bell is not None
        poller = select.poll()
        poller.register(self._bell[0], select.POLLIN)
        if connection is not None:
            poller.register(connection.fileno(), select.POLLIN)
        poller.poll(timeout * 1000)
        with self._mutex:
            if self._is_rung:
                self._is_rung = False
                self._bell[0].recv(16)

    def _take_changes(self) -> tuple[set[str], set[str]]:
        with self._mutex:
            added, self._added = self._added, set()
            dropped, self._dropped = self._dropped, set()
        return added, dropped

    def _tell(self, connection: Connection, verb: bytes, task_ids: Iterable[str]) -> None:
        channels = [result_key(self._fetching.prefix, task_id) for task_id in task_ids]
        for start in range(0, len(channels), _CHUNK):
            connection.send((verb, *channels[start : start + _CHUNK]))

    def _handle(self, reply: Reply) -> None:
        self._heard_at = time.monotonic()
        self._has_asked = False
        if isinstance(reply, ReplyError):
            raise OperationalError(explain_reply(self._fetching.server.location.url, str(reply)))
        match reply:
            case [b"message", bytes(channel), bytes(document)]:
                self._hear(channel[self._key_length :].decode(), document)
            case [b"subscribe", bytes(channel), _]:
                self._to_look.add(channel[self._key_length :].decode())

    def _hear(self, task_id: str, document: bytes) -> None:
        if not is_readable(document):
            self._to_look.add(task_id)
            return
        result = read_readable(task_id, document)
        if result.ready:
            self._to_look.discard(task_id)
            self._deliver(result)

    def _look(self) -> None:
        """Read what may have been there before the subscription, or did not say what it is."""
        if not self._to_look:
            return
        found, unread = self._fetching.fetch_reachable(list(self._to_look))
        if not found and len(unread) == len(self._to_look):
            raise next(iter(unread.values()))
        self._to_look = set(unread)
        for result in found.values():
            if result.ready:
                self._deliver(result)

    def _ask_if_silent(self, connection: Connection, now: float) -> None:
        if now - self._heard_at < _SILENCE:
            return
        if self._has_asked:
            raise OperationalError(f"The Redis server at {connection.server} has fallen silent.")
        self._has_asked = True
        self._heard_at = now
        connection.send((b"PING",))
