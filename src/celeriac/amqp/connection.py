"""A connection to RabbitMQ: frames to and from its channels, and its heartbeat."""

import contextlib
import itertools
import struct
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from celeriac.amqp.channel import Channel
from celeriac.amqp.content import frame
from celeriac.amqp.errors import ConnectionLost, cannot_connect
from celeriac.amqp.handshake import shake_hands
from celeriac.amqp.location import Location, Server
from celeriac.amqp.methods import Method, read_method, write_method
from celeriac.amqp.stream import Stream
from celeriac.exceptions import BrokerUnavailable, DecodeError

__all__ = ["Connection"]

_HEAD = struct.Struct(">BHI").unpack_from
_METHOD, _HEARTBEAT = 1, 8
_END = 0xCE
_HEARTBEAT_FRAME = frame(_HEARTBEAT, 0, b"")
#: Seconds a call waits for the server's answer.
_PATIENCE = 5.0

_numbers = itertools.count(1)


class Connection:
    """One socket and its channels. Used by one thread at a time, which alone decides when anything is sent or read.

    ``drive`` does all of it: it sends what is waiting, sends heartbeats, reads, and sorts what came into the channels.
    Whoever holds a connection with a heartbeat calls it, or a method of a channel, at least that often. When anything
    is wrong with the connection, ``ConnectionLost`` is raised, now and by every later call.
    """

    def __init__(self, stream: Stream, server: Server) -> None:
        #: Unique in this process.
        self.number = next(_numbers)
        self.server = server
        self.server_properties: Mapping[str, Any] = {}
        self.frame_max = 4096
        self.channel_max = 2047
        #: Seconds; 0: none.
        self.heartbeat = 0.0
        self.patience = _PATIENCE
        #: Why the server takes no messages at the moment (``low on memory``); empty: it does.
        self.blocked = ""
        #: When it last took a message here (monotonic).
        self.took_at = 0.0
        #: What has been made sure of on it, for whoever declares things.
        self.known: set[str] = set()
        #: How many of its channels have ended: whoever has looked after them need not look again until this changes.
        self.ended_channels = 0
        #: Methods on no channel that wait for whoever asked for them.
        self.control: deque[Method] = deque()
        self._stream = stream
        self._channels: dict[int, Channel] = {}
        self._rest = b""
        self._lost: str | None = None
        self._lost_code = 0
        now = time.monotonic()
        self._sent_at = self._received_at = now

    @classmethod
    def open(
        cls, location: Location, *, heartbeat: float = 0.0, timeout: float | None = None, name: str
    ) -> "Connection":
        """Connect to the first of the servers that can be used.

        ``timeout`` is for all attempts together; one takes ``connect_timeout`` at most. ``name`` is what the server
        shows of this connection. Raises ``BrokerUnavailable`` with the cure.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        errors: list[BrokerUnavailable] = []
        for server in itertools.islice(location.in_turn(), len(location.servers)):
            patience = location.connect_timeout
            if deadline is not None:
                patience = min(patience, max(0.05, deadline - time.monotonic()))
            try:
                return cls._open_one(server, location, heartbeat=heartbeat, timeout=patience, name=name)
            except BrokerUnavailable as error:
                errors.append(error)
            if deadline is not None and time.monotonic() >= deadline:
                break
        raise _of_all(errors)

    @classmethod
    def _open_one(
        cls, server: Server, location: Location, *, heartbeat: float, timeout: float, name: str
    ) -> "Connection":
        deadline = time.monotonic() + timeout
        try:
            stream = Stream.connect(server, location, timeout)
        except OSError as error:
            raise BrokerUnavailable(cannot_connect(server.address, error)) from error
        connection = cls(stream, server)
        try:
            shake_hands(connection, location, heartbeat=heartbeat, deadline=deadline, name=name)
        except BaseException:
            connection.abandon()
            raise
        return connection

    @property
    def is_open(self) -> bool:
        """Nothing is known to be wrong with it."""
        return self._lost is None

    @property
    def lost_code(self) -> int:
        """Why the server closed it, as AMQP's number; 0: it did not say."""
        return self._lost_code

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._stream.fileno()

    def channel(self) -> Channel:
        """Open a channel."""
        self.require_open()
        number = next(number for number in itertools.count(1) if number not in self._channels)
        if number > self.channel_max > 0:
            raise BrokerUnavailable(f"The connection to RabbitMQ has {self.channel_max} channels already, its limit.")
        channel = self._channels[number] = Channel(self, number)
        channel.open()
        return channel

    def forget(self, channel: Channel) -> None:
        """A channel is closed; its number is free again."""
        if self._channels.get(channel.number) is channel:
            del self._channels[channel.number]
            self.ended_channels += 1

    def write(self, data: bytes) -> None:
        """Have frames sent with the next ``drive``."""
        self._stream.write(data)

    def write_method(self, channel: int, name: str, *arguments: Any) -> None:
        """Have a method sent with the next ``drive``."""
        self._stream.write(frame(_METHOD, channel, write_method(name, *arguments)))

    @property
    def has_unsent(self) -> bool:
        """Something is still to be sent."""
        return self._stream.has_unsent

    def drive(self, timeout: float, wake: int | None = None) -> bool:
        """Send, wait up to ``timeout`` seconds for something to arrive, and sort it; return whether anything did.

        Returns early when the descriptor ``wake`` can be read, or when more can be sent. Raises ``ConnectionLost``.
        """
        self.require_open()
        deadline = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            pause = min(deadline - now, self._beat(now))
            had_unsent = self._stream.has_unsent
            try:
                data = self._stream.turn(pause, wake)
            except (OSError, EOFError) as error:
                raise self.lose(f"The connection to RabbitMQ at {self.server.address} broke: {error}.") from error
            now = time.monotonic()
            if had_unsent:
                self._sent_at = now
            if data:
                self._received_at = now
                self._sort(data)
                return True
            self._notice_silence(now)
            if now >= deadline or wake is not None or had_unsent:
                return False

    def require_open(self) -> None:
        """Raise ``ConnectionLost`` if it is."""
        if self._lost is not None:
            error = ConnectionLost(self._lost)
            error.code = self._lost_code
            raise error

    def lose(self, sentence: str, *, code: int = 0) -> ConnectionLost:
        """Close the socket at once and end every channel; return what to raise."""
        if self._lost is None:
            self._lost, self._lost_code = sentence, code
            self._stream.close()
            for channel in list(self._channels.values()):
                channel.end()
            self._channels.clear()
        error = ConnectionLost(self._lost)
        error.code = self._lost_code
        return error

    def close(self) -> None:
        """Say goodbye and close. Safe to call twice; never raises for a connection that is broken."""
        if self._lost is not None:
            return
        deadline = time.monotonic() + 1.0
        try:
            self.write_method(0, "connection.close", 200, "", 0, 0)
            while not any(method.name == "connection.close-ok" for method in self.control):
                if time.monotonic() >= deadline:
                    break
                self.drive(0.2)
        except BrokerUnavailable:
            pass
        self.abandon()

    def abandon(self) -> None:
        """Close this process's copy of the socket without a word: after a fork, or when there is nobody to talk to."""
        self.lose("The connection to RabbitMQ has been closed.")

    def await_control(self, names: Sequence[str], deadline: float) -> Method:
        """Return the next of these methods on no channel; raises ``ConnectionLost``."""
        while True:
            while self.control:
                method = self.control.popleft()
                if method.name in names:
                    return method
            if time.monotonic() >= deadline:
                raise self.lose(f"RabbitMQ at {self.server.address} did not answer in time ({names[0]}).")
            self.drive(deadline - time.monotonic())

    def _beat(self, now: float) -> float:
        """Send a heartbeat if it is time; return the seconds until the next one."""
        if not self.heartbeat:
            return 3600.0
        due = self._sent_at + self.heartbeat / 2
        if now >= due:
            self._stream.write(_HEARTBEAT_FRAME)
            return self.heartbeat / 2
        return due - now

    def _notice_silence(self, now: float) -> None:
        """Give up a server that has sent neither data nor heartbeats. Called when all that has come is read."""
        if self.heartbeat and now - self._received_at > 2 * self.heartbeat + 1:
            silence = now - self._received_at
            raise self.lose(f"RabbitMQ at {self.server.address} has said nothing for {silence:.0f} s; given up.")

    def _sort(self, data: bytes) -> None:
        """Give whole frames to their channels and keep the rest for later."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        channels = self._channels
        try:
            while end - at > 7:
                kind, number, size = _HEAD(data, at)
                stop = at + 7 + size
                if stop >= end:
                    break
                if data[stop] != _END:
                    raise DecodeError("a frame does not end where it says")
                if number == 0:
                    if kind == _METHOD:
                        self._take_control(read_method(data, at + 7, stop))
                elif number in channels:
                    channels[number].take(kind, data, at + 7, stop)
                at = stop + 1
        except DecodeError as error:
            raise self.lose(f"What RabbitMQ at {self.server.address} sends is not AMQP 0-9-1: {error}") from error
        self._rest = data[at:] if at else data

    def _take_control(self, method: Method) -> None:
        match method.name:
            case "connection.close":
                code, text, *_ = method.arguments
                self.write_method(0, "connection.close-ok")
                with contextlib.suppress(OSError, EOFError):
                    self._stream.turn(0)
                raise self.lose(f"RabbitMQ at {self.server.address} closed the connection: {text} ({code}).", code=code)
            case "connection.blocked":
                self.blocked = str(method.arguments[0]) or "an alarm"
            case "connection.unblocked":
                self.blocked = ""
            case _:
                self.control.append(method)


def _of_all(errors: Sequence[BrokerUnavailable]) -> BrokerUnavailable:
    """Return the error of one attempt, or one that names all."""
    if len(errors) == 1:
        return errors[0]
    return BrokerUnavailable(" ".join(str(error) for error in errors) or "The broker URL names no server.")
