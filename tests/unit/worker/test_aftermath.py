"""What becomes of the work of a dead child."""

from celeriac.brokers.base import Delivery, Outcome
from celeriac.protocol import envelope
from celeriac.protocol.message import Message
from celeriac.worker.aftermath import Casualty, judge
from celeriac.worker.assignment import Assignment, LaneKind, assign
from celeriac.worker.frames import Verdict


def casualty(number: int = 1, *, running: bool = True, overdue: float | None = None, **more) -> Casualty:
    message = Message(id=str(number), queue="celery", headers={"task": "add", "id": str(number)}, body=b"[]")
    delivery = Delivery(tag=number, queue="celery", envelope=envelope.encode(message), execution=number)
    assignment = Assignment(delivery=delivery, task_id=str(number), task_name="add", lane=LaneKind.DEF, **more)
    verdict = None if overdue is None else Verdict("TimeLimitExceeded", [overdue])
    return Casualty(assignment=assignment, was_running=running, verdict=verdict)


def judged(*casualties: Casualty, to_blame: bool = True):
    return judge(casualties, ending="was killed by SIGKILL", to_blame=to_blame, max_crashes=3)


def test_what_had_finished_without_saying_so_runs_again_uncounted_when_something_else_was_running() -> None:
    aftermath = judged(casualty(1, running=False), casualty(2))
    assert [(each.task_id, each.crashes) for each in aftermath.again] == [("1", 0)]
    assert len(aftermath.settlements) == 1


def test_what_had_finished_is_counted_when_nothing_was_running_at_its_process_s_death() -> None:
    (settlement,) = judged(casualty(running=False)).settlements
    assert settlement.replacement.headers["celeriac-crashes"] == 1
    both = judged(casualty(1, running=False), casualty(2, running=False)).settlements
    assert [each.replacement.headers["celeriac-suspect"] for each in both] == [True, True]


def test_what_was_acked_early_and_had_finished_without_saying_so_does_not_run_again() -> None:
    aftermath = judged(casualty(1, running=False, acked_early=True), casualty(2))
    assert [each.verdict.error for each in aftermath.again] == ["WorkerLostError"]


def test_what_ran_alone_is_counted_in_a_header_of_its_message() -> None:
    (settlement,) = judged(casualty()).settlements
    assert settlement.outcome is Outcome.REPLACE
    again = assign(Delivery(tag=2, queue="celery", envelope=envelope.encode(settlement.replacement), execution=2), {})
    assert (again.crashes, again.suspect) == (1, False)


def test_of_several_that_ran_together_none_is_blamed_and_each_runs_alone() -> None:
    settlements = judged(casualty(1), casualty(2)).settlements
    headers = [settlement.replacement.headers for settlement in settlements]
    assert [(each["celeriac-crashes"], each["celeriac-suspect"]) for each in headers] == [(0, True), (0, True)]


def test_the_third_crash_makes_it_a_failure_and_a_dead_letter() -> None:
    aftermath = judged(casualty(crashes=2))
    (assignment,) = aftermath.again
    assert assignment.verdict.error == "WorkerLostError"
    assert assignment.verdict.dead_letter


def test_the_hard_limit_fails_its_task_and_does_not_count_the_others() -> None:
    aftermath = judged(casualty(1, overdue=2.0), casualty(2), to_blame=False)
    assert aftermath.again[0].verdict.error == "TimeLimitExceeded"
    assert aftermath.again[1].verdict is None
    assert aftermath.again[1].crashes == 0
    assert aftermath.settlements == []


def test_what_ran_in_a_child_that_the_node_killed_is_not_counted() -> None:
    aftermath = judged(casualty(), to_blame=False)
    assert aftermath.again[0].verdict is None
    assert aftermath.settlements == []


def test_what_was_acked_before_it_began_fails_at_once() -> None:
    (assignment,) = judged(casualty(acked_early=True)).again
    assert assignment.verdict.error == "WorkerLostError"
    assert not assignment.verdict.dead_letter


def test_reject_on_worker_lost_false_fails_at_once() -> None:
    (assignment,) = judged(casualty(reject_on_worker_lost=False)).again
    assert assignment.verdict.error == "WorkerLostError"


def test_a_verdict_that_costs_a_second_child_its_life_is_reported_by_the_node() -> None:
    (assignment,) = judged(casualty(crashes=2)).again
    aftermath = judged(Casualty(assignment=assignment, was_running=True))
    assert aftermath.hopeless == [assignment]
    assert aftermath.again == []
