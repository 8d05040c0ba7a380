"""The form of a plain call's message: what is the same in each of them, written once, and what is filled in."""

from collections.abc import Mapping, Sequence
from typing import Any

from celeriac.exceptions import EncodeError
from celeriac.protocol import serialization
from celeriac.protocol.message import Message
from celeriac.protocol.representation import represent
from celeriac.protocol.task_call import NO_SIGNATURES_END, PLAIN_HEADERS

__all__ = ["CallForm"]


class CallForm:
    """Makes the messages of calls that differ in nothing but id and arguments."""

    __slots__ = ("_delivery_mode", "_exchange", "_headers", "_priority", "_queue", "_repr_levels", "_routing_key")

    def __init__(self, message: Message, repr_levels: int) -> None:
        """Take a plain message as the model (``is_plain``), however its arguments were shown."""
        self._headers = {**message.headers, "timelimit": tuple(message.headers["timelimit"])}
        self._queue = message.queue
        self._exchange = message.exchange
        self._routing_key = message.routing_key
        self._priority = message.priority
        self._delivery_mode = message.delivery_mode
        self._repr_levels = repr_levels

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

    def fill(
        self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, origin: str, reply_to: str | None
    ) -> Message | None:
        """Return the message of one call; None if an argument cannot be written: ``encode_task`` says why."""
        try:
            content_type, content_encoding, data = serialization.dumps((args, kwargs))
        except EncodeError:
            return None
        headers = self._headers.copy()
        headers["id"] = headers["root_id"] = task_id
        headers["argsrepr"] = represent(args, max_levels=self._repr_levels) if args else "()"
        headers["kwargsrepr"] = represent(kwargs, max_levels=self._repr_levels) if kwargs else "{}"
        headers["origin"] = origin
        # Receivers of signals may change headers in place: nothing in them belongs to two messages.
        headers["timelimit"] = list(headers["timelimit"])
        headers["stamps"] = {}
        return Message(
            id=task_id,
            queue=self._queue,
            headers=headers,
            priority=self._priority,
            reply_to=reply_to,
            exchange=self._exchange,
            routing_key=self._routing_key,
            delivery_mode=self._delivery_mode,
            content_type=content_type,
            content_encoding=content_encoding,
            body=data[:-1] + NO_SIGNATURES_END,
        )
