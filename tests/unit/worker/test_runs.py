"""What a node asks the result store about runs, and does with the answers."""

import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from celeriac.backends.base import Holding, StoredResult
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.base import Delivery
from celeriac.exceptions import BackendError
from celeriac.worker.assignment import Assignment, LaneKind
from celeriac.worker.runs import Runs

PATIENCE = 10.0
LEASE = 1.2


class MayBeAway(MemoryBackend):
    is_away = False

    def hold(self, task_ids: Sequence[str], holder: str, seconds: float) -> dict[str, Holding]:
        if self.is_away:
            raise BackendError("This result backend is away.")
        return super().hold(task_ids, holder, seconds)

    def states(self, task_ids: Sequence[str]) -> Mapping[str, str]:
        if "unreadable" in task_ids:
            raise BackendError("The key of this result is of another kind.")
        return super().states(task_ids)


def until(condition: Callable[[], object], what: str) -> object:
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not {what}"
        time.sleep(0.01)
    return value


class Node:
    """What a node has of it."""

    numbers = itertools.count()

    def __init__(self, url: str) -> None:
        self.backend = MayBeAway(url)
        self.runs = Runs(self.backend, lease=LEASE)
        self.to_run: list[str] = []
        self.ended: list[str] = []
        #: Of the delivery that may begin.
        self.tags: dict[str, int | str] = {}

    def ask(self, *task_ids: str, replaceable: bool = False) -> None:
        for task_id in task_ids:
            delivery = Delivery(tag=next(self.numbers), queue="celery", envelope=b"", execution=1)
            self.runs.ask(
                Assignment(
                    delivery=delivery,
                    task_id=task_id,
                    task_name="t",
                    lane=LaneKind.DEF,
                    once=True,
                    replaceable=replaceable,
                )
            )

    def settle(self, *task_ids: str) -> None:
        self.runs.note_settled([self.tags[task_id] for task_id in task_ids])

    def has(self, *, to_run: int = 0, ended: int = 0) -> bool:
        answers = self.runs.collect()
        self.to_run += [each.task_id for each in answers.to_run]
        self.tags.update((each.task_id, each.delivery.tag) for each in answers.to_run)
        self.ended += [each.task_id for each in answers.ended]
        return len(self.to_run) == to_run and len(self.ended) == ended


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    url = f"memory://{uuid.uuid4()}"
    nodes = Node(url), Node(url)
    yield nodes
    for node in nodes:
        node.runs.close()


def test_a_run_that_nobody_holds_may_begin_and_is_held_for_as_long_as_it_takes(nodes):
    one, two = nodes
    one.ask("a", "b")
    until(lambda: one.has(to_run=2), "answered")
    two.ask("a")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2 * LEASE, "over")
    assert two.has()


def test_one_that_is_held_elsewhere_begins_when_it_is_let_go_there(nodes, caplog):
    caplog.set_level("INFO", "celeriac.worker.runs")
    one, two = nodes
    one.ask("a")
    until(lambda: one.has(to_run=1), "answered")
    two.ask("a")
    until(lambda: "Run t[a] is another node's and waits." in caplog.text, "told")
    assert two.runs.asked == 0
    one.settle("a")
    until(lambda: two.has(to_run=1), "let go")
    assert caplog.text.count("and waits") == 1


def test_one_whose_holder_is_gone_begins_when_its_time_is_over(nodes):
    one, two = nodes
    one.backend.hold(["a"], "somebody who has died", LEASE)
    two.ask("a")
    until(lambda: two.has(to_run=1), "free")


def test_one_that_has_ended_does_not_begin(nodes):
    one, _ = nodes
    one.backend.store([StoredResult(task_id="a", state="SUCCESS", document=b"")])
    one.backend.end_runs(["b"])
    one.ask("a", "b")
    until(lambda: one.has(ended=2), "answered")


def test_of_two_messages_of_a_run_on_one_node_the_second_waits_for_the_end_of_the_first(nodes):
    one, _ = nodes
    one.ask("a", "a")
    until(lambda: one.has(to_run=1), "answered")
    one.ask("a")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > LEASE, "over")
    assert one.has(to_run=1)
    one.backend.end_runs(["a"])
    one.settle("a")
    until(lambda: one.has(to_run=1, ended=2), "answered")


def test_what_waits_is_withdrawn_and_others_get_it(nodes):
    one, two = nodes
    one.ask("a")
    until(lambda: one.has(to_run=1), "answered")
    two.ask("a")
    assert [each.task_id for each in two.runs.withdraw()] == ["a"]
    one.runs.close()
    two.ask("a")
    until(lambda: two.has(to_run=1), "answered")


def test_a_second_message_that_is_given_back_lets_go_of_nothing_while_the_first_runs(nodes):
    one, two = nodes
    one.ask("a")
    until(lambda: one.has(to_run=1), "answered")
    one.ask("a")
    one.runs.note_settled([each.delivery.tag for each in one.runs.withdraw()])
    # Whoever is asked for after that is answered after that.
    one.ask("b")
    until(lambda: one.has(to_run=2), "answered")
    assert two.backend.hold(["a", "b"], "two", LEASE) == {"a": Holding.TAKEN, "b": Holding.TAKEN}
    one.settle("a")
    until(lambda: two.backend.hold(["a"], "two", LEASE) == {"a": Holding.OURS}, "let go")


def test_one_about_which_the_store_cannot_be_asked_costs_no_other_its_holding(nodes):
    one, two = nodes
    one.ask("a")
    until(lambda: one.has(to_run=1), "answered")
    one.ask("unreadable", replaceable=True)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2 * LEASE, "over")
    assert two.backend.hold(["a"], "two", LEASE) == {"a": Holding.TAKEN}


def test_runs_wait_while_the_store_is_away_and_that_is_said_once(nodes, caplog):
    one, _ = nodes
    one.backend.is_away = True
    one.ask("a", "b")
    until(lambda: "cannot be asked for runs, which wait until it is back. This result backend" in caplog.text, "told")
    one.ask("c")
    one.backend.is_away = False
    until(lambda: one.has(to_run=3), "answered")
    until(lambda: "can be asked for runs again" in caplog.text, "told")
    assert caplog.text.count("cannot be asked") == 1


def test_a_node_that_was_silent_for_too_long_says_that_another_has_begun_its_run(nodes, caplog):
    one, _ = nodes
    one.ask("a")
    until(lambda: one.has(to_run=1), "answered")
    one.backend._shelf.holdings["a"] = (time.monotonic() + 60, "another")
    until(lambda: "Another node has begun run a too" in caplog.text, "told")
