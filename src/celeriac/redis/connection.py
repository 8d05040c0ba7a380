"""One connection to a server, and the short way over it.

A call is packed by hiredis, written with one ``send``, and its replies are read with as few ``recv`` as they take. The
socket never blocks: Python asks the system before each step of one that has a time limit, and here only the waiting for
an answer needs to be asked for. (TLS has waits of its own, so its sockets have the time limit.)
Nothing is ever sent twice: when something goes wrong the connection is dropped, the caller is told whether the server
may have done it, and the next call connects anew. Only a connection found closed *before* anything was sent is
replaced without a word, which is what becomes of one that the server has closed while it was idle.
"""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis

from celeriac.redis.connecting import Connector
from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError, explain_away, explain_reply
from celeriac.redis.forks import watch
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall, pack
from celeriac.redis.spinning import AdaptiveSpin

__all__ = ["Connection"]

#: Seconds a call may take when neither its caller nor the URL says.
DEFAULT_TIMEOUT: Final = 5.0

#: Seconds that a step gets when the time is up, so that it fails in its own way.
_LEAST: Final = 0.001
#: Milliseconds: more than that the system does not take.
_LONGEST: Final = 2_000_000_000.0
#: Seconds from one call to the next, at most, where one waits for the answer awake. Who calls now and then leaves the
#: processor to those who work on what has been published.
_BURST: Final = 200e-6
_NOTHING_YET: Final = object()
_NO_DATA = (BlockingIOError, ssl.SSLWantReadError)
#: Answers after which the server is not what it was: the next call looks for another one.
_DROPPING = frozenset({"READONLY", "MASTERDOWN", "LOADING", "NOAUTH", "UNBLOCKED"})


class Connection:
    """A connection that makes itself when it is needed. Used by one thread at a time."""

    def __init__(self, connector: Connector, *, on_push: Callable[[list[Reply]], None] | None = None) -> None:
        self._connector = connector
        #: Called with what the server sends unasked (RESP3), by whoever reads at the time.
        self.on_push = on_push
        #: How often it has connected; what was asked of an earlier connection holds no longer.
        self.generation = 0
        self._timeout = connector.location.timeout or DEFAULT_TIMEOUT
        self._health_check_interval = connector.location.health_check_interval or float("inf")
        self._buffer = bytearray(65536)
        self._spin = AdaptiveSpin()
        self._forget()
        watch(self)

    # Calls

    def call(self, *command: Argument, timeout: float | None = None) -> Reply:
        """Return the server's answer to one command; raises ``RedisRefused`` if that is an error."""
        return self.call_packed(pack(command), timeout=timeout)

    def call_packed(self, command: bytes, *, timeout: float | None = None) -> Reply:
        """Do what ``call`` does with a command in the form that goes over the wire."""
        deadline = self._prepare(timeout)
        reply = self._exchange(command, 1, deadline, is_in_burst=self._since_last < _BURST)[0]
        if isinstance(reply, ReplyError):
            raise self.explain(reply)
        return reply

    def run(self, call: ScriptCall, *, timeout: float | None = None) -> Reply:
        """Return what a script returns; raises ``RedisRefused`` if that is an error."""
        reply = self.pipeline((call,), timeout=timeout)[0]
        if isinstance(reply, ReplyError):
            raise self.explain(reply)
        return reply

    def pipeline(self, commands: Sequence[Command], *, timeout: float | None = None) -> list[Reply]:
        """Return the answers to several commands, sent at once; errors are among them, as ``ReplyError``."""
        if not commands:
            return []
        deadline = self._prepare(timeout)
        # Packed now, as it depends on what the connection knows already.
        replies = self._exchange(self._pack(commands), len(commands), deadline)
        wrong = [number for number, reply in enumerate(replies) if isinstance(reply, ReplyError)]
        if wrong:
            self._mend(commands, replies, wrong, deadline)
        return replies

    def _mend(self, commands: Sequence[Command], replies: list[Reply], wrong: Sequence[int], deadline: float) -> None:
        """Repeat what the server did not know how to do; leave a server that is not what it was."""
        forgotten = [number for number in wrong if replies[number].code == "NOSCRIPT"]
        if forgotten:
            # Somebody made it forget its scripts.
            calls = [commands[number] for number in forgotten]
            texts = b"".join(pack(call.by_text()) for call in calls if isinstance(call, ScriptCall))
            again = self._exchange(texts, len(calls), max(deadline, time.monotonic() + _LEAST))
            for number, reply in zip(forgotten, again, strict=True):
                replies[number] = reply
        if any(replies[number].code in _DROPPING for number in wrong if isinstance(replies[number], ReplyError)):
            self.close()

    def explain(self, reply: ReplyError) -> RedisRefused:
        """Return the error to raise for one that was answered."""
        if reply.code in _DROPPING:
            self.close()
        return RedisRefused(explain_reply(self.server, str(reply)), code=reply.code)

    # What is sent and read apart from each other: subscriptions, blocking commands

    def send(self, *commands: Command, timeout: float | None = None) -> None:
        """Send without waiting for an answer; ``read_available`` returns it."""
        timeout = self._timeout if timeout is None else timeout
        if self._sock is None:
            self._connect(timeout)
        self._write(self._pack(commands), len(commands), time.monotonic() + timeout)

    def read_available(self) -> list[Reply]:
        """Return what has arrived, pushes included, without waiting; raises ``RedisUnavailable`` at the end."""
        sock = self._sock
        if sock is None:
            return []
        try:
            # An earlier answer may have brought more than itself.
            found = self._parse_all()
            while size := self._receive_now(sock):
                found += self._parse_all()
                if size < len(self._buffer) and not self._is_encrypted:
                    # That was all; the end of the connection, if it is there too, is seen by the next who looks.
                    break
        except (OSError, hiredis.HiredisError) as error:
            self.close()
            raise RedisUnavailable(explain_away(self.server, error), maybe_done=True) from error
        return found

    def fileno(self) -> int:
        """Return the socket's number, for ``select``; -1 if there is no connection."""
        return -1 if self._sock is None else self._sock.fileno()

    # Its life

    @property
    def server(self) -> str:
        """The server's name in messages."""
        return self._connector.server

    @property
    def is_open(self) -> bool:
        """There is a connection, as far as anybody knows."""
        return self._sock is not None

    def open(self, *, timeout: float | None = None) -> None:
        """Connect if that is needed; raises ``RedisUnavailable`` with the cure."""
        self._prepare(timeout)

    def close(self) -> None:
        """Disconnect. Safe to call twice; the next call connects again."""
        sock = self._sock
        self._forget()
        if sock is not None:
            sock.close()

    def after_fork_in_child(self) -> None:
        """Close the child's copy; the parent's connection stays."""
        self.close()

    def _forget(self) -> None:
        self._sock: socket.socket | None = None
        self._reader: Any = None
        self._poller: Any = None
        self._is_encrypted = False
        self._used_at = 0.0
        self._since_last = float("inf")
        #: Digests of the scripts that this connection has sent.
        self._known: set[bytes] = set()

    # Inside

    def _prepare(self, timeout: float | None) -> float:
        """Make sure of a connection that was open a moment ago; return the moment when the time is up."""
        now = time.monotonic()
        deadline = now + (self._timeout if timeout is None else timeout)
        if self._sock is not None and (self._poller.poll(0) or now - self._used_at >= self._health_check_interval):
            self._look_after(deadline - now)
        self._since_last = now - self._used_at
        self._used_at = now
        if self._sock is None:
            self._connect(deadline - now)
            return max(deadline, time.monotonic() + _LEAST)
        return deadline

    def _exchange(self, data: bytes, count: int, deadline: float, *, is_in_burst: bool = False) -> list[Reply]:
        sock = self._write(data, count, deadline)
        try:
            replies = self._read(sock, count, deadline, is_there=is_in_burst and self._spin.sees(self._poller))
        except (OSError, hiredis.HiredisError) as error:
            self.close()
            raise RedisUnavailable(explain_away(self.server, error), maybe_done=True) from error
        except BaseException:
            # An interrupt in the middle of an answer.
            self.close()
            raise
        return replies

    def _write(self, data: bytes, count: int, deadline: float) -> socket.socket:
        sock = self._sock
        assert sock is not None
        try:
            if self._is_encrypted:
                sock.settimeout(max(deadline - time.monotonic(), _LEAST))
                sock.sendall(data)
            else:
                try:
                    sent = sock.send(data)
                except BlockingIOError:
                    sent = 0
                if sent != len(data):
                    self._send_rest(sock, memoryview(data)[sent:], deadline)
        except OSError as error:
            self.close()
            # The server does no command that it has not received to the end.
            raise RedisUnavailable(explain_away(self.server, error), maybe_done=count > 1) from error
        except BaseException:
            self.close()
            raise
        return sock

    def _send_rest(self, sock: socket.socket, rest: memoryview, deadline: float) -> None:
        room = select.poll()
        room.register(sock, select.POLLOUT)
        while rest:
            if not room.poll(_milliseconds_until(deadline)):
                raise TimeoutError("timed out")
            with contextlib.suppress(BlockingIOError):
                rest = rest[sock.send(rest) :]

    def _read(self, sock: socket.socket, count: int, deadline: float, *, is_there: bool = False) -> list[Reply]:
        reader, buffer, replies = self._reader, self._buffer, []
        while True:
            # The answer is still to come: what the reader may have from earlier is a push.
            size = self._receive(sock, deadline, is_there=is_there)
            is_there = False
            reader.feed(buffer, 0, size)
            while (reply := reader.gets()) is not _NOTHING_YET:
                if isinstance(reply, hiredis.PushNotification):
                    self._pushed(reply)
                    continue
                replies.append(reply)
                if len(replies) == count:
                    if self.on_push is not None:
                        # No socket becomes readable again for what came with the last answer.
                        for push in self._parse_all():
                            self.on_push(push)
                    return replies

    def _receive(self, sock: socket.socket, deadline: float, *, is_there: bool = False) -> int:
        """Wait for what comes and put it into the buffer; return how much it is."""
        while True:
            if self._is_encrypted:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise TimeoutError("timed out")
                sock.settimeout(remaining)
            elif not is_there and not self._poller.poll(_milliseconds_until(deadline)):
                raise TimeoutError("timed out")
            try:
                size = sock.recv_into(self._buffer)
            except BlockingIOError:
                is_there = False
                continue
            if not size:
                raise ConnectionResetError("the server closed it")
            return size

    def _look_after(self, timeout: float) -> None:
        """See whether the connection still is one; close it if not."""
        if self._poller.poll(0):
            self._look()
            return
        with contextlib.suppress(RedisUnavailable):
            self._exchange(pack((b"PING",)), 1, time.monotonic() + timeout)

    def _connect(self, timeout: float) -> None:
        sock = self._connector.connect(min(timeout, self._connector.location.connect_timeout))
        self._sock = sock
        self._is_encrypted = isinstance(sock, ssl.SSLSocket)
        sock.setblocking(False)
        self._reader = hiredis.Reader(
            protocolError=hiredis.ProtocolError, replyError=ReplyError, notEnoughData=_NOTHING_YET
        )
        self._poller = select.poll()
        self._poller.register(sock, select.POLLIN)
        self._used_at = time.monotonic()
        self.generation += 1

    def _look(self) -> None:
        """Something came while nobody asked: a push, or the end of the connection."""
        sock = self._sock
        assert sock is not None
        try:
            while self._receive_now(sock):
                for reply in self._parse_all():
                    if not isinstance(reply, hiredis.PushNotification):
                        # An answer to nothing: whatever this is, it cannot be trusted with the next one.
                        self.close()
                        return
                    self._pushed(reply)
        except (OSError, hiredis.HiredisError):
            self.close()

    def _receive_now(self, sock: socket.socket) -> int:
        """Feed the reader with what has come; return how many bytes that was. Raises ``OSError`` at the end."""
        if self._is_encrypted:
            sock.setblocking(False)
        try:
            size = sock.recv_into(self._buffer)
        except _NO_DATA:
            return 0
        if not size:
            raise ConnectionResetError("the server closed it")
        self._reader.feed(self._buffer, 0, size)
        return size

    def _parse_all(self) -> list[Reply]:
        found: list[Reply] = []
        while (reply := self._reader.gets()) is not _NOTHING_YET:
            found.append(reply)
        return found

    def _pushed(self, push: list[Reply]) -> None:
        if self.on_push is not None:
            self.on_push(push)

    def _pack(self, commands: Sequence[Command]) -> bytes:
        if len(commands) == 1 and not isinstance(commands[0], ScriptCall):
            return pack(commands[0])
        return b"".join([pack(self._spell(each) if isinstance(each, ScriptCall) else each) for each in commands])

    def _spell(self, call: ScriptCall) -> tuple[Argument, ...]:
        """Return the script's text the first time on this connection, its digest from then on."""
        digest = call.script.digest
        if digest in self._known:
            return call.by_digest()
        self._known.add(digest)
        return call.by_text()


def _milliseconds_until(deadline: float) -> float:
    """Return how long to wait, as ``poll`` takes it."""
    remaining = (deadline - time.monotonic()) * 1000
    return remaining if 0.0 < remaining < _LONGEST else max(0.0, min(remaining, _LONGEST))
