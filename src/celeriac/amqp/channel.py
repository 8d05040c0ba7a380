"""A channel: orders to the server, messages to it and from it."""

import contextlib
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from celeriac.amqp.confirms import Confirms, Receipts
from celeriac.amqp.content import Arrival, Publishable, read_properties
from celeriac.amqp.errors import Refused, refused
from celeriac.amqp.methods import CODES, Method, read_delivery, read_method
from celeriac.exceptions import BrokerUnavailable, DecodeError, OperationalError
from celeriac.protocol.amqp_properties import Properties

if TYPE_CHECKING:
    from celeriac.amqp.connection import Connection

__all__ = ["Channel", "QueueFacts"]

_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER, _RETURN, _GET_OK = CODES["basic.deliver"], CODES["basic.return"], CODES["basic.get-ok"]
_ACK, _NACK = CODES["basic.ack"], CODES["basic.nack"]
_read_code = struct.Struct(">I").unpack_from
_read_answer = struct.Struct(">QB").unpack_from
_read_size = struct.Struct(">Q").unpack_from
#: Seconds between two calls of ``meanwhile`` while confirms are awaited.
_MEANWHILE = 0.5


class QueueFacts(NamedTuple):
    """What the server says of a queue."""

    name: str
    #: Ready to be taken.
    messages: int
    consumers: int


class _Content:
    """A message that is arriving in pieces."""

    __slots__ = ("body", "header", "method", "missing")

    def __init__(self, method: Method) -> None:
        self.method = method
        self.header = b""
        self.body: list[bytes] = []
        self.missing = 0


class Channel:
    """One conversation on a connection. An order that the server refuses closes it (``Refused``), and it alone."""

    def __init__(self, connection: "Connection", number: int) -> None:
        self.connection = connection
        self.number = number
        #: What the server has pushed, oldest first.
        self.arrivals: deque[Arrival] = deque()
        #: Consumers that the server has cancelled, as it does when their queue is deleted.
        self.cancelled: deque[str] = deque()
        self._answers: deque[Method | Arrival] = deque()
        self._content: _Content | None = None
        self._confirms: Confirms | None = None
        #: Messages published since confirms were switched on; None: they are not.
        self._published: int | None = None
        self._is_open = True
        self._refused: Refused | None = None

    @property
    def is_open(self) -> bool:
        """Orders can be given on it."""
        return self._is_open

    def open(self) -> None:
        """Open it; the connection does."""
        self._call("channel.open", "", reply="channel.open-ok")

    def close(self) -> None:
        """Close it: what was received on it and not settled goes back. Safe to call twice."""
        if not self._is_open:
            return
        with contextlib.suppress(OperationalError):
            self._call("channel.close", 200, "", 0, 0, reply="channel.close-ok")
        self.end()

    def end(self, reason: Refused | None = None) -> None:
        """It is closed: by the server, or with its connection."""
        self._is_open = False
        self._refused = self._refused or reason
        self.connection.forget(self)

    def require_open(self) -> None:
        """Raise ``ConnectionLost`` or ``Refused`` if it is closed."""
        if self._is_open:
            return
        self.connection.require_open()
        if self._refused is not None:
            raise refused(self._refused.code, self._refused.text)
        raise BrokerUnavailable("This channel to RabbitMQ has been closed.")

    # Queues and exchanges.

    def declare_queue(
        self,
        name: str,
        *,
        passive: bool = False,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> QueueFacts:
        """Make sure that the queue is there and as described; ``passive``: only that it is there."""
        answer = self._call(
            "queue.declare",
            0,
            name,
            passive,
            durable,
            exclusive,
            auto_delete,
            False,
            arguments,
            reply="queue.declare-ok",
        )
        return QueueFacts(*answer.arguments)

    def declare_exchange(
        self,
        name: str,
        kind: str = "direct",
        *,
        passive: bool = False,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Make sure that the exchange is there and as described; ``passive``: only that it is there."""
        self._call(
            "exchange.declare",
            *(0, name, kind, passive, durable, auto_delete, internal, False, arguments),
            reply="exchange.declare-ok",
        )

    def bind_queue(
        self, queue: str, exchange: str, routing_key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Have what is published so come to the queue."""
        self._call("queue.bind", 0, queue, exchange, routing_key, False, arguments, reply="queue.bind-ok")

    def unbind_queue(
        self, queue: str, exchange: str, routing_key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Undo ``bind_queue``."""
        self._call("queue.unbind", 0, queue, exchange, routing_key, arguments, reply="queue.unbind-ok")

    def bind_exchange(
        self, destination: str, source: str, routing_key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Have what is published so to one exchange come to another."""
        self._call("exchange.bind", 0, destination, source, routing_key, False, arguments, reply="exchange.bind-ok")

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete the queue; return how many messages it held."""
        answer = self._call("queue.delete", 0, name, if_unused, if_empty, False, reply="queue.delete-ok")
        return int(answer.arguments[0])

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """Delete the exchange."""
        self._call("exchange.delete", 0, name, if_unused, False, reply="exchange.delete-ok")

    def purge(self, name: str) -> int:
        """Drop what is ready in the queue; return how many messages that were."""
        return int(self._call("queue.purge", 0, name, False, reply="queue.purge-ok").arguments[0])

    # Receiving.

    def get(self, queue: str, *, no_ack: bool = False) -> Arrival | None:
        """Fetch one message; None if there is none."""
        answer = self._ask("basic.get", 0, queue, no_ack, replies=("basic.get-ok", "basic.get-empty"))
        return answer if isinstance(answer, Arrival) else None

    def window(self, count: int, *, shared: bool = False) -> None:
        """Let the server push up to so many unsettled messages (0: any number). Sent, not waited for.

        To each consumer begun from now on; ``shared``: to all consumers of the channel together, changeable any time.
        """
        self.require_open()
        self.connection.write_method(self.number, "basic.qos", 0, count, shared)

    def consume(
        self,
        queue: str,
        *,
        tag: str = "",
        no_ack: bool = False,
        exclusive: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> str:
        """Have the queue's messages pushed into ``arrivals``; return the consumer's tag."""
        answer = self._call(
            "basic.consume", 0, queue, tag, False, no_ack, exclusive, False, arguments, reply="basic.consume-ok"
        )
        return str(answer.arguments[0])

    def cancel(self, tag: str) -> None:
        """Have no more pushed; what has been is still to be settled."""
        self._call("basic.cancel", tag, False, reply="basic.cancel-ok")

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """The message is done; ``multiple``: and all before it. Sent with the next ``drive`` or call."""
        self.connection.write_method(self.number, "basic.ack", tag, multiple)

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
        """The message is not done: back to its queue, or dropped. Sent with the next ``drive`` or call."""
        self.connection.write_method(self.number, "basic.nack", tag, multiple, requeue)

    # Publishing.

    def publish(
        self, messages: Sequence[Publishable], *, timeout: float, meanwhile: Callable[[], object] | None = None
    ) -> Receipts:
        """Send all of them and wait for the server to confirm that it has them; say of each what became of it.

        All are written before the first is sent: ``TypeError`` and ``EncodeError`` for one that AMQP cannot carry leave
        the others unsent too. ``meanwhile`` is called now and then during a long wait. Raises ``BrokerUnavailable``
        when nothing was sent.
        """
        self.require_open()
        if not messages:
            return Receipts()
        frame_max = self.connection.frame_max
        written = [message.write(self.number, frame_max) for message in messages]
        deadline = time.monotonic() + timeout
        self._await_unblocked(deadline, meanwhile)
        if self._published is None:
            self._call("confirm.select", False, reply="confirm.select-ok")
            self._published = 0
        confirms = self._confirms = Confirms(messages, self._published + 1)
        self._published += len(messages)
        self.connection.write(b"".join(written))
        fault: OperationalError | None = None
        try:
            self._await(lambda: confirms.remaining == 0, deadline, meanwhile)
        except OperationalError as error:
            fault = error
        finally:
            self._confirms = None
        if confirms.remaining and fault is None:
            # Its late confirms would be taken for those of the next messages.
            blocked = self.connection.blocked
            fault = BrokerUnavailable(
                blocked_sentence(blocked) if blocked else f"RabbitMQ did not confirm within {timeout:g} s."
            )
            self.connection.lose(str(fault))
        return confirms.receipts(fault)

    def check(self) -> None:
        """Make sure, by asking, that the server is there."""
        self._call("channel.flow", True, reply="channel.flow-ok")

    def _await_unblocked(self, deadline: float, meanwhile: Callable[[], object] | None) -> None:
        if not self.connection.blocked:
            return
        self._await(lambda: not self.connection.blocked, deadline, meanwhile)
        if self.connection.blocked:
            raise BrokerUnavailable(blocked_sentence(self.connection.blocked))

    def _await(
        self, is_done: Callable[[], bool], deadline: float, meanwhile: Callable[[], object] | None = None
    ) -> None:
        """Drive the connection until it is done or the time is over; raises when the channel ends."""
        while not is_done():
            self.require_open()
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            if meanwhile is None:
                self.connection.drive(remaining)
            elif not self.connection.drive(min(remaining, _MEANWHILE)):
                meanwhile()

    # What comes in.

    def take(self, kind: int, data: bytes, at: int, end: int) -> None:
        """Take a frame; the connection gives it."""
        if kind == _METHOD:
            self._take_method(data, at, end)
        elif kind == _HEADER and self._content is not None:
            self._content.header = data[at:end]
            self._content.missing = _read_size(data, at + 4)[0]
            if not self._content.missing:
                self._finish(self._content)
        elif kind == _BODY and self._content is not None:
            self._content.body.append(data[at:end])
            self._content.missing -= end - at
            if self._content.missing <= 0:
                self._finish(self._content)

    def _take_method(self, data: bytes, at: int, end: int) -> None:
        code = _read_code(data, at)[0]
        if code in {_ACK, _NACK}:
            if self._confirms is not None:
                tag, bits = _read_answer(data, at + 4)
                self._confirms.answer(tag, multiple=bool(bits & 1), confirmed=code == _ACK)
            return
        if code == _DELIVER:
            self._content = _Content(Method("basic.deliver", read_delivery(data, at + 4)))
            return
        method = read_method(data, at, end)
        if code in {_RETURN, _GET_OK}:
            self._content = _Content(method)
            return
        match method.name:
            case "channel.close":
                closing, text, *_ = method.arguments
                self.connection.write_method(self.number, "channel.close-ok")
                self.end(refused(closing, text))
            case "basic.cancel":
                self.cancelled.append(str(method.arguments[0]))
            case "channel.flow":
                self.connection.write_method(self.number, "channel.flow-ok", *method.arguments)
            case "basic.qos-ok":
                pass
            case _:
                self._answers.append(method)

    def _finish(self, content: _Content) -> None:
        self._content = None
        name, arguments = content.method
        try:
            properties = read_properties(content.header)
        except DecodeError:
            # Whoever reads the message finds that it is no task call, and keeps it for a person to see.
            properties = Properties()
        body = content.body[0] if len(content.body) == 1 else b"".join(content.body)
        match name:
            case "basic.deliver":
                consumer, tag, redelivered, exchange, routing_key = arguments
            case "basic.get-ok":
                consumer = ""
                tag, redelivered, exchange, routing_key, _ = arguments
            case _:
                consumer, tag, redelivered = "", 0, False
                *_, exchange, routing_key = arguments
        arrival = Arrival(
            consumer_tag=consumer,
            delivery_tag=tag,
            redelivered=redelivered,
            exchange=exchange,
            routing_key=routing_key,
            properties=properties,
            body=body,
        )
        if name == "basic.deliver":
            self.arrivals.append(arrival)
        elif name == "basic.get-ok":
            self._answers.append(arrival)
        elif self._confirms is not None:
            code, text, *_ = arguments
            self._confirms.note_return(arrival, f"{text} ({code})")

    # Orders and their answers.

    def _call(self, name: str, *arguments: Any, reply: str) -> Method:
        answer = self._ask(name, *arguments, replies=(reply,))
        assert isinstance(answer, Method)
        return answer

    def _ask(self, name: str, *arguments: Any, replies: tuple[str, ...]) -> Method | Arrival:
        """Give an order and return the answer; raises ``Refused`` and ``ConnectionLost``."""
        self.require_open()
        self.connection.write_method(self.number, name, *arguments)
        self._await(lambda: bool(self._answers), time.monotonic() + self.connection.patience)
        if not self._answers:
            raise self.connection.lose(f"RabbitMQ did not answer {name} within {self.connection.patience:g} s.")
        answer = self._answers.popleft()
        if isinstance(answer, Method) and answer.name not in replies:
            raise self.connection.lose(f"RabbitMQ answered {name} with {answer.name}.")
        return answer


def blocked_sentence(reason: str) -> str:
    """Return why no message can be published at the moment."""
    alarm = "memory" if "memory" in reason else "disk" if "disk" in reason else reason
    cure = {
        "memory": "Its memory is full: let workers drain the queues, or raise vm_memory_high_watermark.",
        "disk": "Its disk is nearly full: free some space, or lower disk_free_limit.",
    }.get(alarm, "See the server's log.")
    return f"RabbitMQ takes no messages at the moment ({alarm} alarm). {cure}"
