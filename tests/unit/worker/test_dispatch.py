"""Which child gets what, and how much a node takes ahead."""

import pytest

from celeriac.brokers.base import Delivery
from celeriac.worker.assignment import Assignment, LaneKind
from celeriac.worker.dispatcher import HELD, Dispatcher
from celeriac.worker.load import READ_AHEAD, LaneLoad
from celeriac.worker.pace import Pace


class Place:
    """A child as the dispatcher sees it."""

    def __init__(self, slots: int = 1, async_slots: int = 0, allowance: int = 10**9) -> None:
        self.loads = (LaneLoad(slots), LaneLoad(async_slots))
        self.exclusive = False
        self.accepts_work = True
        self.allowance = allowance


def assignment(number: int, name: str = "add", **more) -> Assignment:
    delivery = Delivery(tag=number, queue="celery", envelope=b"x" * 100, execution=number)
    lane = more.pop("lane", LaneKind.DEF)
    return Assignment(delivery=delivery, task_id=str(number), task_name=name, lane=lane, **more)


def dispatcher_with(count: int, pace: float | None = None, **more) -> Dispatcher:
    measured = Pace()
    if pace is not None:
        measured.observe("add", pace)
    dispatcher = Dispatcher(measured, runs_async=True)
    for number in range(count):
        dispatcher.add(assignment(number, **more))
    return dispatcher


def test_a_task_of_unknown_pace_goes_to_a_free_slot_only() -> None:
    places = [Place(), Place()]
    dispatcher = dispatcher_with(5)
    assert [placed.assignment.task_id for placed in dispatcher.place(places, 0.0)] == ["0", "1"]
    assert dispatcher.waiting_count == 3
    assert [len(place.loads[0]) for place in places] == [1, 1]


def test_fast_tasks_are_read_ahead_as_far_as_the_time_allows() -> None:
    place = Place()
    dispatcher = dispatcher_with(1000, pace=READ_AHEAD / 20)
    placed = dispatcher.place([place], 0.0)
    assert 19 <= len(placed) <= 21
    assert dispatcher.demand([place], 0.0) == 0


def test_slow_tasks_are_not_read_ahead() -> None:
    place = Place()
    assert len(dispatcher_with(10, pace=1.0).place([place], 0.0)) == 1


def test_the_node_wants_as_many_as_its_free_slots_until_it_knows_the_pace() -> None:
    assert dispatcher_with(0).demand([Place(), Place()], 0.0) == 2
    dispatcher = dispatcher_with(0, pace=READ_AHEAD / 100)
    dispatcher.runs_async = False
    assert dispatcher.demand([Place(), Place()], 0.0) > 100


def test_read_ahead_behind_a_task_that_turns_out_long_is_seen_as_stuck() -> None:
    place = Place()
    dispatcher = dispatcher_with(10, pace=READ_AHEAD / 100)
    dispatcher.place([place], now=10.0)
    assert not place.loads[0].is_stuck(10.0 + READ_AHEAD / 2)
    assert place.loads[0].is_stuck(10.0 + READ_AHEAD * 1.1)


def test_read_ahead_lies_less_long_while_another_slot_is_idle() -> None:
    busy, other = Place(), Place()
    dispatcher = dispatcher_with(10, pace=READ_AHEAD / 100)
    dispatcher.place([busy], 10.0)
    assert not busy.loads[0].is_stuck(10.0 + READ_AHEAD / 2, dispatcher.patience([busy], 10.0))
    assert busy.loads[0].is_stuck(10.0 + READ_AHEAD / 2, dispatcher.patience([busy, other], 10.0))
    other.accepts_work = False
    assert not busy.loads[0].is_stuck(10.0 + READ_AHEAD / 2, dispatcher.patience([busy, other], 10.0))


def test_what_was_taken_back_from_behind_a_long_task_is_not_put_there_again() -> None:
    busy, other = Place(), Place()
    dispatcher = dispatcher_with(10, pace=READ_AHEAD / 100)
    placed = dispatcher.place([busy], 0.0)
    # The first has ended, which the node has not been told yet; the second runs.
    dispatcher.put_back(busy.loads[0].remove_all([each.sequence for each in placed[2:]]))
    busy.loads[0].hold()
    busy.loads[0].remove(placed[0].sequence)
    assert {each.workplace for each in dispatcher.place([busy, other], 0.0)} == {other}
    assert busy.loads[0].spare(READ_AHEAD / 100) == 0
    busy.loads[0].remove(placed[1].sequence)
    assert busy.loads[0].spare(READ_AHEAD / 100) > 1


def test_what_is_acked_before_it_starts_waits_for_a_free_slot() -> None:
    place = Place()
    dispatcher = dispatcher_with(3, pace=READ_AHEAD / 1000, acked_early=True)
    assert len(dispatcher.place([place], 0.0)) == 1


def test_of_what_is_acked_before_it_starts_few_are_taken_although_they_are_fast() -> None:
    place = Place(slots=2)
    dispatcher = dispatcher_with(2, pace=READ_AHEAD / 1000, acked_early=True)
    dispatcher.runs_async = False
    assert dispatcher.demand([place], 0.0) == 2 + HELD * 2 - 2
    dispatcher.place([place], 0.0)
    assert dispatcher.demand([place], 0.0) == HELD * 2
    dispatcher.add(assignment(7))
    assert dispatcher.demand([place], 0.0) > 100


def test_a_suspect_runs_alone_in_a_child_that_has_run_empty() -> None:
    places = [Place(), Place()]
    dispatcher = dispatcher_with(2)
    dispatcher.place(places, 0.0)
    dispatcher.add(assignment(7, suspect=True))
    dispatcher.add(assignment(8))
    assert dispatcher.place(places, 0.0) == []
    reserved = next(place for place in places if place.exclusive)
    other = next(place for place in places if not place.exclusive)
    for place in places:
        place.loads[0].remove_all(list(place.loads[0].assignments))
    placed = {each.assignment.task_id: each.workplace for each in dispatcher.place(places, 0.0)}
    assert placed == {"7": reserved, "8": other}
    dispatcher.add(assignment(9))
    assert dispatcher.place([reserved], 0.0) == []


def test_coroutines_are_placed_although_all_def_slots_are_taken() -> None:
    place = Place(slots=1, async_slots=100)
    dispatcher = dispatcher_with(5)
    for number in range(50, 60):
        dispatcher.add(assignment(number, "wait", lane=LaneKind.ASYNC))
    placed = dispatcher.place([place], 0.0)
    assert sum(each.assignment.lane is LaneKind.ASYNC for each in placed) == 10
    assert sum(each.assignment.lane is LaneKind.DEF for each in placed) == 1


def test_a_node_whose_def_slots_are_busy_holds_few_def_tasks_while_it_looks_for_coroutines() -> None:
    place = Place(slots=1, async_slots=100)
    dispatcher = dispatcher_with(1)
    dispatcher.place([place], 0.0)
    assert 0 < dispatcher.demand([place], 0.0) <= 2
    for number in range(10, 12):
        dispatcher.add(assignment(number))
    assert dispatcher.demand([place], 0.0) == 0


def test_a_child_is_given_no_more_than_it_may_run() -> None:
    place = Place(allowance=0)
    dispatcher = dispatcher_with(3)
    assert dispatcher.place([place], 0.0) == []
    assert dispatcher.demand([place], 0.0) == 0


@pytest.mark.parametrize("limit", [0, 3])
def test_the_prefetch_multiplier_bounds_what_is_read_ahead(limit: int) -> None:
    place = Place()
    place.loads = (LaneLoad(1, ahead_limit=limit), LaneLoad(0))
    assert len(dispatcher_with(100, pace=READ_AHEAD / 1000).place([place], 0.0)) == 1 + limit


def test_a_child_reserved_for_a_suspect_that_has_gone_elsewhere_takes_work_again() -> None:
    place = Place()
    dispatcher = dispatcher_with(1)
    dispatcher.place([place], 0.0)
    dispatcher.add(assignment(7, suspect=True))
    assert dispatcher.place([place], 0.0) == []
    assert place.exclusive
    dispatcher.withdraw(lambda _: True)
    place.loads[0].remove(1)
    assert dispatcher.demand([place], 0.0) == 1


def test_a_lane_whose_loop_is_blocked_is_given_nothing_for_a_while() -> None:
    places = [Place(slots=1, async_slots=10), Place(slots=1, async_slots=10)]
    places[0].loads[LaneKind.ASYNC].avoided_until = 5.0
    dispatcher = dispatcher_with(4, lane=LaneKind.ASYNC)
    assert {id(placed.workplace) for placed in dispatcher.place(places, 4.0)} == {id(places[1])}
    assert dispatcher_with(0).demand([places[0]], 4.0) <= 2 < dispatcher_with(0).demand([places[0]], 6.0)
