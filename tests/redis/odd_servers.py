"""Servers that real ones can hardly be made to be: very old ones, and very slow ones."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["dripping_server", "old_server"]


@contextlib.contextmanager
def old_server(version: str) -> Iterator[str]:
    """Give the URL of a server that only knows how to say its version; ``HELLO`` came with Redis 6."""
    with _server(lambda connection, request: connection.sendall(_answer(request, version))) as url:
        yield url


@contextlib.contextmanager
def dripping_server(pause: float) -> Iterator[str]:
    """Give the URL of a server that greets at once, and answers everything else byte by byte without an end."""

    def answer(connection: socket.socket, request: bytes) -> None:
        if b"INFO" in request:
            connection.sendall(_answer(request, "7.0.0"))
            return
        connection.sendall(b"$1000\r\n")
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x")
                time.sleep(pause)

    with _server(answer) as url:
        yield url


@contextlib.contextmanager
def _server(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answer), daemon=True)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # A listener that is closed does not wake who accepts.
            socket.create_connection(listener.getsockname()).close()
            thread.join(5)


def _serve(listener: socket.socket, answer: Callable[[socket.socket, bytes], None]) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(4096)
            if not request:
                return
            while request:
                answer(connection, request)
                try:
                    request = connection.recv(4096)
                except ConnectionResetError:
                    break


def _answer(request: bytes, version: str) -> bytes:
    if b"INFO" in request:
        about = f"# Server\r\nredis_version:{version}\r\n".encode()
        return b"$%d\r\n%s\r\n" % (len(about), about)
    word = request.split(b"\r\n")[2].decode()
    return f"-ERR unknown command `{word}`, with args beginning with: `3`, \r\n".encode()
