"""The form of a plain call's message: what is the same in each of them, written once, and what is filled in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from celeriac.protocol import serialization, tagged_json
from celeriac.protocol.message import Message
from celeriac.protocol.representation import MAX_LENGTH, represent
from celeriac.protocol.task_call import NO_SIGNATURES_END, PLAIN_HEADERS

__all__ = ["CallForm", "FilledForm", "Filling"]

#: What is filled in for one call: its id, its arguments in short (``argsrepr``, ``kwargsrepr``), and the body.
Filling: TypeAlias = tuple[str, str, str, bytes]


class CallForm:
    """Makes the messages of calls that differ in nothing but id and arguments."""

    __slots__ = (
        "_delivery_mode",
        "_encode",
        "_encode_large",
        "_headers",
        "_repr_levels",
        "_routing_key",
        "_serializer",
        "exchange",
        "prepared",
        "priority",
        "queue",
    )

    def __init__(self, message: Message, repr_levels: int) -> None:
        """Take a plain message as the model (``is_plain``), however its arguments were shown."""
        self.queue = message.queue
        self.exchange = message.exchange
        self.priority = message.priority
        #: What a broker has worked out for calls of this form, by whatever it chooses to find it by.
        self.prepared: dict[Any, Any] = {}
        self._headers = {**message.headers, "timelimit": tuple(message.headers["timelimit"])}
        self._routing_key = message.routing_key
        self._delivery_mode = message.delivery_mode
        self._repr_levels = repr_levels
        serializer = serialization.find("json")
        # It has written the model.
        assert serializer is not None
        assert serializer.encoder is not None
        self._serializer = serializer
        self._encode: Callable[[Any], Any] = serializer.encoder
        is_own = self._encode is tagged_json.encode
        self._encode_large: Callable[[Any], Any] = tagged_json.encode_large if is_own else self._encode

    @staticmethod
    def is_plain(message: Message) -> bool:
        """Say whether a message written as JSON has nothing of its own but id and arguments."""
        headers = message.headers
        return (
            headers.keys() == PLAIN_HEADERS
            and headers["root_id"] == message.id
            and headers["parent_id"] is None
            and not headers["stamps"]
            and message.not_before is None
            and message.expires_at is None
            and message.body.endswith(NO_SIGNATURES_END)
        )

    def fill(self, task_ids: Iterable[str], calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[Filling]:
        """Return what is filled in for calls, each its arguments; fewer if one cannot be written.

        Why it cannot be is said by ``encode_task``.
        """
        filled: list[Filling] = []
        # Somebody may have registered another one since.
        if serialization.find("json") is not self._serializer:
            return filled
        encode, levels = self._encode, self._repr_levels
        try:
            for task_id, call in zip(task_ids, calls, strict=True):
                args, kwargs = call
                argsrepr = represent(args, max_levels=levels) if args else "()"
                kwargsrepr = represent(kwargs, max_levels=levels) if kwargs else "{}"
                is_large = len(argsrepr) >= MAX_LENGTH or len(kwargsrepr) >= MAX_LENGTH
                body = (self._encode_large if is_large else encode)(call)
                filled.append((task_id, argsrepr, kwargsrepr, body[:-1] + NO_SIGNATURES_END))
        except Exception:  # noqa: BLE001, S110 - whatever an encoder raises, the caller sees that something is missing
            pass
        return filled

    def message(self, filling: Filling, *, origin: str, reply_to: str | None) -> Message:
        """Return the message of one call."""
        task_id, argsrepr, kwargsrepr, body = filling
        headers = self._headers.copy()
        headers["id"] = headers["root_id"] = task_id
        headers["argsrepr"] = argsrepr
        headers["kwargsrepr"] = kwargsrepr
        headers["origin"] = origin
        # Receivers of signals may change headers in place: nothing in them belongs to two messages.
        headers["timelimit"] = list(headers["timelimit"])
        headers["stamps"] = {}
        return Message(
            id=task_id,
            queue=self.queue,
            headers=headers,
            priority=self.priority,
            reply_to=reply_to,
            exchange=self.exchange,
            routing_key=self._routing_key,
            delivery_mode=self._delivery_mode,
            content_type=self._serializer.content_type,
            content_encoding=self._serializer.content_encoding,
            body=body,
        )


class FilledForm(Struct, frozen=True):
    """Calls of one form, to be published in one step."""

    form: CallForm
    fillings: Sequence[Filling]
    origin: str
    reply_to: str | None = None

    def messages(self) -> list[Message]:
        """Return the messages of these calls."""
        return [self.form.message(each, origin=self.origin, reply_to=self.reply_to) for each in self.fillings]
