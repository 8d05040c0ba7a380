"""The load of one lane: what its child has been given, and how much more it should be given ahead.

Read-ahead is adaptive: a lane is given as many tasks ahead as its child will finish in ``READ_AHEAD`` seconds at the
measured pace of those task names; one at a time when they are slow, or not known yet.
"""

from collections.abc import Iterable

from celeriac.worker.assignment import Assignment

__all__ = ["IDLE_PATIENCE", "MAX_AHEAD", "READ_AHEAD", "LaneLoad"]

#: Seconds of work a lane is given ahead: enough to hide a round trip to the broker, too little for anybody to notice.
READ_AHEAD = 0.05
#: Seconds without any end after which what lies ahead in one lane goes to a slot that is idle. Nobody loses by it.
IDLE_PATIENCE = 0.01
#: Tasks a lane is given ahead at most, however fast they are; also keeps its tokens well within a pipe.
MAX_AHEAD = 1000
#: Bytes of messages a lane is given ahead at most, beyond one a slot.
MAX_AHEAD_BYTES = 1 << 20


class LaneLoad:
    """The assignments one lane has, by sequence number. Numbers only grow, so their order is that of running."""

    def __init__(self, slots: int, *, ahead_limit: int | None = None) -> None:
        self.slots = slots
        #: Assignments beyond the slots, at most (``worker_prefetch_multiplier``); None: only by time.
        self.ahead_limit = MAX_AHEAD if ahead_limit is None else min(ahead_limit, MAX_AHEAD)
        self.assignments: dict[int, tuple[Assignment, float]] = {}
        #: Seconds its assignments are expected to take, one after the other.
        self.expected = 0.0
        self.bytes = 0
        #: When it last finished something, or was given something while idle (monotonic).
        self.progress_at = 0.0
        #: While it has this one, which has turned out long, it is given nothing ahead.
        self._held_by = 0
        #: Until when it is given nothing: its loop was found blocked (monotonic).
        self.avoided_until = 0.0

    def __len__(self) -> int:
        return len(self.assignments)

    @property
    def idle_slots(self) -> int:
        """How many assignments would start at once."""
        return max(0, self.slots - len(self.assignments))

    @property
    def has_ahead(self) -> bool:
        """It has been given more than runs at once."""
        return len(self.assignments) > self.slots

    @property
    def has_suspect(self) -> bool:
        """It has been given a suspect."""
        return any(assignment.suspect for assignment, _ in self.assignments.values())

    @property
    def is_held(self) -> bool:
        """It is given nothing ahead: what runs there has turned out long."""
        return self._held_by in self.assignments

    def hold(self) -> None:
        """Give it nothing ahead until the last that it has, which has begun, has ended."""
        self._held_by = next(reversed(self.assignments), 0)

    def room_for(self, expected: float | None, size: int) -> bool:
        """Say whether one more is welcome: it would start at once, or within the read-ahead time."""
        count = len(self.assignments)
        if count < self.slots:
            return True
        if (
            expected is None
            or self.is_held
            or count - self.slots >= self.ahead_limit
            or self.bytes + size > MAX_AHEAD_BYTES
        ):
            return False
        return self.expected + expected <= READ_AHEAD * self.slots

    def spare(self, typical: float | None) -> int:
        """Return how many more typical assignments are welcome."""
        count = len(self.assignments)
        idle = max(0, self.slots - count)
        if typical is None or self.is_held:
            return idle
        by_time = (READ_AHEAD * self.slots - self.expected) / max(typical, 1e-6)
        by_count = self.slots + self.ahead_limit - count
        return max(idle, int(min(by_time, by_count)))

    def add(self, sequence: int, assignment: Assignment, expected: float | None, now: float) -> None:
        """Record that it was given this."""
        if not self.assignments:
            self.progress_at = now
        estimate = READ_AHEAD if expected is None else expected
        self.assignments[sequence] = assignment, estimate
        self.expected += estimate
        self.bytes += len(assignment.delivery.envelope)

    def remove(self, sequence: int) -> Assignment | None:
        """Forget an assignment that has ended or was taken back; None if it is not this lane's."""
        entry = self.assignments.pop(sequence, None)
        if entry is None:
            return None
        assignment, estimate = entry
        self.expected = self.expected - estimate if self.assignments else 0.0
        self.bytes -= len(assignment.delivery.envelope)
        return assignment

    def remove_all(self, sequences: Iterable[int]) -> list[Assignment]:
        """Forget several; return them in order."""
        return [assignment for number in sequences if (assignment := self.remove(number)) is not None]

    def is_silent(self, now: float) -> bool:
        """It has something, and nothing has ended for longer than the read-ahead time."""
        return bool(self.assignments) and now - self.progress_at > READ_AHEAD

    def is_stuck(self, now: float, patience: float = READ_AHEAD) -> bool:
        """Work was given ahead, and nothing has ended for so long; by default, for as long as all should have taken."""
        return self.has_ahead and now - self.progress_at > patience
