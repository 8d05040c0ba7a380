"""Every error celeriac raises, in one tree.

::

    CeleriacError (= CeleryError)
    ├── ImproperlyConfigured
    │   └── QueueNotFound (also KeyError)
    ├── SecurityError
    ├── OperationalError                 the broker or result store is away, full or damaged
    │   ├── BrokerUnavailable
    │   │   ├── PublishUnconfirmed       the publish may or may not have arrived
    │   │   └── MessageRefused           the broker will never take it: its queue is full, or is not there
    │   └── BackendError
    │       ├── BackendGetMetaError
    │       └── BackendStoreError
    ├── SerializationError
    │   ├── EncodeError
    │   ├── DecodeError
    │   │   └── UnreadableMessage        nobody can read it: kept as a dead letter
    │   └── ContentDisallowed
    ├── TaskError
    │   ├── NotRegistered (also KeyError)
    │   ├── AlreadyRegistered
    │   ├── TimeoutError (also the built-in one)
    │   ├── MaxRetriesExceededError
    │   ├── TaskRevokedError
    │   ├── InvalidTaskError
    │   ├── IncompleteStream
    │   ├── TaskNotSent                  it waits for a transaction, or the broker refused it then
    │   ├── ChordError
    │   └── ResultsDisabled (also NotImplementedError)
    ├── TaskPredicate                    how a task steers its own fate
    │   ├── Retry
    │   ├── Ignore
    │   └── Reject
    ├── MailNotSent                      a mail that could not be handed to the mail server
    │   ├── AttachmentUnavailable        its attachment cannot be read at the moment
    │   └── MailRefused                  it never can be
    ├── WorkerLostError
    ├── TimeLimitExceeded
    └── Terminated

``SoftTimeLimitExceeded`` is an ``Exception`` outside the tree, as in Celery: a task may catch it to clean up.
``WorkerShutdown`` and ``WorkerTerminate`` are ``SystemExit``.

The names are Celery's (``celery/exceptions.py``, some of which come from kombu and billiard) where Celery has one.
"""

import builtins
from collections.abc import Sequence
from datetime import datetime
from typing import Any

__all__ = [
    "AlreadyRegistered",
    "AlwaysEagerIgnored",
    "AttachmentUnavailable",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "BrokerUnavailable",
    "CDeprecationWarning",
    "CPendingDeprecationWarning",
    "CeleriacError",
    "CeleryError",
    "CeleryWarning",
    "ChordError",
    "ContentDisallowed",
    "DecodeError",
    "DuplicateNodenameWarning",
    "DuplicateTaskNameWarning",
    "EncodeError",
    "FixupWarning",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidTaskError",
    "MailNotSent",
    "MailRefused",
    "MaxRetriesExceededError",
    "MessageRefused",
    "NotConfigured",
    "NotRegistered",
    "OperationalError",
    "PublishUnconfirmed",
    "QueueNotFound",
    "Reject",
    "ResultsDisabled",
    "Retry",
    "SecurityError",
    "SecurityWarning",
    "SerializationError",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskNotSent",
    "TaskPredicate",
    "TaskRevokedError",
    "Terminated",
    "TimeLimitExceeded",
    "TimeoutError",
    "UnreadableMessage",
    "WorkerLostError",
    "WorkerShutdown",
    "WorkerTerminate",
]


class CeleriacError(Exception):
    """The root of celeriac's errors."""


CeleryError = CeleriacError


class ImproperlyConfigured(CeleriacError):
    """A setting is missing or wrong."""


class QueueNotFound(ImproperlyConfigured, KeyError):
    """The task was routed to a queue that is not in ``task_queues``, and ``task_create_missing_queues`` is off."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class SecurityError(CeleriacError):
    """A signature, certificate or accepted content type is not as it must be."""


class OperationalError(CeleriacError):
    """The broker or the result store cannot be used at the moment: away, locked, full, read-only or damaged."""


class BrokerUnavailable(OperationalError):
    """The broker did not take the messages: none was published, or only those whose ids are in ``published``."""

    def __init__(self, *args: Any, published: Sequence[str] = ()) -> None:
        super().__init__(*args)
        #: Ids of the messages that are in all the same: not to be published again.
        self.published = tuple(published)


class PublishUnconfirmed(BrokerUnavailable):
    """The broker did not answer in time: the message may or may not have been published."""


class MessageRefused(BrokerUnavailable):
    """The broker will not take the message, now or later: its queue is full or is not there, or it is too large."""


class BackendError(OperationalError):
    """The result store failed."""


class BackendGetMetaError(BackendError):
    """A result could not be read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args)
        self.task_id = kwargs.get("task_id", "")


class BackendStoreError(BackendError):
    """A result could not be stored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args)
        self.state = kwargs.get("state", "")
        self.task_id = kwargs.get("task_id", "")


class SerializationError(CeleriacError):
    """Something could not be turned into bytes, or back."""


class EncodeError(SerializationError):
    """The object cannot be written by the chosen serializer."""


class DecodeError(SerializationError):
    """The bytes cannot be read by the serializer they name."""


class UnreadableMessage(DecodeError):
    """The message is no task call in any protocol this worker speaks."""


class ContentDisallowed(SerializationError):
    """The content type is not among ``accept_content``."""


class TaskError(CeleriacError):
    """Something about one task is wrong."""


class NotRegistered(TaskError, KeyError):
    """No task of this name is registered."""

    def __repr__(self) -> str:
        return f"NotRegistered({self.args[0]!r})" if self.args else "NotRegistered()"

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class AlreadyRegistered(TaskError):
    """A different task of this name is registered already."""


class TimeoutError(TaskError, builtins.TimeoutError):  # noqa: A001 - Celery's public name
    """The result was not there in time."""


class MaxRetriesExceededError(TaskError):
    """The task has been retried as often as it may be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.task_args: Any = kwargs.pop("task_args", [])
        self.task_kwargs: Any = kwargs.pop("task_kwargs", {})
        super().__init__(*args)


class TaskRevokedError(TaskError):
    """The task was revoked, or had expired, and did not run."""


class InvalidTaskError(TaskError):
    """The task call has parts missing or of the wrong kind."""


class IncompleteStream(TaskError):
    """The stream ended before the data did."""


class ChordError(TaskError):
    """A task of a chord's header failed, so its body cannot run."""


class TaskNotSent(TaskError):
    """The task has not been published, so it has no result to wait for."""


class ResultsDisabled(TaskError, NotImplementedError):
    """No result is stored for this task, so there is none to read."""


class TaskPredicate(CeleriacError):
    """Raised inside a task to steer its own fate; not an error of the task."""


class Retry(TaskPredicate):
    """The task will be tried again. Raised by ``Task.retry``; can also be raised by hand.

    ``when`` is a number of seconds or a moment; ``exc`` the error that caused it.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | str | None = None,
        when: float | datetime | None = None,
        is_eager: bool = False,
        sig: Any = None,
        **kwargs: Any,
    ) -> None:
        self.message = message
        self.exc: BaseException | None
        if isinstance(exc, str):
            self.exc, self.excs = None, exc
        else:
            self.exc, self.excs = exc, repr(exc) if exc else None  # type: ignore[assignment]
        self.when = when
        self.is_eager = is_eager
        self.sig = sig
        super().__init__(message, exc, when, **kwargs)

    def humanize(self) -> str:
        """Return when the task will run again, in words."""
        if isinstance(self.when, (int, float)):
            return f"in {self.when}s"
        return f"at {self.when}"

    def __str__(self) -> str:
        if self.message:
            return self.message
        return f"Retry {self.humanize()}: {self.excs}" if self.excs else f"Retry {self.humanize()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__class__, (self.message, self.exc, self.when)


class Ignore(TaskPredicate):
    """The worker stores no state for this execution: the task has done so itself, or nobody wants it."""


class Reject(TaskPredicate):
    """The message is refused: kept as a dead letter, or given back to its queue with ``requeue=True``."""

    def __init__(self, reason: Any = None, requeue: bool = False) -> None:
        self.reason = reason
        self.requeue = requeue
        super().__init__(reason, requeue)

    def __repr__(self) -> str:
        return f"reject requeue={self.requeue}: {self.reason}"


class MailNotSent(CeleriacError):
    """A mail could not be handed to the mail server."""


class AttachmentUnavailable(MailNotSent):
    """What a mail has in a storage could not be read; it may be later."""


class MailRefused(MailNotSent):
    """The mail server does not take the mail, and never will."""


class WorkerLostError(CeleriacError):
    """The process that ran the task ended before the task did."""


class SoftTimeLimitExceeded(Exception):
    """The soft time limit has passed: raised inside the task, which may clean up and return or fail."""

    def __str__(self) -> str:
        return "SoftTimeLimitExceeded" + (repr(self.args) if self.args else "()")


class TimeLimitExceeded(CeleriacError):
    """The hard time limit has passed: the process that ran the task was killed."""

    def __str__(self) -> str:
        return "TimeLimitExceeded" + (repr(self.args) if self.args else "()")


class Terminated(CeleriacError):
    """The task was terminated on request."""


class WorkerTerminate(SystemExit):
    """The worker shall stop at once (cold shutdown)."""


class WorkerShutdown(SystemExit):
    """The worker shall stop when its tasks are done (warm shutdown)."""


class CeleryWarning(UserWarning):
    """The root of celeriac's warnings."""


class AlwaysEagerIgnored(CeleryWarning):
    """``send_task`` publishes although ``task_always_eager`` is set: it has no task to run."""


class DuplicateNodenameWarning(CeleryWarning):
    """Two nodes carry one name."""


class DuplicateTaskNameWarning(CeleryWarning):
    """Two tasks carry one name."""


class FixupWarning(CeleryWarning):
    """A framework integration does not work as it should."""


class NotConfigured(CeleryWarning):
    """The app has no settings."""


class SecurityWarning(CeleryWarning):
    """Something works but is not safe."""


class CPendingDeprecationWarning(PendingDeprecationWarning):
    """This will be deprecated."""


class CDeprecationWarning(DeprecationWarning):
    """This is deprecated."""
