"""What the node and the fork server say to each other: a frame at a time over a Unix socket, descriptors beside it."""

import os
import socket
import struct
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from celeriac.supervision.interpreter import Surroundings

__all__ = [
    "MAX_DESCRIPTORS",
    "Boot",
    "End",
    "Ready",
    "Refusal",
    "Start",
    "Started",
    "receive_from_node",
    "receive_from_server",
    "send",
]

#: Descriptors one frame can carry: the kernel's limit is 253.
MAX_DESCRIPTORS = 250

_PREFIX = struct.Struct("!Q")
_CHUNK = 1 << 20


class Boot(Struct, frozen=True, kw_only=True, tag=True):
    """Node to server, first: become ready."""

    surroundings: Surroundings
    preload: list[str]
    portable: bool


class Ready(Struct, frozen=True, tag=True):
    """Server to node: booted."""


class Start(Struct, frozen=True, kw_only=True, tag=True):
    """Node to server: fork a child. Descriptors: the lifeline, the report, then the child's own."""

    target: str
    argument: bytes
    name: str
    descriptors: int


class Started(Struct, frozen=True, tag=True):
    """Server to node: forked. Descriptor: the child's pidfd, where there are such."""

    pid: int


class Refusal(Struct, frozen=True, kw_only=True, tag=True):
    """Server to node: not done, and why."""

    message: str
    #: The operating system's error number, if it was the one to refuse.
    error_number: int = 0
    #: More for the person who must mend it, such as a traceback.
    details: str = ""


class End(Struct, frozen=True, tag=True):
    """Node to server: exit; children live on."""


FromNode = Boot | Start | End
FromServer = Ready | Started | Refusal
_NODE_DECODER = msgspec.msgpack.Decoder(FromNode)
_SERVER_DECODER = msgspec.msgpack.Decoder(FromServer)


def send(connection: socket.socket, frame: FromNode | FromServer, descriptors: Sequence[int] = ()) -> None:
    """Send a frame; raises ``OSError`` when the other side is gone or, with a timeout set, does not take it."""
    body = msgspec.msgpack.encode(frame)
    prefix = _PREFIX.pack(len(body))
    if descriptors:
        socket.send_fds(connection, [prefix], list(descriptors))
    else:
        connection.sendall(prefix)
    connection.sendall(body)


def receive_from_node(connection: socket.socket) -> tuple[FromNode, list[int]]:
    """Wait, in the server, for a frame and its descriptors, which programs that this process runs do not inherit.

    Raises ``EOFError`` when the other side is gone, ``OSError`` on a broken connection or a timeout.
    """
    body, descriptors = _receive(connection)
    return _NODE_DECODER.decode(body), descriptors


def receive_from_server(connection: socket.socket) -> tuple[FromServer, list[int]]:
    """Wait, in the node; otherwise as ``receive_from_node``."""
    body, descriptors = _receive(connection)
    return _SERVER_DECODER.decode(body), descriptors


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    prefix, descriptors, _, _ = socket.recv_fds(
        connection, _PREFIX.size, MAX_DESCRIPTORS, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    )
    try:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        prefix += _receive_exactly(connection, _PREFIX.size - len(prefix))
        body = _receive_exactly(connection, *_PREFIX.unpack(prefix))
        return body, descriptors
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        chunk = connection.recv(min(size - len(received), _CHUNK))
        if not chunk:
            raise EOFError("The process at the other end of the connection is gone.")
        received += chunk
    return bytes(received)
