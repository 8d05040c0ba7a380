"""A TCP proxy between our code and a server, which does what networks do on bad days."""

import contextlib
import enum
import selectors
import socket
import struct
import threading
from typing import Self

__all__ = ["Direction", "Proxy"]

_CHUNK = 65536


class Direction(enum.Flag):
    """Which way bytes flow."""

    TO_SERVER = enum.auto()
    TO_CLIENT = enum.auto()
    BOTH = TO_SERVER | TO_CLIENT


class _Stream:
    """One direction of one connection: what was read from ``source`` and is still to be written to ``target``."""

    def __init__(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        self.source = source
        self.target = target
        self.direction = direction
        self.held = b""
        self.has_ended = False


class Proxy:
    """Listens on a free port and passes bytes to a server on loopback. A context manager.

    ==================  ============================================================================================
    ``silence()``       passes nothing on, neither bytes nor the end of a connection; new connections are accepted
                        and hear nothing either: packets are dropped. ``end_silence()`` lets flow what was held back
    ``cut()``           resets all connections there are; new ones are passed
    ``refuse()``        resets all connections and refuses new ones, until ``accept()``
    ``reset_after(n)``  passes ``n`` more bytes of replies and resets that connection in the middle of one
    ==================  ============================================================================================

    Safe from any thread.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._streams: dict[socket.socket, _Stream] = {}
        self._silent = Direction(0)
        self._until_reset: int | None = None
        self._refuses = False
        #: Connections accepted so far, and bytes passed to the clients.
        self.accepted = 0
        self.replied = 0
        self.resets = 0
        self._ended = False
        self._bell, self._bell_rope = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and all its connections."""
        with self._lock:
            self._ended = True
        self._ring()
        self._thread.join()
        self._reset_all()
        self._listener.close()
        self._bell.close()
        self._bell_rope.close()
        self._selector.close()

    def url(self, server_url: str) -> str:
        """Return the server's URL with this proxy's port in place of the server's."""
        return server_url.replace(f":{self._server_port}", f":{self.port}")

    def silence(self, direction: Direction = Direction.BOTH) -> None:
        """Pass nothing on in that direction."""
        with self._lock:
            self._silent |= direction
        self._ring()

    def end_silence(self) -> None:
        """Pass on again, first of all what was held back."""
        with self._lock:
            self._silent = Direction(0)
        self._ring()

    def cut(self) -> None:
        """Reset all connections there are."""
        with self._lock:
            self._reset_all()

    def refuse(self) -> None:
        """Reset all connections and refuse new ones."""
        with self._lock:
            self._refuses = True
            self._selector.unregister(self._listener)
            self._listener.close()
            self._reset_all()
        self._ring()

    def accept(self) -> None:
        """Accept connections again."""
        with self._lock:
            self._listener = self._listen(self.port)
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._refuses = False
        self._ring()

    def reset_after(self, count: int) -> None:
        """Pass on that many more bytes of replies, then reset the connection they belong to."""
        with self._lock:
            self._until_reset = count

    @property
    def connections(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._streams) // 2

    # The proxy's thread.

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        listener.setblocking(False)
        return listener

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell_rope.send(b"\0")

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._ended:
                    return
                self._watch_all()
            for key, events in self._selector.select(1.0):
                with self._lock:
                    self._attend(key.fileobj, events)

    def _attend(self, ready, events: int) -> None:
        if ready is self._bell:
            self._bell.recv(4096)
        elif ready is self._listener:
            self._accept_one()
        else:
            if events & selectors.EVENT_READ and ready in self._streams:
                self._read(self._streams[ready])
            if events & selectors.EVENT_WRITE and (stream := self._into(ready)) is not None:
                self._write(stream)

    def _watch_all(self) -> None:
        """Wait for what can be read where something may be passed on, and for room where something is held."""
        for stream in self._streams.values():
            events = 0
            if not (stream.direction & self._silent or stream.held or stream.has_ended):
                events |= selectors.EVENT_READ
            back = self._into(stream.source)
            if back is not None and back.held and not back.direction & self._silent:
                events |= selectors.EVENT_WRITE
            self._watch(stream.source, events)

    def _watch(self, connection: socket.socket, events: int) -> None:
        watched = connection in self._selector.get_map()
        if events and watched:
            self._selector.modify(connection, events)
        elif events:
            self._selector.register(connection, events)
        elif watched:
            self._selector.unregister(connection)

    def _into(self, connection: socket.socket) -> _Stream | None:
        """Return the stream that writes to the connection."""
        stream = self._streams.get(connection)
        return self._streams.get(stream.target) if stream is not None else None

    def _accept_one(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        self.accepted += 1
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port), 5.0)
        except OSError:
            _reset(client)
            return
        for connection in (client, server):
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._streams[client] = _Stream(client, server, Direction.TO_SERVER)
        self._streams[server] = _Stream(server, client, Direction.TO_CLIENT)

    def _read(self, stream: _Stream) -> None:
        if stream.direction & self._silent or stream.held:
            return
        try:
            stream.held = stream.source.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._reset_pair(stream)
            return
        if not stream.held:
            stream.has_ended = True
            with contextlib.suppress(OSError):
                stream.target.shutdown(socket.SHUT_WR)
            back = self._streams[stream.target]
            if back.has_ended:
                self._forget_pair(stream)
            return
        self._write(stream)

    def _write(self, stream: _Stream) -> None:
        if not stream.held or stream.direction & self._silent:
            return
        limit = self._until_reset if stream.direction is Direction.TO_CLIENT else None
        try:
            sent = stream.target.send(stream.held if limit is None else stream.held[:limit])
        except BlockingIOError:
            return
        except OSError:
            self._reset_pair(stream)
            return
        stream.held = stream.held[sent:]
        if stream.direction is Direction.TO_CLIENT:
            self.replied += sent
            if limit is not None:
                self._until_reset = limit - sent
                if self._until_reset <= 0:
                    self._until_reset = None
                    self.resets += 1
                    self._reset_pair(stream)

    def _reset_all(self) -> None:
        for stream in list(self._streams.values()):
            if stream.source in self._streams:
                self._reset_pair(stream)

    def _reset_pair(self, stream: _Stream) -> None:
        self._forget_pair(stream, close=_reset)

    def _forget_pair(self, stream: _Stream, close=socket.socket.close) -> None:
        for connection in (stream.source, stream.target):
            self._watch(connection, 0)
            self._streams.pop(connection, None)
            close(connection)


def _reset(connection: socket.socket) -> None:
    """Close by a reset: the other side gets an error and not an end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
