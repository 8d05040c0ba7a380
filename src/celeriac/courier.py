"""The courier: gives an app's messages to its broker, and knows what to do when the broker does not take them."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celeriac import signals
from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Broker
from celeriac.exceptions import BrokerUnavailable, MessageRefused, OperationalError, PublishUnconfirmed
from celeriac.protocol.call_form import FilledForm
from celeriac.protocol.message import Message
from celeriac.retries import publish_intervals

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["BATCH", "Courier"]

#: Messages that are published in one step, at most.
BATCH = 1000


class Courier:
    """Publishes messages, now. Safe for use by many threads."""

    def __init__(self, app: "Celeriac") -> None:
        self._app = app
        #: The broker, and the queues that it has been told of.
        self._declared: tuple[Broker | None, set[str]] = (None, set())
        #: Queues that somebody else has declared.
        self._presumed: frozenset[str] = frozenset()

    def send(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        results: Mapping[str, StoredResult] | None = None,
    ) -> None:
        """Publish messages in one step, trying again as the policy says until the deadline.

        ``results``, by task id, are stored in the same step. Of the options of a call ``retry``, ``retry_policy`` and
        ``timeout`` (or ``confirm_timeout``) count. Raises ``BrokerUnavailable`` when none was published (or
        ``BackendStoreError``, when a result could not be stored), ``PublishUnconfirmed`` when nobody knows of some, and
        ``MessageRefused`` when trying again is of no use; their ``published`` names the messages that are in.
        """
        if len(messages) <= BATCH and not results:
            self._send_batch(messages, options, ())
            return
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            stored = [results[message.id] for message in batch if message.id in results] if results else []
            self._send_batch(batch, options, stored)

    def send_filled(self, filled: FilledForm, options: Mapping[str, Any]) -> None:
        """Do what ``send`` does with calls of one form, ``BATCH`` at the most."""
        timeout = options.get("timeout") or options.get("confirm_timeout") or self._app.conf.broker_publish_timeout
        broker = self._app.broker
        began = time.monotonic()
        try:
            if self._declared[0] is not broker or filled.form.queue not in self._declared[1]:
                self._declare(broker, (filled.form.queue,))
            broker.publish_filled(filled, timeout=timeout)
        except OperationalError as error:
            attempt = _Attempt(filled.messages(), (), error, began)
            self._send_again(attempt, options, deadline=began + timeout)
        if signals.after_task_publish.receivers:
            self.announce_published(filled.messages())

    def presume(self, queues: Iterable[str]) -> None:
        """Take these queues for declared: those of a worker, in its children."""
        self._presumed = frozenset(queues)

    def has_declared(self, messages: Sequence[Message]) -> bool:
        """Say whether the queues of messages are known to exist."""
        broker, declared = self._declared
        known = declared if broker is self._app.broker else ()
        return all(message.queue in known or message.queue in self._presumed for message in messages)

    def declare(self, messages: Sequence[Message]) -> None:
        """Make sure that the queues of messages exist which somebody else will publish; costs nothing the second time.

        Raises ``OperationalError``.
        """
        self._declare(self._app.broker, [message.queue for message in messages])

    def _send_batch(
        self, messages: Sequence[Message], options: Mapping[str, Any], results: Sequence[StoredResult]
    ) -> None:
        timeout = options.get("timeout") or options.get("confirm_timeout") or self._app.conf.broker_publish_timeout
        began = time.monotonic()
        try:
            self._publish(messages, results, timeout=timeout)
        except OperationalError as error:
            self._send_again(_Attempt(messages, results, error, began), options, deadline=began + timeout)
        if signals.after_task_publish.receivers:
            self.announce_published(messages)

    def _publish(self, messages: Sequence[Message], results: Sequence[StoredResult], *, timeout: float) -> None:
        broker = self._app.broker
        self._declare(broker, [message.queue for message in messages])
        if results:
            broker.publish_with_results(messages, results, self._app.backend, timeout=timeout)
        else:
            broker.publish(messages, timeout=timeout)

    def _send_again(self, attempt: "_Attempt", options: Mapping[str, Any], *, deadline: float) -> None:
        """Try again, with the pauses of the retry policy; raises what is known when it gives up."""
        for pause in self._pauses(options):
            # A connection takes its own time to fail, and no other is begun that would go beyond the deadline.
            longest = 0.0 if self.has_declared(attempt.missing) else attempt.duration
            if attempt.is_refused or time.monotonic() + pause + longest >= deadline:
                break
            time.sleep(pause)
            attempt.began = time.monotonic()
            try:
                self._publish(attempt.missing, attempt.results, timeout=max(0.0, deadline - attempt.began))
            except OperationalError as error:
                attempt.fail(error)
            else:
                return
        if signals.after_task_publish.receivers:
            self.announce_published(attempt.published)
        raise attempt.verdict()

    def _pauses(self, options: Mapping[str, Any]) -> Iterable[float]:
        conf = self._app.conf
        retry = options.get("retry")
        if not (conf.task_publish_retry if retry is None else retry):
            return ()
        return publish_intervals({**conf.task_publish_retry_policy, **(options.get("retry_policy") or {})})

    def announce_published(self, messages: Sequence[Message]) -> None:
        """Send ``after_task_publish``."""
        for message in messages:
            signals.after_task_publish.send(
                sender=message.headers.get("task"),
                body=message.body,
                exchange=message.exchange,
                routing_key=message.routing_key or message.queue,
                headers=message.headers,
            )

    def _declare(self, broker: Broker, queues: Iterable[str]) -> None:
        if self._declared[0] is not broker:
            self._declared = broker, set()
        declared = self._declared[1]
        for queue in queues:
            if queue not in declared and queue not in self._presumed:
                try:
                    broker.declare(self._app.queues[queue])
                except BrokerUnavailable:
                    raise
                except OperationalError as error:
                    raise BrokerUnavailable(str(error)) from error
                declared.add(queue)


class _Attempt:
    """What has become of messages that were not published at once."""

    def __init__(
        self, messages: Sequence[Message], results: Sequence[StoredResult], error: OperationalError, began: float
    ) -> None:
        self.results = results
        self.missing = list(messages)
        self.published: list[Message] = []
        #: Seconds the last try took.
        self.duration = 0.0
        self.began = began
        self._unconfirmed: OperationalError | None = None
        self.fail(error)

    @property
    def is_refused(self) -> bool:
        """The broker takes what is missing at no time."""
        return isinstance(self._error, MessageRefused)

    def fail(self, error: OperationalError) -> None:
        """Note how a try has failed, and which messages are in all the same."""
        self.duration = time.monotonic() - self.began
        self._error = error
        if isinstance(error, PublishUnconfirmed):
            self._unconfirmed = error
        arrived = Counter(error.published) if isinstance(error, BrokerUnavailable) else Counter()
        missing: list[Message] = []
        for message in self.missing:
            (self.published if arrived[message.id] > 0 else missing).append(message)
            arrived[message.id] -= 1
        self.missing = missing

    def verdict(self) -> OperationalError:
        """Return the error to raise: that nobody knows, if nobody knows; with the ids of what is in."""
        error = self._error if self.is_refused else self._unconfirmed or self._error
        if isinstance(error, BrokerUnavailable):
            error.published = tuple(message.id for message in self.published)
        return error
