"""A socket that never blocks; a wait ends when something arrives, when more can be sent, or when somebody wakes it."""

import contextlib
import select
import socket
import ssl

from celeriac.amqp.location import Location, Server

__all__ = ["Stream"]

#: Bytes read at once. TLS gives 16 KiB at a time whatever is asked for.
_CHUNK = 1 << 18
#: Bytes read in one turn, at most, so that what they hold is not kept waiting.
_TURN = 1 << 22
#: Seconds of silence before the system asks whether the other side is there, between its questions, and their number.
_KEEPALIVE = (15, 5, 4)


class Stream:
    """Bytes to and from one server. Used by one thread at a time.

    Raises ``OSError`` when the connection is broken, ``EOFError`` when the other side has ended it.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._is_tls = isinstance(connected, ssl.SSLSocket)
        self._unsent: list[bytes] = []
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)
        self._waits_to_send = False
        self._wake: int | None = None

    @classmethod
    def connect(cls, server: Server, location: Location, timeout: float) -> "Stream":
        """Connect within so many seconds; raises ``OSError``."""
        plain = socket.create_connection((server.host, server.port), timeout)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(plain)
            if not server.uses_tls or location.tls is None:
                return cls(plain)
            return cls(location.tls.wrap_socket(plain, server_hostname=server.host))
        except BaseException:
            plain.close()
            raise

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def write(self, data: bytes) -> None:
        """Have bytes sent with the next turn."""
        self._unsent.append(data)

    @property
    def has_unsent(self) -> bool:
        """Something is still to be sent."""
        return bool(self._unsent)

    def turn(self, timeout: float, wake: int | None = None) -> bytes:
        """Send what can be sent, wait up to ``timeout`` seconds for something to arrive, and return that.

        Returns nothing when the time is over, when the descriptor ``wake`` can be read, or when more can be sent.
        """
        self._send()
        if not self._is_tls or not self._has_buffered():
            # Without a wait too: where nothing has come, to ask costs half of what trying to read does.
            pause = 0.0
            if timeout > 0:
                self._prepare_poll(wake)
                # Rounded up: a wait that ends a moment before its time would only be repeated.
                pause = timeout * 1000 + 1
            ready = {descriptor for descriptor, _ in self._poll.poll(pause)}
            if self._socket.fileno() not in ready:
                return b""
        data = self._receive()
        if self._unsent:
            self._send()
        return data

    def close(self) -> None:
        """Close this process's copy, telling the other side only if there is no other copy."""
        with contextlib.suppress(OSError):
            self._socket.close()
        self._unsent.clear()

    def _has_buffered(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _prepare_poll(self, wake: int | None) -> None:
        if wake != self._wake:
            if self._wake is not None:
                with contextlib.suppress(KeyError, OSError):
                    self._poll.unregister(self._wake)
            if wake is not None:
                self._poll.register(wake, select.POLLIN)
            self._wake = wake
        if bool(self._unsent) != self._waits_to_send:
            self._waits_to_send = not self._waits_to_send
            self._poll.modify(self._socket, select.POLLIN | (select.POLLOUT if self._waits_to_send else 0))

    def _send(self) -> None:
        if not self._unsent:
            return
        data = memoryview(self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent))
        self._unsent.clear()
        try:
            while data:
                data = data[self._socket.send(data) :]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        if data:
            self._unsent.append(bytes(data))

    def _receive(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while size < _TURN:
                chunk = self._socket.recv(_CHUNK)
                if not chunk:
                    if chunks:
                        break
                    raise EOFError("the server has ended the connection")
                chunks.append(chunk)
                size += len(chunk)
                if len(chunk) < _CHUNK and not self._is_tls:
                    break
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            # What came before the end counts: it may say why.
            if not chunks:
                raise
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _keep_alive(connected: socket.socket) -> None:
    """Have the system notice a host that has vanished, also while nobody looks at the connection."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in zip(("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), _KEEPALIVE, strict=True):
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
