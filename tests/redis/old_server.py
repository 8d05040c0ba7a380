"""A server as they were years ago, as far as a client sees of it that only greets."""

import contextlib
import socket
import threading
from collections.abc import Iterator

__all__ = ["old_server"]


@contextlib.contextmanager
def old_server(version: str) -> Iterator[str]:
    """Give its URL. It knows ``INFO`` and nothing else: ``HELLO`` came with Redis 6."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, version), daemon=True)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # A listener that is closed does not wake who accepts.
            socket.create_connection(listener.getsockname()).close()
            thread.join(5)


def _serve(listener: socket.socket, version: str) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(4096)
            if not request:
                return
            while request:
                connection.sendall(_answer(request, version))
                request = connection.recv(4096)


def _answer(request: bytes, version: str) -> bytes:
    if b"INFO" in request:
        about = f"# Server\r\nredis_version:{version}\r\n".encode()
        return b"$%d\r\n%s\r\n" % (len(about), about)
    word = request.split(b"\r\n")[2].decode()
    return f"-ERR unknown command `{word}`, with args beginning with: `3`, \r\n".encode()
