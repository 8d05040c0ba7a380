"""The ``rpc://`` result backend."""

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from celeriac import states
from celeriac.amqp.connection import Connection
from celeriac.amqp.location import Location
from celeriac.backends.base import ChordProgress, ResultBackend, StoredResult
from celeriac.backends.rpc.letters import outgoing_result
from celeriac.backends.rpc.mailbox import Mailbox
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.amqp.pool import ConnectionPool
from celeriac.brokers.base import Broker
from celeriac.brokers.remarks import Remark
from celeriac.exceptions import BackendStoreError, ImproperlyConfigured, OperationalError

__all__ = ["RpcBackend"]

#: Seconds a store may take.
_PATIENCE = 10.0


class RpcBackend(ResultBackend):
    """Sends each result to the process that published the task, which alone can read it, and keeps it once read.

    A result is a message in that process's queue (``reply_to``). Where a message names none, its results go nowhere.
    """

    def __init__(
        self, url: str = "rpc://", *, options: Mapping[str, Any] | None = None, broker: Broker | None = None
    ) -> None:
        options = options or {}
        self._location = _location(url, options, broker)
        self.url = "rpc://"
        self._is_persistent = bool(options.get("persistent"))
        self._pool = ConnectionPool(self._connect, limit=int(options.get("pool_limit") or 1))
        self._lock = threading.Lock()
        self._mailbox: Mailbox | None = None
        self._process = os.getpid()
        atexit.register(_remove_mailbox, weakref.ref(self))

    def open(self) -> None:
        # Not the mailbox: a worker sends results and reads none.
        with self._pool.channel(timeout=self._location.connect_timeout * len(self._location.servers)):
            pass

    def close(self) -> None:
        mailbox = self._mailbox
        if mailbox is not None and self._process == os.getpid():
            mailbox.close()
        self._pool.close()

    def reply_address(self) -> str | None:
        """Return the name of this process's queue, which exists from then on; raises ``OperationalError``."""
        mailbox = self._own_mailbox
        try:
            mailbox.open()
        except OperationalError:
            # The queue outlives an outage; whether the message can be published is another question.
            if not mailbox.has_existed:
                raise
        return mailbox.address

    def store(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        addressed = [result for result in results if result.reply_to]
        if not addressed:
            return []
        messages = [outgoing_result(result, is_persistent=self._is_persistent) for result in addressed]
        try:
            with self._pool.channel(timeout=_PATIENCE) as channel:
                receipts = channel.publish(messages, timeout=_PATIENCE)
        except OperationalError as error:
            raise BackendStoreError(f"The result was not sent: {error}", task_id=addressed[0].task_id) from error
        if not receipts.is_clean:
            reason = receipts.fault or next(iter(receipts.failures.values()))
            raise BackendStoreError(f"The result may not have been sent: {reason}", task_id=addressed[0].task_id)
        return []

    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        mailbox = self._own_mailbox
        known = mailbox.find(task_ids)
        if all(task_id in known and known[task_id].state == states.SUCCESS for task_id in task_ids):
            return known
        return mailbox.read(task_ids)

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        return self._own_mailbox.wait(task_ids, timeout, minimum)

    def wake(self) -> None:
        self._own_mailbox.wake()

    def forget(self, task_ids: Sequence[str]) -> None:
        # What lies in the queue is forgotten too.
        self.fetch(task_ids)
        self._own_mailbox.forget(task_ids)

    def save_group(self, group_id: str, document: bytes, lifetime: float | None = None) -> None:
        self._refuse("a group cannot be saved in it")

    def load_group(self, group_id: str) -> bytes | None:
        self._refuse("no group can be restored from it")

    def forget_group(self, group_id: str) -> None:
        pass

    def chord_part(
        self, group_id: str, *, size: int, index: int, document: bytes, lifetime: float | None = None
    ) -> ChordProgress:
        self._refuse("no worker sees the results of a chord's header")

    def prune(self) -> int:
        return 0

    def examine(self) -> list[Remark]:
        return [
            Remark(
                sentence="rpc:// gives results to the process that published the task and to no other, and keeps no "
                "groups and chords; take another result_backend to look results up by their id."
            )
        ]

    @property
    def _own_mailbox(self) -> Mailbox:
        """This process's mailbox; after a fork a new one."""
        if self._mailbox is None or self._process != os.getpid():
            if self._process != os.getpid():
                self._lock = threading.Lock()
            with self._lock:
                if self._process != os.getpid() and self._mailbox is not None:
                    self._mailbox.abandon()
                    self._mailbox = None
                self._process = os.getpid()
                if self._mailbox is None:
                    self._mailbox = Mailbox(lambda: self._connect(self._location.connect_timeout))
        return self._mailbox

    def _connect(self, timeout: float) -> Connection:
        return Connection.open(self._location, timeout=timeout, name="celeriac results")

    def _remove(self) -> None:
        if self._mailbox is not None and self._process == os.getpid():
            self._mailbox.remove()

    def _refuse(self, consequence: str) -> NoReturn:
        raise NotImplementedError(
            f"The result backend rpc:// sends each result to its caller and keeps none, so {consequence}. "
            "Set result_backend to one that does, for example 'redis://localhost:6379/1'."
        )


def _remove_mailbox(reference: "weakref.ref[RpcBackend]") -> None:
    backend = reference()
    if backend is not None:
        # The server removes it a day later by itself.
        with contextlib.suppress(OperationalError):
            backend._remove()  # noqa: SLF001 - this module's own


def _location(url: str, options: Mapping[str, Any], broker: Broker | None) -> Location:
    """Return the server that results go through: the broker's, unless the URL names one."""
    scheme, _, rest = url.partition("://")
    if rest.strip("/"):
        return Location.from_url(f"amqp://{rest}", options)
    if isinstance(broker, AmqpBroker):
        return broker.location
    where = f"the broker is {broker.url.partition('://')[0]}://" if broker is not None else "there is no broker"
    raise ImproperlyConfigured(
        f"The result backend {scheme}:// sends results through RabbitMQ, and {where}. Set result_backend to something "
        "else, or broker_url to an amqp:// URL."
    )
