"""A lane: the way of work to one kind of slot in a child, and of its results back.

It has two parts. A stream socket carries the work itself, in batches. A pipe carries *tokens*: whoever reads a work's
token, eight bytes with its sequence number, owns the right to run it. The child reads one token before each task. The
node keeps the reading end too, so it can take work back by reading tokens itself, without the child's help, even while
a C call holds the child's interpreter lock. The kernel hands each token to exactly one of the two: writes and reads are
whole tokens, at most ``PIPE_BUF`` bytes, under the pipe's lock.

Closing the lane is the order to leave: the child runs what it has tokens for, then sees the end of the pipe.
"""

import os
import select
import socket
import struct
from collections import deque
from collections.abc import Sequence

from celeriac.worker.frames import Cancel, Done, Frame, FrameReader, Ready, Started, Work, pack

__all__ = ["ChildLane", "NodeLane"]

_TOKEN = struct.Struct("<Q")
#: Tokens that one write puts into the pipe at once: PIPE_BUF is at least 512 bytes everywhere.
_TOKENS_A_WRITE = 512 // _TOKEN.size
#: Bytes of work that a child reads at once.
_BATCH = 1 << 16


class NodeLane:
    """The node's end. Used by the node's main thread only; never blocks."""

    def __init__(self) -> None:
        self.stream, self._child_stream = socket.socketpair()
        self._token_reader, self._token_writer = os.pipe()
        self.stream.setblocking(False)
        os.set_blocking(self._token_reader, False)
        os.set_blocking(self._token_writer, False)
        self._reader = FrameReader(self.stream)
        self._outbox: deque[tuple[memoryview, bytes]] = deque()
        self._writer_closed = False

    def child_descriptors(self) -> list[int]:
        """Return what to pass to the child, for ``ChildLane``."""
        return [self._child_stream.fileno(), self._token_reader]

    def handed_over(self) -> None:
        """Forget the child's end of the stream, once the child has it."""
        self._child_stream.close()

    @property
    def closed_by_child(self) -> bool:
        """The child has closed its end, which it does only by ending."""
        return self._reader.closed

    def send(self, works: Sequence[Work]) -> bool:
        """Send work and then its tokens; return whether some is left, as ``flush`` does."""
        frame = pack(works)
        tokens = b"".join([_TOKEN.pack(work.sequence) for work in works])
        self._outbox.append((memoryview(frame), tokens))
        return self.flush()

    def flush(self) -> bool:
        """Write what waits; return whether some is left, to be written when the socket is writable."""
        outbox = self._outbox
        while outbox:
            data, tokens = outbox[0]
            try:
                if data:
                    sent = self.stream.send(data)
                    if sent < len(data):
                        outbox[0] = (data[sent:], tokens)
                        continue
                rest = self._write_tokens(tokens)
                if rest:
                    outbox[0] = (data[:0], rest)
                    return True
            except BlockingIOError:
                return True
            except OSError:
                # The child is gone. Its ending is learned from the process; its work is taken back then.
                return False
            outbox.popleft()
        return False

    def _write_tokens(self, tokens: bytes) -> bytes:
        step = _TOKENS_A_WRITE * _TOKEN.size
        for start in range(0, len(tokens), step):
            try:
                os.write(self._token_writer, tokens[start : start + step])
            except BlockingIOError:
                return tokens[start:]
        return b""

    def cancel(self, sequence: int) -> None:
        """Have a coroutine cancelled; to be flushed."""
        self._outbox.append((memoryview(pack([Cancel(sequence)])), b""))

    def take_back(self) -> list[int]:
        """Read every token the child has not read: those works will not run there. Returns their numbers, in order.

        What still waits to be written is taken back too.
        """
        sequences: list[int] = []
        while True:
            try:
                data = os.read(self._token_reader, 4096)
            except (BlockingIOError, OSError):
                break
            if not data:
                break
            sequences += [number for (number,) in _TOKEN.iter_unpack(data)]
        if self._outbox:
            head = self._outbox.popleft()
            waiting = [head, *self._outbox]
            self._outbox.clear()
            for _, tokens in waiting:
                sequences += [number for (number,) in _TOKEN.iter_unpack(tokens)]
            # A frame that is half written must be finished, or the stream loses its step; nobody gets its tokens.
            if head[0]:
                self._outbox.append((head[0], b""))
        return sequences

    def read(self) -> list[Frame]:
        """Return what the child has said."""
        return self._reader.read()

    def read_rest(self) -> list[Frame]:
        """Return all that a dead child had still said."""
        frames: list[Frame] = []
        while not self._reader.closed:
            before = len(frames)
            frames += self._reader.read()
            if len(frames) == before and not _is_readable(self.stream):
                break
        return frames

    def close_tokens(self) -> None:
        """Tell the child to leave when it has run what it has tokens for. Safe to call twice."""
        if not self._writer_closed:
            self._writer_closed = True
            os.close(self._token_writer)
            # The number may be another file's from now on.
            self._token_writer = -1

    def close(self) -> None:
        """Close everything. Safe to call twice."""
        self.close_tokens()
        if self.stream.fileno() >= 0:
            self.stream.close()
            self._child_stream.close()
            os.close(self._token_reader)


class ChildLane:
    """The child's end. ``next_work`` is used by one thread; ``send`` may be by others under their own lock."""

    def __init__(self, stream_descriptor: int, token_descriptor: int) -> None:
        self.stream = socket.socket(fileno=stream_descriptor)
        self.stream.setblocking(True)
        self.token_descriptor = token_descriptor
        self._poll = select.poll()
        self._poll.register(token_descriptor, select.POLLIN)
        self._poll.register(stream_descriptor, select.POLLIN)
        self._reader = FrameReader(self.stream, at_once=_BATCH)
        self._received: deque[Work] = deque()
        #: Works whose coroutines are to be cancelled.
        self.cancelled: list[int] = []
        self.ended = False

    def next_work(self) -> Work | None:
        """Take one token, if there is one, and return its work; None if there is none now (or ever: ``ended``)."""
        try:
            token = os.read(self.token_descriptor, _TOKEN.size)
        except BlockingIOError:
            return None
        if not token:
            self.ended = True
            return None
        return self._work_of(_TOKEN.unpack(token)[0])

    def wait(self, timeout: float | None = None) -> None:
        """Wait for a token, the end of the lane, or the timeout (seconds).

        Work that arrives is received meanwhile: the node sends a token only when the whole of its work is out, and a
        big message does not fit into the socket.
        """
        for descriptor, _ in self._poll.poll(None if timeout is None else timeout * 1000):
            if descriptor == self.stream.fileno():
                self.receive()

    def receive(self) -> None:
        """Receive the next batch of work, waiting for it if it is not there; its tokens decide what may run."""
        reader = self._reader
        frames = reader.read()
        while not frames and not reader.closed:
            frames = reader.read()
        if not frames:
            # The node is gone, and so will this process be in a moment.
            self.ended = True
        works = [frame for frame in frames if isinstance(frame, Work)]
        self._received.extend(works)
        if len(works) != len(frames):
            self.cancelled += [frame.sequence for frame in frames if isinstance(frame, Cancel)]

    def receive_ready(self) -> None:
        """Receive a batch of work if there is one; in an event loop its token may have come first."""
        if _is_readable(self.stream):
            self.receive()

    def _work_of(self, sequence: int) -> Work | None:
        received = self._received
        while not self.ended:
            # What lies before it was taken back by the node: sequence numbers only grow.
            while received:
                work = received.popleft()
                if work.sequence == sequence:
                    return work
            self.receive()
        return None

    def send(self, frames: Sequence[Done | Started | Ready | Frame]) -> None:
        """Send to the node. Raises ``OSError`` when it is gone."""
        self.stream.sendall(pack(frames))


def _is_readable(stream: socket.socket) -> bool:
    # Not select.select, which knows no descriptors beyond 1023: a hundred children have more.
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    return bool(poll.poll(0))
