"""The broker port: what an engine must do to carry messages.

Nouns: a ``Broker`` is one process's way to a store of messages; a ``Consumer`` is one node's claim on some of its
queues; a ``Delivery`` is one receipt of one message, under the node's lease; a ``Settlement`` ends a delivery.

Batches cross this border, because a round trip a task is what makes task queues slow. Bytes and our own values cross
it, never a client library's types. ``celeriac.testing.conformance`` holds the suite that every engine passes; the
memory engine is the one to read first.

The promises every engine keeps:

* A message whose ``publish`` returned is delivered at least once, whatever process dies.
* A delivery that is not settled comes back when its node's lease has ended, and not before: ``renew`` keeps the lease,
  however long the task runs.
* What ``publish_with_results`` publishes has its results stored before anybody can take it.
* ``settle`` is refused for a delivery that another consumer has taken since (fencing, where ``capabilities.fenced``).
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from msgspec import Struct

from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.brokers.remarks import GivenBack, Remark
from celeriac.exceptions import ImproperlyConfigured
from celeriac.protocol.call_form import FilledForm
from celeriac.protocol.message import Message
from celeriac.routing import Queue

__all__ = [
    "DEFAULT_LEASE",
    "DEFAULT_PUBLISH_TIMEOUT",
    "Broadcast",
    "Broker",
    "Capabilities",
    "Channel",
    "Consumer",
    "DeadLetter",
    "Delivery",
    "NodeRecord",
    "Outcome",
    "QueueSize",
    "Settlement",
    "Subscription",
]

#: Seconds a node may be silent before its deliveries go to others. Renewed about every third of it.
DEFAULT_LEASE = 12.0
#: Seconds a publish may take before it fails with a clear error.
DEFAULT_PUBLISH_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do; the conformance suite and the node ask here, never for a class."""

    #: The priorities that make a difference, the most urgent first; empty: all are alike. Which end is urgent differs,
    #: as it does in Celery: on Redis it is 0.
    priorities: tuple[int, ...]
    #: Messages with ``not_before`` wait in the broker.
    delay: bool
    #: Waiting messages can be looked at without taking them.
    peek: bool
    #: Settlements, with results kept by ``shares_store_with`` backends, are one atomic step.
    atomic_settle: bool
    #: A settlement of a delivery that somebody else has taken since is refused.
    fenced: bool
    #: Other processes can take part; False only in memory.
    shared: bool
    #: Messages lie where a Celery worker finds them.
    shared_with_celery: bool = False
    #: Seconds by which a delayed message may be late because the engine counts in steps of them.
    delay_precision: float = 0.0
    #: ``size`` knows how many messages are delayed and in flight.
    counts_all: bool = True
    #: ``queues`` knows every queue; False: only those that this process has had to do with.
    lists_queues: bool = True
    #: A lease lasts as long as was asked for; False: the connection is the lease, and the server notices its end.
    leases: bool = True
    #: What is given back goes to the head of its queue, in its order.
    keeps_place: bool = True


class Delivery(Struct, frozen=True, kw_only=True):
    """One receipt of a message. Engines may subclass it to carry what they need to settle it."""

    #: Names this receipt, unique for the life of the consumer and across its reconnections; only its engine reads it.
    tag: int | str
    queue: str
    #: The message in one of the forms that ``protocol.envelope`` reads.
    envelope: bytes
    #: Larger for a later receipt of the same task: fences results kept elsewhere.
    execution: int
    #: Received before, by this node or another.
    redelivered: bool = False


class Outcome(enum.Enum):
    """How a delivery ends."""

    #: Done: the message is gone.
    ACK = "ack"
    #: Not done: the message goes back to its queue, to the head where the engine can.
    REQUEUE = "requeue"
    #: Never to be done: the message is kept as a dead letter, with the reason.
    REJECT = "reject"
    #: Another message takes its place in the delivery's queue, and in no other; at once, or at its ``not_before``.
    REPLACE = "replace"


class Settlement(Struct, frozen=True, kw_only=True):
    """The end of a delivery and all that belongs to it: one step where the engine can."""

    delivery: Delivery
    outcome: Outcome
    #: Stored before the message is gone.
    result: StoredResult | None = None
    #: Published before the message is gone: retries, links, errbacks, the next task of a chain, a chord's body.
    follow_ups: tuple[Message, ...] = ()
    #: For ``REPLACE``.
    replacement: Message | None = None
    #: For ``REJECT``: one sentence, kept with the dead letter.
    reason: str = ""
    #: A run that is held in the result store (``ResultBackend.hold``): with ``ACK`` and ``REJECT`` it has ended there
    #: before the message is gone. Only where results are kept apart, as only there a message can be there twice.
    run: str | None = None


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message refused for good, kept for a person."""

    id: str
    queue: str
    task: str
    reason: str
    #: Unix time.
    died_at: float
    envelope: bytes


class QueueSize(Struct, frozen=True, kw_only=True):
    """How many messages of a queue are in which condition; None: the broker cannot tell."""

    ready: int | None = 0
    delayed: int | None = 0
    in_flight: int | None = 0

    @property
    def waiting(self) -> int:
        """Messages that nobody has taken, as far as they can be counted."""
        return (self.ready or 0) + (self.delayed or 0)


class NodeRecord(Struct, frozen=True, kw_only=True):
    """A node as the broker knows it."""

    #: ``name@host``.
    name: str
    #: Unix time until which its deliveries are its own.
    lease_until: float
    #: What the node last said of itself (``Consumer.renew``).
    status: bytes = b""
    #: The engine has seen that the process is gone, though its lease has not ended.
    gone: bool = False


class Channel(Struct, frozen=True, kw_only=True):
    """Where facts and orders are broadcast: an exchange, on brokers that have them."""

    name: str
    #: Listeners choose by routing key (a topic exchange); else everybody gets everything (fanout).
    topics: bool = False
    #: The exchange outlives a restart of the server; what is sent to it never does.
    durable: bool = False


class Broadcast(Struct, frozen=True, kw_only=True, array_like=True):
    """One fact or order, sent to whoever listens at the moment."""

    body: bytes
    #: Words with dots between them, for channels with topics.
    routing_key: str = ""
    headers: dict[str, Any] = {}
    content_type: str = "application/json"
    content_encoding: str = "utf-8"


class Subscription(ABC):
    """Receives what is broadcast on one channel from the moment it exists. Nothing is kept for the absent."""

    @abstractmethod
    def receive(self, timeout: float) -> list[Broadcast]:
        """Return what has arrived, waiting up to ``timeout`` seconds for something; an empty list if nothing has."""

    @abstractmethod
    def wake(self) -> None:
        """Make a waiting ``receive`` return at once. Safe from any thread."""

    @abstractmethod
    def close(self) -> None:
        """End it. Safe to call twice."""


class Consumer(ABC):
    """One node's claim on some queues. Used by one thread, except ``wake``.

    Made by ``Broker.consumer``; holds a lease from then on, until ``close``.
    """

    @abstractmethod
    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Take up to ``limit`` messages that are due, highest priority and oldest first.

        Waits up to ``timeout`` seconds for the first one, returns early on ``wake``. With several queues none starves.
        A delivery whose message has a ``not_before`` is due: only the broker decides that. With a ``limit`` of 0
        nothing is taken, and an engine to which the server pushes messages sees to it that others get them. Raises
        ``OperationalError`` when the store is away; what was taken by then is handed out by a later call or comes back
        by the lease. The next call connects again.
        """

    @abstractmethod
    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """End deliveries; return those that were refused, of which nothing was stored or published.

        With a backend that shares the store this is one atomic step a batch; else follow-ups are published first, then
        results stored, then messages removed, so that a crash between repeats and never loses. Raises
        ``OperationalError`` with nothing half done that a second call would not mend.
        """

    @abstractmethod
    def renew(self, status: bytes = b"") -> bool:
        """Keep the lease; ``status`` is what ``Broker.nodes`` shows.

        Returns False when the lease had ended before: others may, but need not, have taken this node's deliveries.
        """

    def hindrance(self) -> str:
        """Return why the server takes no new messages at the moment, though it serves this node; empty if it does.

        One sentence with the cure. Asked every few seconds.
        """
        return ""

    @abstractmethod
    def recover(self) -> int:
        """Give dead nodes' deliveries back to their queues; return how many.

        Does nothing until this consumer has itself held its lease without a break for one whole lease time, unless the
        engine knows that a node is dead by better means than its silence.
        """

    @abstractmethod
    def add_queue(self, queue: Queue) -> None:
        """Take from this queue too. Declares it. Adding one twice changes nothing."""

    @abstractmethod
    def cancel_queue(self, name: str) -> None:
        """Take no more from this queue; what was taken is still to be settled."""

    @abstractmethod
    def wake(self) -> None:
        """Make a waiting ``receive`` return at once. Safe from any thread, and before the wait has begun."""

    @abstractmethod
    def close(self) -> None:
        """Give back whatever is unsettled, and the lease. Safe to call twice."""


class Broker(ABC):
    """One process's way to a store of messages. Safe for use by many threads, except between ``fork`` and ``open``.

    Opens itself at first use; ``open`` is for those who want the error early. After a fork the child's copy opens a
    connection of its own.
    """

    capabilities: ClassVar[Capabilities]

    #: Which engine keeps a timetable where the messages are (``timetables.choice``); None: none does.
    timetable_engine: ClassVar[str | None] = None

    #: Without passwords: for logs and people.
    url: str

    @abstractmethod
    def open(self) -> None:
        """Connect; raises ``OperationalError`` with the cure. Safe to call twice."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. Safe to call twice; a later call of another method opens again."""

    @abstractmethod
    def declare(self, queue: Queue) -> None:
        """Make sure that the queue exists. Safe to repeat."""

    @abstractmethod
    def publish(self, messages: Sequence[Message], *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        """Publish all of them, in one step where the engine can; they are durable when this returns.

        Raises ``BrokerUnavailable`` when none was published, ``PublishUnconfirmed`` when nobody knows of some, and
        ``MessageRefused`` when the server takes them at no time. The error's ``published`` names those that are in.
        """

    def publish_filled(self, filled: FilledForm, *, timeout: float = DEFAULT_PUBLISH_TIMEOUT) -> None:
        """Do what ``publish`` does with calls of one form, which an engine may have prepared."""
        self.publish(filled.messages(), timeout=timeout)

    def publish_with_results(
        self,
        messages: Sequence[Message],
        results: Sequence[StoredResult],
        backend: ResultBackend,
        *,
        timeout: float = DEFAULT_PUBLISH_TIMEOUT,
    ) -> None:
        """Publish messages and store results in ``backend``: nobody takes a message whose result is not there yet.

        With a backend that shares the store (``shares_store_with``) it is one atomic step: all of it or nothing. Else
        the results are stored first, so that a crash between leaves a result without its message. A result that the
        backend refuses, being older than what is there, keeps no message back. Raises what ``publish`` and
        ``ResultBackend.store`` raise.
        """
        if results:
            backend.store(results)
        self.publish(messages, timeout=timeout)

    @abstractmethod
    def consumer(
        self, queues: Sequence[Queue], *, node: str, results: ResultBackend | None = None, lease: float = DEFAULT_LEASE
    ) -> Consumer:
        """Begin to consume as the node of that name; settlements' results go to ``results``."""

    @abstractmethod
    def shares_store_with(self, backend: ResultBackend) -> bool:
        """Say whether a settlement and this backend's result can be one atomic step."""

    @abstractmethod
    def queues(self) -> list[str]:
        """Return the names of the queues that exist, sorted."""

    @abstractmethod
    def size(self, queue: str) -> QueueSize:
        """Count a queue's messages; zeros for one that does not exist."""

    @abstractmethod
    def peek(self, queue: str, limit: int = 10, offset: int = 0) -> list[Message]:
        """Return waiting messages in the order of delivery, delayed ones last, without taking them."""

    @abstractmethod
    def purge(self, queue: str) -> int:
        """Drop a queue's waiting messages, delayed ones too, but none in flight; return how many."""

    @abstractmethod
    def delete(self, queue: str) -> None:
        """Remove a queue with its waiting messages. Safe to repeat."""

    @abstractmethod
    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        """Return dead letters, newest first."""

    @abstractmethod
    def find_dead_letters(self, task_id: str) -> list[DeadLetter]:
        """Return the dead letters of a task id, newest first."""

    @abstractmethod
    def retry_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        """Put dead letters (all, or those of these ids) back on their queues, crash count cleared; return how many."""

    @abstractmethod
    def purge_dead_letters(self, task_ids: Sequence[str] | None = None) -> int:
        """Drop dead letters (all, or those of these ids); return how many."""

    @abstractmethod
    def nodes(self) -> list[NodeRecord]:
        """Return the nodes that hold or lately held a lease, by name."""

    @abstractmethod
    def broadcast(self, channel: Channel, broadcast: Broadcast) -> None:
        """Send to every present subscription of the channel; at most once, kept for nobody."""

    @abstractmethod
    def subscribe(self, channel: Channel, pattern: str = "#") -> Subscription:
        """Begin to receive what is broadcast on the channel.

        On one with topics ``pattern`` chooses: ``*`` is one word of the routing key, ``#`` any number of them.
        """

    def examine(self, queues: Sequence[str] = ()) -> list[Remark]:
        """Ask the server how it keeps messages, and these queues, and say what it can lose; changes nothing."""
        return []

    def give_back(self, queues: Sequence[str] | None = None, *, dead: bool = False) -> GivenBack:
        """Write what celeriac holds of these queues (None: of all) where a Celery worker finds it, as Celery would.

        That is what is delayed, what dead nodes had taken, and with ``dead`` the dead letters. Safe to interrupt and
        to repeat: each message is in one place or the other. Raises ``ImproperlyConfigured`` where Celery has no
        workers.
        """
        raise ImproperlyConfigured(f"Celery has no workers on {self.url}, so there is nobody to give anything back to.")
