"""A publication: messages that are to be published in one step, which may have to wait, and what became of it.

An integration with a framework decides what a publication waits for: in Django, the commit of a transaction. It does so
by the ``integration`` of this process, which is empty where there is none.
"""

import itertools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from celeriac.backends.base import StoredResult
from celeriac.exceptions import PublishUnconfirmed, TaskNotSent
from celeriac.protocol.message import Message

__all__ = ["Integration", "Publication", "PublishGate", "Sender", "integration", "publish_all"]

logger = logging.getLogger("celeriac.publishing")


class Sender(Protocol):
    """What publishes held messages: the publisher of an app."""

    def announce(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Sequence[Message]:
        """Tell receivers that these messages are about to be published; return them as the receivers want them."""

    def send_now(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        results: Mapping[str, StoredResult] | None = None,
    ) -> None:
        """Publish messages in one step, as ``retry``, ``retry_policy`` and ``timeout`` of the options say.

        ``results``, by task id, are stored in the same step.
        """


class Publication:
    """Messages that wait to be published. Whoever holds it gives it to ``publish_all`` once, or drops it."""

    def __init__(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        *,
        sender: Sender,
        awaited: str,
        results: Mapping[str, StoredResult] | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        self.messages = messages
        #: To be stored in the same step, by task id.
        self.results = results or {}
        #: Called when it is published.
        self.then = then
        #: Of the call.
        self.options = options
        self.sender = sender
        #: In words: what it waits for.
        self.awaited = awaited
        self.is_sent = False
        self.error: Exception | None = None

    @property
    def manner(self) -> tuple[Any, ...]:
        """Two publications of the same manner can be published in one step."""
        return self.sender, *map(self.options.get, _MANNER)

    def require_sent(self, task_id: str) -> None:
        """Raise ``TaskNotSent`` unless it is published: nobody can wait for the result of what has not been sent."""
        if self.is_sent:
            return
        if self.error is not None:
            raise TaskNotSent(f"The task {task_id} could not be published after {self.awaited}.") from self.error
        raise TaskNotSent(
            f"The task {task_id} has not been sent: it waits for {self.awaited}, or that was rolled back. Read its "
            "result after the commit, or publish it at once with apply_async(…, on_commit=False)."
        )

    def fail(self, error: Exception) -> None:
        """Note that it could not be published, and log each of its messages as a whole: nothing else has them now."""
        self.error = error
        for message in self.messages:
            _log_lost(message, error, self.awaited)


#: Options that say how to publish.
_MANNER = ("retry", "retry_policy", "timeout", "confirm_timeout")


def publish_all(publications: Sequence[Publication]) -> None:
    """Publish now what has waited, in order and in as few steps as can be.

    Raises nothing: what they waited for has happened, and what else was waiting for it must have its turn. What the
    broker does not take is in the log as an error, with the whole message.
    """
    ready = [publication for publication in publications if _announce(publication)]
    for _, group in itertools.groupby(ready, key=lambda publication: publication.manner):
        _publish_group(list(group))


def _announce(publication: Publication) -> bool:
    try:
        publication.messages = publication.sender.announce(publication.messages, publication.options)
    except Exception as error:  # noqa: BLE001 - a receiver of the user's; the messages must not vanish without a word
        publication.fail(error)
        return False
    return True


def _publish_group(publications: Sequence[Publication]) -> None:
    messages = [message for publication in publications for message in publication.messages]
    results = {task_id: result for publication in publications for task_id, result in publication.results.items()}
    first = publications[0]
    try:
        first.sender.send_now(messages, first.options, results)
    except Exception as error:  # noqa: BLE001 - the same
        for publication in publications:
            publication.fail(error)
        return
    for publication in publications:
        publication.is_sent = True
        if publication.then is not None:
            publication.then()


class PublishGate(Protocol):
    """Decides whether publications of this process have to wait. Safe for use by many threads."""

    def awaited(self, using: str | None) -> str | None:
        """Return the name of what a publication of this thread has to wait for now; None: nothing.

        ``using`` names it beforehand, where the caller has said so. Raises ``ValueError`` where that is no name, or
        where nobody can tell which of several is meant.
        """

    def hold(self, publication: Publication, awaited: str) -> None:
        """Keep a publication until what it waits for has happened, then give it to ``publish_all``; else drop it."""


class Integration:
    """What a framework adds to publishing in this process."""

    def __init__(self) -> None:
        self.gate: PublishGate | None = None
        #: Returns headers that travel with each message: facts of the request that publishes it.
        self.carried: Callable[[], Mapping[str, str]] | None = None


integration = Integration()


def _log_lost(message: Message, error: Exception, awaited: str) -> None:
    outcome = "may not have been" if isinstance(error, PublishUnconfirmed) else "was not"
    logger.error(
        "The task %s[%s] %s published after %s. %s Its message, so that it can be published by hand: %s",
        message.headers.get("task"),
        message.id,
        outcome,
        awaited,
        error,
        _readable(message),
        extra={"task_id": message.id, "task_name": message.headers.get("task")},
    )


def _readable(message: Message) -> str:
    """Return the whole message as JSON, its body as text where it is text."""
    fields = msgspec.structs.asdict(message)
    try:
        fields["body"] = message.body.decode(message.content_encoding)
    except (UnicodeDecodeError, LookupError):
        fields["body"] = msgspec.to_builtins(message.body)
        fields["body_encoding"] = "base64"
    return json.dumps(fields, default=repr, ensure_ascii=False)
