"""The courier: gives an app's messages to its broker, and knows what to do when the broker does not take them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celeriac import signals
from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Broker
from celeriac.exceptions import OperationalError, PublishUnconfirmed
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

    def send(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        results: Mapping[str, StoredResult] | None = None,
    ) -> None:
        """Publish messages in one step, trying again as the policy says until the deadline.

        ``results``, by task id, are stored in the same step. Of the options of a call ``retry``, ``retry_policy`` and
        ``timeout`` (or ``confirm_timeout``) count. Raises ``BrokerUnavailable`` when none was published (or
        ``BackendStoreError``, when a result could not be stored), ``PublishUnconfirmed`` when nobody knows.
        """
        if len(messages) <= BATCH and not results:
            self._send_batch(messages, options, ())
            return
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            stored = [results[message.id] for message in batch if message.id in results] if results else []
            self._send_batch(batch, options, stored)

    def _send_batch(
        self, messages: Sequence[Message], options: Mapping[str, Any], results: Sequence[StoredResult]
    ) -> None:
        timeout = options.get("timeout") or options.get("confirm_timeout") or self._app.conf.broker_publish_timeout
        deadline = time.monotonic() + timeout
        try:
            self._publish(messages, results, timeout=timeout)
        except OperationalError as error:
            self._send_again(messages, options, error, results=results, deadline=deadline)
        if signals.after_task_publish.receivers:
            self.announce_published(messages)

    def _publish(self, messages: Sequence[Message], results: Sequence[StoredResult], *, timeout: float) -> None:
        broker = self._app.broker
        self._declare(broker, messages)
        if results:
            broker.publish_with_results(messages, results, self._app.backend, timeout=timeout)
        else:
            broker.publish(messages, timeout=timeout)

    def _send_again(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        error: OperationalError,
        *,
        results: Sequence[StoredResult],
        deadline: float,
    ) -> None:
        """Try again, with the pauses of the retry policy; raises what is known when it gives up."""
        unconfirmed = error if isinstance(error, PublishUnconfirmed) else None
        for pause in self._pauses(options):
            if time.monotonic() + pause >= deadline:
                break
            time.sleep(pause)
            try:
                self._publish(messages, results, timeout=max(0.0, deadline - time.monotonic()))
            except OperationalError as again:
                error = again
                unconfirmed = again if isinstance(again, PublishUnconfirmed) else unconfirmed
            else:
                return
        raise unconfirmed or error

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

    def _declare(self, broker: Broker, messages: Sequence[Message]) -> None:
        if self._declared[0] is not broker:
            self._declared = broker, set()
        declared = self._declared[1]
        for message in messages:
            if message.queue not in declared:
                broker.declare(self._app.queues[message.queue])
                declared.add(message.queue)
