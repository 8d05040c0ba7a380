"""The thread that talks to the broker, while the result store is away."""

import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Consumer, Delivery, Outcome, Settlement
from celeriac.brokers.memory import MemoryBroker, MemoryStore
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import BackendThatFails
from celeriac.worker.intake import Intake, Keep
from celeriac.worker.outages import Outages

PATIENCE = 10.0
LEASE = 2.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not {what}"
        time.sleep(0.01)


class Bench:
    """An intake on a broker in memory, whose results are kept in a store that can be away."""

    def __init__(self, max_attempts: int | None) -> None:
        self.broker = MemoryBroker(store=MemoryStore())
        self.backend = BackendThatFails(f"memory://{id(self)}")
        self.backend.is_away = False
        self.outages = Outages()
        self.intake = Intake(
            self.broker,
            self.backend,
            [Queue("celery")],
            node="one@here",
            lease=LEASE,
            status=lambda: b"",
            outages=self.outages,
            max_attempts=max_attempts,
        )
        self.intake.connect()
        self.intake.start()

    def other_node(self) -> Consumer:
        return self.broker.consumer([Queue("mail")], node="two@here", lease=LEASE)

    def take(self) -> Delivery:
        self.broker.publish([Message(id="task-1", queue="celery", headers={"task": "t"}, body=b"[[], {}, {}]")])
        self.intake.want(1)
        taken: list[Delivery] = []
        wait_until(lambda: taken.extend(self.intake.collect().deliveries) or taken, "delivered")
        return taken[0]

    def end(self, delivery: Delivery) -> None:
        result = StoredResult(task_id="task-1", state="SUCCESS", document=b'{"status": "SUCCESS"}', lifetime=60.0)
        self.intake.settle([Settlement(delivery=delivery, outcome=Outcome.ACK, result=result)])


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(getattr(request, "param", None))
    yield bench
    bench.backend.is_away = False
    bench.intake.stop(PATIENCE)


def test_a_node_keeps_its_lease_while_only_its_results_are_away(bench: Bench) -> None:
    delivery = bench.take()
    bench.backend.is_away = True
    bench.end(delivery)
    wait_until(lambda: bench.outages.last, "noticed")
    other = bench.other_node()
    until = time.monotonic() + 2 * LEASE
    while time.monotonic() < until:
        other.renew()
        assert other.recover() == 0
        time.sleep(LEASE / 10)
    bench.backend.is_away = False
    wait_until(lambda: bench.backend.fetch_one("task-1"), "stored")
    wait_until(lambda: bench.broker.size("celery").in_flight == 0, "acked")
    other.close()


@pytest.mark.parametrize("wanted", [1, 2])
def test_the_main_thread_is_woken_soon_although_all_was_handed_on_in_its_place(bench: Bench, wanted: int) -> None:
    handed_on: list[Delivery] = []

    def hand_on() -> bool:
        handed_on.extend(bench.intake.take_over().deliveries)
        return True

    bench.intake.on_arrivals = hand_on
    # With room for one, the consumer thread does not even ask any more.
    bench.intake.want(wanted)
    bench.broker.publish([Message(id="task-1", queue="celery", headers={"task": "t"}, body=b"[[], {}, {}]")])
    poll = select.poll()
    poll.register(bench.intake.fileno(), select.POLLIN)
    assert poll.poll(PATIENCE * 1000)
    assert len(handed_on) + len(bench.intake.collect().deliveries) == 1


def test_that_a_task_has_begun_is_never_stored_after_its_end(bench: Bench) -> None:
    first, second = bench.take(), bench.take()
    is_storing, may_go_on = threading.Event(), threading.Event()
    store = bench.backend.store
    states: list[str] = []

    def store_slowly(results: Sequence[StoredResult]) -> list[StoredResult]:
        is_storing.set()
        may_go_on.wait(PATIENCE)
        states.extend(result.state for result in results)
        return store(results)

    bench.backend.store = store_slowly  # type: ignore[method-assign]
    bench.end(first)
    assert is_storing.wait(PATIENCE)
    began = StoredResult(task_id="task-2", state="STARTED", document=b'{"status": "STARTED"}', lifetime=60.0)
    failed = StoredResult(task_id="task-2", state="FAILURE", document=b'{"status": "FAILURE"}', lifetime=60.0)
    # Not by keep and settle: they wake the consumer, and this broker lets nobody in while it settles.
    bench.intake._keeps.append(Keep(result=began))
    bench.intake._settlements.append(Settlement(delivery=second, outcome=Outcome.ACK, result=failed))
    may_go_on.set()
    wait_until(lambda: len(states) == 3, "all stored")
    assert states == ["SUCCESS", "STARTED", "FAILURE"]


def test_an_outage_is_told_once_and_is_in_the_status(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    delivery = bench.take()
    bench.backend.is_away = True
    bench.end(delivery)
    wait_until(lambda: bench.outages.last, "noticed")
    assert bench.outages.last is not None
    assert (bench.outages.last.of, bench.outages.last.seconds) == ("result store", None)
    for _ in range(3):
        bench.intake.settle([])
    bench.backend.is_away = False
    wait_until(lambda: bench.outages.last and bench.outages.last.seconds is not None, "over")
    assert bench.outages.count == 1
    told = [record.getMessage() for record in caplog.records if record.name == "celeriac.worker.intake"]
    assert [line.partition(" is away")[0].partition(" after ")[0] for line in told] == [
        "The result store cannot be used; trying again until it is back. This result backend",
        "The result store is back",
    ]


def test_an_intake_that_stops_tries_a_store_that_is_away_for_half_of_its_time(bench: Bench) -> None:
    delivery = bench.take()
    bench.backend.is_away = True
    bench.end(delivery)
    wait_until(lambda: bench.outages.last, "noticed")
    began = time.monotonic()
    assert not bench.intake.stop(2.0)
    assert not bench.intake.is_alive
    assert time.monotonic() - began >= 1.0
    assert bench.broker.size("celery").in_flight == 0, "given back with the lease"


def test_what_ended_is_settled_by_an_intake_that_stops_when_the_store_returns_in_time(bench: Bench) -> None:
    delivery = bench.take()
    bench.backend.is_away = True
    bench.end(delivery)
    wait_until(lambda: bench.outages.last, "noticed")
    bench.backend.is_away = False
    assert bench.intake.stop(PATIENCE)
    assert bench.backend.fetch_one("task-1") is not None


@pytest.mark.parametrize("bench", [2], indirect=True)
def test_an_intake_gives_up_after_as_many_attempts_as_it_was_told(bench: Bench) -> None:
    delivery = bench.take()
    bench.backend.is_away = True
    bench.end(delivery)
    wait_until(lambda: not bench.intake.is_alive, "given up")
    assert bench.outages.last_reason == "This result backend is away."
