"""A task that was published, as a value that tests read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from celeriac.protocol.message import Message
from celeriac.protocol.representation import represent
from celeriac.protocol.task_call import SignatureDict, TaskCall, decode_task

__all__ = ["OPTIONS", "PublishedTask"]

#: What can be asked of a published task besides its name and arguments.
OPTIONS = (
    "countdown",
    "errbacks",
    "eta",
    "expires",
    "headers",
    "id",
    "links",
    "parent_id",
    "priority",
    "queue",
)


class PublishedTask:
    """One call of a task as its message says it: what is read here went through the serializer and back.

    What has no attribute here is in ``call``.
    """

    def __init__(self, message: Message, published_at: float) -> None:
        self.message = message
        #: Unix time.
        self.published_at = published_at

    @cached_property
    def call(self) -> TaskCall:
        """All that the message says of the call; read at the first look."""
        return decode_task(self.message, [self.message.content_type])

    @property
    def task(self) -> str:
        """The task's name."""
        return self.call.task

    @property
    def id(self) -> str:
        return self.call.id

    @property
    def args(self) -> list[Any]:
        return list(self.call.args)

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.call.kwargs)

    @property
    def queue(self) -> str:
        return self.message.queue

    @property
    def priority(self) -> int | None:
        return self.message.priority

    @property
    def eta(self) -> datetime | None:
        """The moment before which it is not run; of a call with ``countdown`` too."""
        return self.call.eta

    @property
    def countdown(self) -> float | None:
        """Seconds from its publishing to its ``eta``, to the second."""
        return None if self.eta is None else self.eta.timestamp() - self.published_at

    @property
    def expires(self) -> datetime | None:
        return self.call.expires

    @property
    def headers(self) -> Mapping[str, Any]:
        """The caller's own headers."""
        return self.call.headers

    @property
    def parent_id(self) -> str | None:
        """The id of the task that published it."""
        return self.call.parent_id

    @property
    def links(self) -> Sequence[SignatureDict]:
        """The signatures called after its success."""
        return self.call.callbacks or ()

    @property
    def errbacks(self) -> Sequence[SignatureDict]:
        """The signatures called after its failure."""
        return self.call.errbacks or ()

    def __str__(self) -> str:
        words = [represent(value) for value in self.call.args]
        words += [f"{name}={represent(value)}" for name, value in self.call.kwargs.items()]
        return f"{self.task}({', '.join(words)}) {self._circumstances()}"

    def _circumstances(self) -> str:
        words = [f"queue={self.queue!r}"]
        if self.priority is not None:
            words.append(f"priority={self.priority}")
        if self.countdown is not None:
            words.append(f"countdown={self.countdown:.0f}")
        if self.expires is not None:
            words.append(f"expires='{self.expires.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z'")
        if self.headers:
            words.append(f"headers={represent(dict(self.headers))}")
        return " ".join(words)

    def __repr__(self) -> str:
        return f"<PublishedTask: {self}>"
