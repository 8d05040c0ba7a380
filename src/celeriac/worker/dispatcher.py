"""The dispatcher: which child gets which delivery, and how many more the node should take from the broker.

Pure bookkeeping: it neither sends nor receives. The node asks ``place`` what to send, and ``demand`` what to take.

Rules:

* A slot that is free gets the oldest waiting delivery of its kind; beyond that, lanes are filled ahead by time
  (``load``).
* The node takes from the broker only what its children have room for. When all ``def`` slots are busy but coroutines
  are welcome, it may still meet ``def`` deliveries; it holds at most ``HELD`` of them and then takes nothing.
* A suspect runs alone in a child: a child is reserved, runs empty, runs the suspect, and is free again.
* What is acked before it starts is given to a free slot only: it must not be taken back. While such deliveries come in
  the node takes only what is free slots' own, and ``HELD`` a slot more.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from celeriac.worker.assignment import Assignment, LaneKind
from celeriac.worker.load import IDLE_PATIENCE, READ_AHEAD, LaneLoad
from celeriac.worker.pace import Pace

__all__ = ["HELD", "Dispatcher", "Placement", "Workplace"]

#: Deliveries of a kind that may be held while none of that kind's slots is free, per slot.
HELD = 2


class Workplace(Protocol):
    """A child, as the dispatcher sees it."""

    loads: tuple[LaneLoad, LaneLoad]
    #: Reserved for a suspect, or running one.
    exclusive: bool

    @property
    def accepts_work(self) -> bool:
        """It is ready, and not about to leave."""

    @property
    def allowance(self) -> int:
        """How many more assignments it may be given before it is to be replaced."""


SomeWorkplace = TypeVar("SomeWorkplace", bound=Workplace)

LANES = tuple(LaneKind)


class Placement(NamedTuple, Generic[SomeWorkplace]):
    """An assignment and the child that gets it, under this number."""

    workplace: SomeWorkplace
    sequence: int
    assignment: Assignment


class Dispatcher:
    """Keeps the deliveries that wait for a slot."""

    def __init__(self, pace: Pace, *, runs_async: bool) -> None:
        self.pace = pace
        self.runs_async = runs_async
        self._waiting: tuple[deque[Assignment], deque[Assignment]] = (deque(), deque())
        self._suspects: deque[Assignment] = deque()
        #: The newest of each kind is acked before it starts, and so, it is supposed, are the next.
        self._come_acked_early = [False, False]
        self._numbers = itertools.count(1)

    @property
    def waiting_count(self) -> int:
        """How many deliveries wait for a slot."""
        return len(self._waiting[0]) + len(self._waiting[1]) + len(self._suspects)

    def add(self, assignment: Assignment) -> None:
        """Let a new delivery wait at the end."""
        self._come_acked_early[assignment.lane] = assignment.acked_early
        self._line_of(assignment).append(assignment)

    @property
    def first_waiting(self) -> list[int | str]:
        """The tags of those that are next in their lines."""
        return [line[0].delivery.tag for line in (*self._waiting, self._suspects) if line]

    def _line_of(self, assignment: Assignment) -> deque[Assignment]:
        return self._suspects if assignment.suspect else self._waiting[assignment.lane]

    def put_back(self, assignments: Iterable[Assignment]) -> None:
        """Let deliveries wait at the front, in their order: they had been given to a child before."""
        for assignment in reversed(list(assignments)):
            self._line_of(assignment).appendleft(assignment)

    def withdraw(self, is_movable: Callable[[Assignment], bool]) -> list[Assignment]:
        """Return those that wait and are movable, to be given back to the broker; the others go on waiting."""
        withdrawn: list[Assignment] = []
        for waiting in (*self._waiting, self._suspects):
            assignments = list(waiting)
            waiting.clear()
            for assignment in assignments:
                (withdrawn if is_movable(assignment) else waiting).append(assignment)
        return withdrawn

    def place(self, workplaces: Sequence[SomeWorkplace], now: float) -> list[Placement[SomeWorkplace]]:
        """Decide which waiting deliveries go where now, and record them in the children's loads.

        What cannot be placed yet stays. A suspect that waits for an empty child does not keep the others from running.
        """
        placements: list[Placement[SomeWorkplace]] = []
        while self._suspects:
            workplace = self._choose_alone(workplaces)
            if workplace is None:
                break
            placements.append(self._give(workplace, self._suspects.popleft(), now))
        for lane, waiting in zip(LANES, self._waiting, strict=True):
            left: deque[Assignment] = deque()
            places = _open_places(workplaces, lane, now) if waiting else []
            while waiting:
                assignment = waiting.popleft()
                workplace = self._choose(places, assignment)
                if workplace is not None:
                    placements.append(self._give(workplace, assignment, now))
                    continue
                left.append(assignment)
                if not assignment.acked_early:
                    break
            waiting.extendleft(reversed(left))
        return placements

    def patience(self, workplaces: Sequence[Workplace], now: float) -> float:
        """Return for how long what a child was given ahead may lie there while nothing ends (seconds).

        When a slot is idle and nothing waits for one, it is to have some of it soon.
        """
        is_idle = not self._waiting[LaneKind.DEF] and any(
            load.idle_slots for _, load in _open_places(workplaces, LaneKind.DEF, now)
        )
        return IDLE_PATIENCE if is_idle else READ_AHEAD

    def _give(self, workplace: SomeWorkplace, assignment: Assignment, now: float) -> Placement[SomeWorkplace]:
        sequence = next(self._numbers)
        expected = self.pace.expected(assignment.task_name)
        workplace.loads[assignment.lane].add(sequence, assignment, expected, now)
        if assignment.suspect:
            workplace.exclusive = True
        return Placement(workplace, sequence, assignment)

    def _choose(self, places: Sequence[tuple[SomeWorkplace, LaneLoad]], assignment: Assignment) -> SomeWorkplace | None:
        """Return the place with the most idle slots, of equals the one with the least to do; None: there is no room."""
        size = len(assignment.delivery.envelope)
        expected = self.pace.expected(assignment.task_name)
        best: SomeWorkplace | None = None
        best_idle, best_expected = 0, 0.0
        for workplace, load in places:
            idle = load.idle_slots
            if best is not None and (idle < best_idle or (idle == best_idle and load.expected >= best_expected)):
                continue
            if idle or (not assignment.acked_early and load.room_for(expected, size)):
                best, best_idle, best_expected = workplace, idle, load.expected
        return best

    def _choose_alone(self, workplaces: Sequence[SomeWorkplace]) -> SomeWorkplace | None:
        candidates = [workplace for workplace in workplaces if workplace.accepts_work and workplace.allowance > 0]
        reserved = [workplace for workplace in candidates if workplace.exclusive]
        for workplace in reserved or candidates:
            if not any(workplace.loads):
                return workplace
        if candidates and not reserved:
            emptiest = min(candidates, key=lambda workplace: sum(load.expected for load in workplace.loads))
            emptiest.exclusive = True
        return None

    def demand(self, workplaces: Sequence[Workplace], now: float) -> int:
        """Return how many more deliveries the node should take from the broker now."""
        if not self._suspects:
            _free_reserved(workplaces)
        typical = self.pace.overall
        spare = [0, 0]
        slots = [0, 0]
        for workplace in workplaces:
            if workplace.exclusive or not workplace.accepts_work:
                continue
            allowance = workplace.allowance
            for lane in LANES:
                load = workplace.loads[lane]
                if load.avoided_until > now:
                    continue
                room = min(load.spare(typical), allowance)
                if self._come_acked_early[lane]:
                    room = min(room, load.idle_slots + HELD * load.slots)
                spare[lane] += max(0, room)
                slots[lane] += load.slots
        wanted_def = spare[LaneKind.DEF] - len(self._waiting[LaneKind.DEF])
        if not self.runs_async:
            return max(0, wanted_def)
        wanted_async = spare[LaneKind.ASYNC] - len(self._waiting[LaneKind.ASYNC])
        if wanted_def > 0 and wanted_async > 0:
            return max(wanted_def, min(wanted_async, HELD * max(1, slots[LaneKind.DEF]) + wanted_def))
        full = LaneKind.DEF if wanted_def <= 0 else LaneKind.ASYNC
        room_to_hold = HELD * max(1, slots[full]) - len(self._waiting[full])
        return max(0, min(max(wanted_def, wanted_async), room_to_hold))


def _open_places(
    workplaces: Sequence[SomeWorkplace], lane: LaneKind, now: float
) -> list[tuple[SomeWorkplace, LaneLoad]]:
    """Return the children that may be given more on this lane, each with its load there."""
    return [
        (workplace, workplace.loads[lane])
        for workplace in workplaces
        if not workplace.exclusive
        and workplace.accepts_work
        and workplace.allowance > 0
        and workplace.loads[lane].avoided_until <= now
    ]


def _free_reserved(workplaces: Sequence[Workplace]) -> None:
    """End reservations for suspects that have gone elsewhere."""
    for workplace in workplaces:
        if workplace.exclusive and not any(load.has_suspect for load in workplace.loads):
            workplace.exclusive = False
