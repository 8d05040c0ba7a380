"""A child, as its node sees it: the process, the two lanes to it, the board, and what it has been given."""

import enum
import logging
from collections.abc import Callable, Sequence

from celeriac.brokers.base import Delivery
from celeriac.supervision.child_process import ChildProcess
from celeriac.supervision.spawner import Spawner
from celeriac.worker.aftermath import Casualty
from celeriac.worker.assignment import Assignment, LaneKind
from celeriac.worker.board import Board, Row
from celeriac.worker.dispatcher import Placement
from celeriac.worker.frames import Frame, Verdict, Work
from celeriac.worker.lane import NodeLane
from celeriac.worker.load import LaneLoad
from celeriac.worker.replacing import REPLACED_RUNNING

__all__ = ["Child", "ChildState"]

logger = logging.getLogger("celeriac.worker")

_TARGET = "celeriac.worker.child_main:main"
#: Seconds for which one whose event loop is blocked is given no coroutines.
_AVOIDANCE = 1.0
#: Seconds a coroutine that is cancelled may take to end.
_CANCEL_PATIENCE = 5.0
_NO_LIMIT = 1 << 62


class ChildState(enum.Enum):
    """How far a child is."""

    #: Importing the app.
    BOOTING = "booting"
    #: Takes work.
    READY = "ready"
    #: Finishes what it has begun, then ends.
    LEAVING = "leaving"


class Child:
    """One task child. A ``dispatcher.Workplace``. Making one starts it; raises ``OSError`` when that is refused."""

    def __init__(
        self,
        spawner: Spawner,
        argument: bytes,
        *,
        number: int,
        slots: int,
        async_slots: int,
        max_tasks: int | None,
        ahead_limit: int | None,
        now: float,
    ) -> None:
        self.number = number
        self.state = ChildState.BOOTING
        self.started_at = now
        self.exclusive = False
        #: Since when it has been exclusive and busy, as the crew has last seen it.
        self.reserved_since: float | None = None
        #: It shall leave when its successors are ready.
        self.outgoing = False
        #: The node has ordered its death; what ran in it is not to blame.
        self.killed_for: str | None = None
        #: The works it was killed for, and how they are to end.
        self.verdicts: dict[int, Verdict] = {}
        #: Works that others have replaced, and when it is to be killed if they still run (monotonic); 0: not asked yet.
        self.replaced: dict[int, float] = {}
        self.given = 0
        self._max_tasks = max_tasks or _NO_LIMIT
        self.lanes = (NodeLane(), NodeLane())
        self.loads = (
            LaneLoad(slots, ahead_limit=ahead_limit),
            LaneLoad(async_slots, ahead_limit=ahead_limit),
        )
        self.board = Board.create(slots + async_slots)
        descriptors = [*self.lanes[0].child_descriptors(), *self.lanes[1].child_descriptors(), self.board.descriptor]
        try:
            self.process: ChildProcess = spawner.start(_TARGET, argument, fds=descriptors, name=f"child-{number}")
        except BaseException:
            self._close_ways()
            raise
        for lane in self.lanes:
            lane.handed_over()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def accepts_work(self) -> bool:
        """It is ready, and not about to leave."""
        return self.state is ChildState.READY

    @property
    def allowance(self) -> int:
        """How many more tasks it may be given before it is to be replaced."""
        return self._max_tasks - self.given

    @property
    def is_busy(self) -> bool:
        """It has been given something that has not ended."""
        return bool(self.loads[0]) or bool(self.loads[1])

    def give(self, lane: LaneKind, placements: "Sequence[Placement[Child]]") -> bool:
        """Send it work that the dispatcher has recorded; return whether some is left for ``NodeLane.flush``."""
        self.given += len(placements)
        works = [
            Work(
                sequence=placement.sequence,
                envelope=placement.assignment.delivery.envelope,
                execution=placement.assignment.delivery.execution,
                redelivered=placement.assignment.delivery.redelivered,
                verdict=placement.assignment.verdict,
            )
            for placement in placements
        ]
        return self.lanes[lane].send(works)

    def take_back(self) -> list[Assignment]:
        """Take back whatever it has not begun, without its help, and return it in order."""
        taken: list[Assignment] = []
        for lane, load in zip(self.lanes, self.loads, strict=True):
            taken += load.remove_all(lane.take_back())
        self.given -= len(taken)
        return taken

    def take_back_from(self, lane: LaneKind) -> list[Assignment]:
        """Take back what one lane has not begun; it is given no more ahead until what it has begun has ended."""
        taken = self.loads[lane].remove_all(self.lanes[lane].take_back())
        self.loads[lane].hold()
        self.given -= len(taken)
        return taken

    def read(self, lane: LaneKind) -> list[Frame]:
        """Return what it has said on a lane."""
        return self.lanes[lane].read()

    def finish(self, sequence: int, now: float) -> Assignment | None:
        """Forget an assignment that has ended, and return it; None if it was not (any more) this child's."""
        for load in self.loads:
            assignment = load.remove(sequence)
            if assignment is not None:
                load.progress_at = now
                if assignment.suspect:
                    self.exclusive = False
                return assignment
        return None

    def running(self) -> list[Row]:
        """Return what it is running at this moment, as it wrote on the board."""
        return list(self.board.running())

    def is_stuck(self, now: float, patience: float) -> bool:
        """Say whether it has ``def`` tasks ahead and for so long (seconds) nothing has ended, or what it runs has run.

        The board says the latter at once; ends are told in batches.
        """
        load = self.loads[LaneKind.DEF]
        if not load.has_ahead or load.is_stuck(now, patience):
            return load.has_ahead
        long = [row for row in self.running() if row.sequence in load.assignments and now - row.began > patience]
        return len(long) >= load.slots

    def enforce_hard_limit(self, now: float) -> None:
        """Kill it when a task has run longer than its hard limit."""
        for row in self.running() if not self.verdicts else ():
            # A row may be read while it is written: a deadline of which only some bytes are there is a tiny number.
            if row.began < row.deadline < now:
                limit = round(row.deadline - row.began, 3)
                self.verdicts[row.sequence] = Verdict("TimeLimitExceeded", [limit])
                self.kill(f"a task ran longer than its hard limit of {limit:g} s")
                return

    def take_back_from_blocked_loop(self, now: float) -> list[Assignment]:
        """Take back what its event loop leaves lying although it has slots: some coroutine blocks it."""
        load = self.loads[LaneKind.ASYNC]
        left_lying = self.take_back_from(LaneKind.ASYNC) if load.is_silent(now) else []
        if left_lying:
            load.avoided_until = now + _AVOIDANCE
        return left_lying

    def replace(self, task_id: str) -> list[Assignment]:
        """End a run that another one has replaced; return, with what lay beside it, what it had not begun."""
        taken: list[Assignment] = []
        for lane in LaneKind:
            assignments = self.loads[lane].assignments
            found = [number for number, (each, _) in assignments.items() if each.task_id == task_id]
            if found:
                self.replaced.update(dict.fromkeys(found, 0.0))
                taken += self.take_back_from(lane)
        return taken

    def end_replaced(self, now: float) -> None:
        """End what runs although others have replaced it: cancel a coroutine; kill it for a ``def`` task."""
        running = {row.sequence for row in self.running()}
        for sequence, kill_at in list(self.replaced.items()):
            if not any(sequence in load.assignments for load in self.loads):
                del self.replaced[sequence]
            elif sequence not in running:
                continue
            elif sequence in self.loads[LaneKind.ASYNC].assignments and not kill_at:
                self.replaced[sequence] = now + _CANCEL_PATIENCE
                self.lanes[LaneKind.ASYNC].cancel(sequence)
            elif now >= kill_at and self.killed_for is None:
                self.verdicts[sequence] = REPLACED_RUNNING
                self.kill("it ran what a later run has taken the place of")

    def leave(self) -> list[Assignment]:
        """Let it finish what it has begun and end; return what it had not begun."""
        self.state = ChildState.LEAVING
        taken = self.take_back()
        for lane in self.lanes:
            lane.close_tokens()
        return taken

    def kill(self, reason: str) -> None:
        """End it now by SIGKILL, and not for its tasks' fault."""
        if self.killed_for is None:
            self.killed_for = reason
        self.state = ChildState.LEAVING
        self.process.kill()

    def casualties(self, is_pending: Callable[[Delivery], bool]) -> tuple[list[Casualty], list[Assignment]]:
        """Return what it had when it died, and apart from that what ``is_pending``: to be acked first, not sent yet."""
        running = {row.sequence for row in self.running()}
        casualties: list[Casualty] = []
        pending: list[Assignment] = []
        for load in self.loads:
            for sequence in list(load.assignments):
                assignment = load.remove(sequence)
                if assignment is not None and is_pending(assignment.delivery):
                    pending.append(assignment)
                elif assignment is not None:
                    # One that was to be stopped is, whatever the child was killed for or died of.
                    is_replaced = sequence in self.replaced and assignment.verdict is None
                    verdict = self.verdicts.get(sequence) or (REPLACED_RUNNING if is_replaced else None)
                    casualties.append(Casualty(assignment=assignment, was_running=sequence in running, verdict=verdict))
        return casualties, pending

    def close(self) -> None:
        """Release everything that belongs to a dead child. Safe to call twice."""
        self._close_ways()
        self.process.close()

    def log_end(self, ending: str, unfinished: Sequence[Assignment]) -> None:
        """Log that it has ended: by the node's order, with work unfinished, or as it should."""
        if self.killed_for is not None:
            logger.warning("Child process %d was killed: %s.", self.pid, self.killed_for)
        elif unfinished:
            names = ", ".join(f"{each.task_name}[{each.task_id}]" for each in unfinished[:5])
            logger.error("Child process %d %s; it had %s.", self.pid, ending, names)
        else:
            logger.debug("Child process %d %s.", self.pid, ending)

    def _close_ways(self) -> None:
        for lane in self.lanes:
            lane.close()
        self.board.close()
