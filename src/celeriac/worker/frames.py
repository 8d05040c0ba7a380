"""What a node and its processes say to each other: values, and their bytes on a stream socket.

Each frame on the wire is four bytes of length (big-endian) and a MessagePack list of the structs below, so that a batch
costs one system call. Both ends are the same version of celeriac, so nothing here needs to be compatible.
"""

import socket
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from celeriac import exceptions
from celeriac.backends.base import StoredResult
from celeriac.protocol.message import Message
from celeriac.queues import Queue

__all__ = [
    "BootFailed",
    "Cancel",
    "Done",
    "Facts",
    "FrameReader",
    "Lifecycle",
    "Ping",
    "Pong",
    "Ready",
    "Started",
    "TaskFacts",
    "Verdict",
    "Work",
    "pack",
    "read_blocking",
]

_LENGTH = struct.Struct(">I")


class Verdict(Struct, array_like=True):
    """The end of an execution, decided outside of it: the child reports this failure instead of running the task."""

    #: Name of a class in ``celeriac.exceptions``.
    error: str
    arguments: list[Any]
    #: The message is to be kept as a dead letter.
    dead_letter: bool = False
    #: The signal that ended the task's process, for a task that was revoked while it ran.
    signum: int | None = None

    def as_error(self) -> BaseException:
        """Return the error it names."""
        error: BaseException = getattr(exceptions, self.error)(*self.arguments)
        return error


class Work(Struct, array_like=True, tag=1):
    """One task call for a child. It may run only after its number has been read from the lane's token pipe."""

    sequence: int
    envelope: bytes
    #: ``Delivery.execution``.
    execution: int
    redelivered: bool
    verdict: Verdict | None = None


class Done(Struct, array_like=True, tag=2):
    """One execution's end, for the node to settle."""

    sequence: int
    task_name: str
    #: Seconds between taking the token and having the report: what the dispatcher's pace is measured in.
    runtime: float
    #: Value of a ``brokers.base.Outcome``.
    outcome: str
    state: str
    result: StoredResult | None = None
    follow_ups: tuple[Message, ...] = ()
    replacement: Message | None = None
    reason: str = ""


class Started(Struct, array_like=True, tag=3):
    """A STARTED result to be stored while the task runs."""

    sequence: int
    result: StoredResult


class Ready(Struct, array_like=True, tag=4):
    """The child has imported the app and takes work."""

    pid: int
    #: It has tasks for the async lane.
    runs_async: bool


class BootFailed(Struct, array_like=True, tag=5):
    """The app could not be imported: one sentence, and the traceback."""

    sentence: str
    traceback: str


class TaskFacts(Struct, array_like=True):
    """What the node needs to know of a registered task."""

    is_async: bool
    acks_late: bool
    #: None: unset, which means redeliver.
    reject_on_worker_lost: bool | None


class Facts(Struct, array_like=True, tag=6):
    """What the app process tells the node about the app: plain values only."""

    settings: dict[str, Any]
    tasks: dict[str, TaskFacts]
    #: Those to take from: the command line's choice of those the app knows.
    queues: list[Queue]
    #: Where the node takes from.
    broker_url: str
    broker_options: dict[str, Any]
    #: None: results are not stored.
    result_backend_url: str | None
    backend_options: dict[str, Any]
    app_name: str
    #: The environment's ``TZ`` as importing the app has left it (Django sets it), so that all log times agree.
    time_zone: str | None
    warnings: list[str]
    #: Said to a worker that reloads only: it must not, and folders of files besides code that tasks read.
    in_production: bool = False
    resources: list[str] = []


class Lifecycle(Struct, array_like=True, tag=7):
    """A moment in the node's life, for the app process to announce as a signal."""

    moment: str


class Ping(Struct, array_like=True, tag=8):
    """Answer with a ``Pong``."""


class Pong(Struct, array_like=True, tag=9):
    """The answer to a ``Ping``."""


class Cancel(Struct, array_like=True, tag=10):
    """Cancel the coroutine of this work: another run has replaced it."""

    sequence: int


Frame = Work | Done | Started | Ready | BootFailed | Facts | Lifecycle | Ping | Pong | Cancel

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Frame])


def pack(frames: Sequence[Frame]) -> bytes:
    """Return the bytes of some frames, length first."""
    body = _encoder.encode(frames)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Collects bytes from a socket, so many ``at_once``, and yields whole frames."""

    def __init__(self, connection: socket.socket, *, at_once: int = 1 << 18) -> None:
        self._connection = connection
        self._at_once = at_once
        self._buffer = bytearray()
        self.closed = False

    def read(self) -> list[Frame]:
        """Return the frames that have arrived. Sets ``closed`` at the end of the stream."""
        try:
            chunk = self._connection.recv(self._at_once)
        except BlockingIOError:
            return []
        except OSError:
            chunk = b""
        if not chunk:
            self.closed = True
            return []
        buffer = self._buffer
        buffer += chunk
        frames: list[Frame] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            frames += _decoder.decode(memoryview(buffer)[start + _LENGTH.size : end])
            start = end
        if start:
            del buffer[:start]
        return frames


def read_blocking(connection: socket.socket) -> list[Frame]:
    """Wait for one packed list of frames; raises ``EOFError`` when the other end is gone."""
    (length,) = _LENGTH.unpack(_read_exactly(connection, _LENGTH.size))
    return _decoder.decode(_read_exactly(connection, length))


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    chunks = []
    while size:
        chunk = connection.recv(min(size, 1 << 20))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        size -= len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
