"""What the subjects of the suites have in common: engines made and closed, messages, and waiting for things."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.base import DEFAULT_LEASE, Broker, Consumer, Delivery, NodeRecord, Outcome, QueueSize, Settlement
from celeriac.exceptions import BackendStoreError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.run_id import run_id
from celeriac.schedule_entry import ScheduleEntry
from celeriac.timetables.base import Claim, EntryState, PlannedRun, RunReason, Timetable

__all__ = [
    "BackendHarness",
    "BackendThatFails",
    "BrokerHarness",
    "Harness",
    "TimetableHarness",
    "in_thread",
    "raised",
    "until",
]

T = TypeVar("T")

#: Seconds after which something that should happen soon counts as not happening.
PATIENCE = 15.0


def until(condition: Callable[[], T], *, timeout: float = PATIENCE, pause: float = 0.01) -> T:
    """Call it until what it returns is true, and return that; raises ``AssertionError`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"This did not become true within {timeout:g} s."
        time.sleep(pause)
    return found


def raised(kind: type[Exception], action: Callable[[], object]) -> str:
    """Call it; return what the error of this kind says that it raises."""
    try:
        action()
    except kind as error:
        return str(error)
    raise AssertionError(f"This raised no {kind.__name__}.")


def in_thread(action: Callable[..., object], *arguments: object) -> threading.Thread:
    """Call it with these arguments in a thread of its own; to be joined."""
    thread = threading.Thread(target=action, args=arguments, daemon=True)
    thread.start()
    return thread


class BackendThatFails(MemoryBackend):
    """Keeps results elsewhere, and is away as long as it is said to be."""

    is_away = True

    def store(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        """Keep results, or raise ``BackendStoreError``."""
        if self.is_away:
            raise BackendStoreError("This result backend is away.")
        return super().store(results)


class Harness:
    """Closes after each test whatever was made in it."""

    _to_close: list[Any]

    def setup_method(self) -> None:
        """Begin a test."""
        self._to_close = []

    def teardown_method(self) -> None:
        """End a test."""
        while self._to_close:
            self._to_close.pop().close()

    def keep(self, closable: T) -> T:
        """Have something closed at the end of the test; return it."""
        self._to_close.append(closable)
        return closable


class BrokerHarness(Harness):
    """A broker, consumers and messages for a test; an engine's test class says how brokers are made."""

    #: A queue for tests that need only one.
    queue = "conformance"

    _numbers: "itertools.count[int]"
    _broker: Broker | None
    _backend: ResultBackend | None

    def make_broker(self) -> Broker:
        """Return a new broker; all of one test see the same messages."""
        raise NotImplementedError

    def make_backend(self, broker: Broker) -> ResultBackend:
        """Return a new result backend, with the same store if the engine has one for results."""
        raise NotImplementedError

    def setup_method(self) -> None:
        """Begin a test."""
        super().setup_method()
        self._numbers = itertools.count(1)
        self._broker = None
        self._backend = None

    @property
    def broker(self) -> Broker:
        """The test's broker."""
        if self._broker is None:
            self._broker = self.keep(self.make_broker())
        return self._broker

    @property
    def backend(self) -> ResultBackend:
        """The test's result backend."""
        if self._backend is None:
            self._backend = self.keep(self.make_backend(self.broker))
        return self._backend

    def consumer(
        self,
        *queues: str,
        node: str = "one@conformance",
        results: ResultBackend | None = None,
        lease: float = DEFAULT_LEASE,
    ) -> Consumer:
        """Return a consumer of these queues, or of the test's one."""
        names = queues or (self.queue,)
        return self.keep(self.broker.consumer([Queue(name) for name in names], node=node, results=results, lease=lease))

    def message(self, **changes: Any) -> Message:
        """Return a message with an id of its own."""
        number = next(self._numbers)
        task_id = changes.pop("id", f"task-{number}")
        fields: dict[str, Any] = {
            "id": task_id,
            "queue": self.queue,
            "headers": {"task": "conformance.task", "id": task_id, "lang": "py"},
            "body": b'[[1, "\xc3\xbc"], {}, {}]',
        }
        return Message(**(fields | changes))

    def publish(self, count: int = 1, **changes: Any) -> list[Message]:
        """Publish so many new messages; return them."""
        messages = [self.message(**changes) for _ in range(count)]
        self.broker.publish(messages)
        return messages

    def receive(self, consumer: Consumer, count: int = 1, *, timeout: float = PATIENCE) -> list[Delivery]:
        """Receive exactly so many deliveries."""
        deadline = time.monotonic() + timeout
        deliveries: list[Delivery] = []
        while len(deliveries) < count:
            remaining = deadline - time.monotonic()
            assert remaining > 0, f"Only {len(deliveries)} of {count} messages came within {timeout:g} s."
            deliveries += consumer.receive(count - len(deliveries), remaining)
        return deliveries

    def receive_ids(self, consumer: Consumer, count: int = 1) -> list[str]:
        """Receive exactly so many deliveries; return the ids of their messages."""
        return [self.read(delivery).id for delivery in self.receive(consumer, count)]

    def expect_nothing(self, consumer: Consumer) -> None:
        """Make sure that there is nothing to receive at the moment."""
        assert consumer.receive(10, 0) == []

    def sized(self, *, ready: int = 0, delayed: int = 0, in_flight: int = 0) -> QueueSize:
        """Return the size that a queue has with so many messages, as far as the engine can count them."""
        if self.broker.capabilities.counts_all:
            return QueueSize(ready=ready, delayed=delayed, in_flight=in_flight)
        return QueueSize(ready=ready, delayed=None, in_flight=None)

    def settle(self, consumer: Consumer, delivery: Delivery, outcome: Outcome = Outcome.ACK, **rest: Any) -> None:
        """End a delivery, which must be accepted."""
        assert consumer.settle([Settlement(delivery=delivery, outcome=outcome, **rest)]) == []

    def fall_silent(self, consumer: Consumer) -> None:
        """Have a node vanish: without renewals it does; where the connection is the lease, that has to be cut."""

    def nodes_beside(self, *consumers: Consumer) -> list[NodeRecord]:
        """Return the nodes that the broker knows while these do what a full node does: look for dead ones."""
        is_over = threading.Event()

        def live(consumer: Consumer) -> None:
            while not is_over.wait(0.05):
                consumer.recover()

        threads = [in_thread(live, consumer) for consumer in consumers]
        try:
            return self.broker.nodes()
        finally:
            is_over.set()
            for thread in threads:
                thread.join()

    def read(self, delivery: Delivery) -> Message:
        """Return a delivery's message."""
        return envelopes.decode(delivery.envelope)

    def waiting(self, task_id: str) -> StoredResult:
        """Return a result that says only that the task is known."""
        return StoredResult(task_id=task_id, state="PENDING", document=b'{"status": "PENDING"}')

    def success(self, task_id: str, *, execution: int = 0) -> StoredResult:
        """Return a result."""
        return StoredResult(
            task_id=task_id, state="SUCCESS", document=b'{"status": "SUCCESS"}', lifetime=60.0, execution=execution
        )


class BackendHarness(Harness):
    """A result backend for a test; an engine's test class says how backends are made."""

    _backend: ResultBackend | None

    def make_backend(self) -> ResultBackend:
        """Return a new result backend; all of one test see the same results."""
        raise NotImplementedError

    def setup_method(self) -> None:
        """Begin a test."""
        super().setup_method()
        self._backend = None

    @property
    def backend(self) -> ResultBackend:
        """The test's backend."""
        if self._backend is None:
            self._backend = self.keep(self.make_backend())
        return self._backend

    def result(self, task_id: str, state: str = "SUCCESS", **changes: Any) -> StoredResult:
        """Return a result."""
        fields: dict[str, Any] = {"document": f"{task_id} is {state}".encode(), "lifetime": 60.0}
        return StoredResult(task_id=task_id, state=state, **(fields | changes))

    def store(self, *results: StoredResult) -> None:
        """Store results, which must be accepted."""
        assert self.backend.store(results) == []

    def documents(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        """Return what is stored of these tasks."""
        return {task_id: result.document for task_id, result in self.backend.fetch(task_ids).items()}


class TimetableHarness(Harness):
    """A timetable for a test; an engine's test class says how timetables are made."""

    #: The queue that runs are published to.
    queue = "conformance"

    _broker: Broker | None
    _timetable: Timetable | None

    def make_broker(self) -> Broker:
        """Return a new broker; all of one test see the same messages."""
        raise NotImplementedError

    def make_timetable(self, broker: Broker) -> Timetable:
        """Return a new timetable for this broker; all of one test see the same entries."""
        raise NotImplementedError

    def setup_method(self) -> None:
        """Begin a test."""
        super().setup_method()
        self._broker = None
        self._timetable = None

    @property
    def broker(self) -> Broker:
        """The test's broker."""
        if self._broker is None:
            self._broker = self.keep(self.make_broker())
        return self._broker

    @property
    def timetable(self) -> Timetable:
        """The test's timetable."""
        if self._timetable is None:
            self._timetable = self.another()
        return self._timetable

    def another(self) -> Timetable:
        """Return another way to the same timetable, as another process has it."""
        return self.keep(self.make_timetable(self.broker))

    def entry(self, name: str = "a", **changes: Any) -> ScheduleEntry:
        """Return an entry."""
        fields: dict[str, Any] = {"task": "conformance.task", "schedule": {"every": 60}}
        return ScheduleEntry(name=name, **(fields | changes))

    def save(self, name: str = "a", *, due_in: float | None = -1.0, **changes: Any) -> EntryState:
        """Save an entry that is due in so many seconds, or never; return its state."""
        self.timetable.save(self.entry(name, **changes), None if due_in is None else self.timetable.now() + due_in)
        return self.state(name)

    def state(self, name: str = "a") -> EntryState:
        """Return the state of an entry that is there."""
        state = self.timetable.get(name)
        assert state is not None
        return state

    def due_names(self, limit: int = 100, *, now: float | None = None) -> list[str]:
        """Return the names of what is due."""
        return [state.entry.name for state in self.timetable.due(limit, now=now).states]

    def planned(self, state: EntryState, due: float, reason: RunReason = RunReason.SCHEDULED) -> PlannedRun:
        """Return the run of an entry at a moment."""
        task_id = run_id(self.timetable.namespace(), state.entry.name, due)
        headers = {"task": state.entry.task, "id": task_id, "lang": "py"}
        message = Message(id=task_id, queue=self.queue, headers=headers, body=b"[[], {}, {}]")
        return PlannedRun(id=task_id, due=due, message=message, reason=reason)

    def claim_of(self, state: EntryState, **changes: Any) -> Claim:
        """Return the claim of an entry's next moment, with one run; it is due again a minute later."""
        assert state.next_at is not None
        fields: dict[str, Any] = {
            "name": state.entry.name,
            "generation": state.generation,
            "due": state.next_at,
            "next_at": state.next_at + 60,
            "runs": (self.planned(state, state.next_at),),
        }
        return Claim(**(fields | changes))

    def claim(self, state: EntryState, **changes: Any) -> bool:
        """Claim an entry's next moment; say whether it was had."""
        [was_had] = self.timetable.claim([self.claim_of(state, **changes)])
        return was_had

    def run_ids(self) -> list[str]:
        """Return the ids of all runs that are published, or are pending to be."""
        published = [message.id for message in self.broker.peek(self.queue, 100_000)]
        return published + [run.id for run in self.timetable.pending(0, 100_000)]
