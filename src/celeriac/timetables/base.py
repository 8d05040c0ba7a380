"""The timetable port: what an engine must do to keep schedule entries and to have each due moment claimed once.

Nouns: a ``ScheduleEntry`` is what a user says; its ``EntryState`` is how far it has come; a *due moment* is when its
schedule wants it to run; a ``PlannedRun`` is the entry at one such moment, with the message it publishes; a ``Claim``
takes one due moment off the timetable, together with the runs that come of it.

A timetable knows nothing of schedules and makes no messages: whoever claims has computed both.

The promises every engine keeps:

* Each due moment is claimed by exactly one of any number of claimers. What was read before a change, a pause or
  another's claim is no longer good for a claim.
* Where ``publishes`` is true a claim and its messages are one atomic step. Else the runs of a claim are *pending* from
  that same step on, until ``mark_published``: whoever dies in between, others publish them, under the same ids.
* Whoever leads does so to spare the others the work. Nothing else depends on it.
* What is asked for at every tick (``due``, ``claim``, ``lead``) costs the same with a hundred entries and with a
  hundred thousand.
"""

import enum
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from celeriac.protocol.message import Message
from celeriac.schedule_entry import ScheduleEntry
from celeriac.timetables.comparison import Changes, Definition, Known, compare, refuse_foreign

__all__ = [
    "FOREVER",
    "HISTORY_LENGTH",
    "Changes",
    "Claim",
    "Due",
    "EntryState",
    "Leader",
    "Order",
    "PlannedRun",
    "RunReason",
    "RunRecord",
    "Timetable",
    "moment_to_look",
]

#: Pauses without end last until this moment.
FOREVER = math.inf
#: Runs of an entry that its history holds, unless its timetable is told otherwise.
HISTORY_LENGTH = 100

#: Seconds by which a clock is set back now and then, to be right.
_CLOCK_STEP = 1.0

#: How entries are listed: by name, or those first that are to run next, and last those that are not to run at all.
Order = Literal["name", "next"]


class RunReason(enum.Enum):
    """Why a run was published."""

    #: It was due.
    SCHEDULED = "scheduled"
    #: It had been due while nobody was there.
    MISSED = "missed"
    #: Somebody wanted it.
    BY_HAND = "by hand"


class PlannedRun(Struct, frozen=True, kw_only=True):
    """One run that is to be published."""

    #: The task's id: ``run_id`` of the due moment, or any other for a run by hand.
    id: str
    #: Unix time.
    due: float
    message: Message
    reason: RunReason = RunReason.SCHEDULED


class Claim(Struct, frozen=True, kw_only=True):
    """Takes one due moment off the timetable: the entry's next moment becomes another one, and its runs are published.

    ``name``, ``generation`` and ``due`` are what was read (``EntryState``); if that is out of date the claim loses.
    """

    name: str
    generation: int
    #: The entry's ``next_at`` as it was read.
    due: float
    #: The next due moment from now on; None: there is none, the schedule has ended.
    next_at: float | None
    #: When ``due`` is to name the entry again; None: at ``next_at``. Later than that: the entry waits for something,
    #: such as the end of the run before. As long as the moment is the same, what is known of a pause stays.
    look_at: float | None = None
    runs: tuple[PlannedRun, ...] = ()
    #: How many due moments nobody was there for, whether or not ``runs`` make up for them.
    missed: int = 0
    #: How many due moments pass without a run, because the run before had not ended.
    skipped: int = 0

    def __post_init__(self) -> None:
        if self.runs and self.next_at is not None and self.next_at <= self.due:
            raise ValueError(
                f"The claim of {self.name!r} has runs and leaves its next moment at {self.next_at!r}: others could "
                "claim it again. Its next moment must be later."
            )
        if self.next_at is None and self.look_at is not None:
            raise ValueError(f"The claim of {self.name!r} says when to look for a moment that will not come.")


class EntryState(Struct, frozen=True, kw_only=True):
    """An entry and how far it has come. Moments are unix times."""

    entry: ScheduleEntry
    #: Another one after each change of what runs when, and never the same again.
    generation: int
    #: The next due moment; None: there is none.
    next_at: float | None
    #: The due moment of the last run that was not by hand.
    last_due: float | None = None
    last_run_id: str | None = None
    #: When the last run was published; None: there was none, or it is pending.
    last_published_at: float | None = None
    #: Seconds between ``last_due`` and the claim.
    lateness: float | None = None
    runs_total: int = 0
    missed_total: int = 0
    skipped_total: int = 0
    #: None: it is not paused. A moment in the past: it was, and the due moments before are no missed ones.
    paused_until: float | None = None


class RunRecord(Struct, frozen=True, kw_only=True):
    """One run of the past."""

    id: str
    due: float
    #: None: it is pending, or was withdrawn.
    published_at: float | None
    #: Seconds between the due moment and the claim.
    lateness: float
    reason: RunReason


class Due(Struct, frozen=True, kw_only=True):
    """What is due."""

    #: The moment it was looked at, by the store's clock.
    now: float
    states: tuple[EntryState, ...]
    #: When there is more to do, beside what is due now; in the past if more was due than asked for. None: nothing is
    #: planned.
    next_moment: float | None


class Leader(Struct, frozen=True, kw_only=True):
    """Who does the work at present."""

    name: str
    #: Unix times between which nobody else does.
    since: float
    until: float

    def leads_at(self, now: float) -> bool:
        """Say whether it leads at this moment; not if somebody has set the clock back, or nobody would for long."""
        return self.since - _CLOCK_STEP <= now < self.until


class Timetable(ABC):
    """One process's way to a timetable. Safe for use by many threads, but ``wait`` by one at a time.

    Opens itself at first use. Every method that reaches the store raises ``OperationalError`` when that is away; a
    claim whose answer was lost may have been made, which the next ``due`` shows.
    """

    #: A claim publishes its runs itself, in one step; else the caller publishes them and then calls ``mark_published``.
    publishes: bool

    #: How many runs of an entry its history holds from its next claim on.
    history_length: int = HISTORY_LENGTH

    #: Without passwords: for logs and people.
    url: str

    @abstractmethod
    def open(self) -> None:
        """Connect; raises ``OperationalError`` with the cure. Safe to call twice."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. Safe to call twice; a later call of another method opens again."""

    @abstractmethod
    def namespace(self) -> str:
        """Return what tells this timetable's runs from those of others; the same for all who use it (``run_id``).

        It is asked for with each run, so an engine behind a network remembers it, until it finds its store empty.
        """

    @abstractmethod
    def now(self) -> float:
        """Return the moment by the store's clock, which is the same for all who use it."""

    # What is to run

    def sync(
        self, source: str, entries: Sequence[ScheduleEntry], first_due: Callable[[ScheduleEntry], float | None]
    ) -> Changes:
        """Make these the entries of a source: add what is new, change what is not the same, remove what is not there.

        ``first_due`` is asked for the first due moment of those that are new or have another schedule, outside of any
        transaction; all others keep theirs, and their history. Entries of other sources stay; where one has the same
        name, it keeps it, and ``Changes.taken`` says so. Safe to repeat.
        """
        definitions = [Definition.of(entry) for entry in entries]
        refuse_foreign(source, definitions)
        by_name = {definition.entry.name: definition for definition in definitions}
        while True:
            comparison = compare(by_name, self._known(source, list(by_name)))
            moments = {each.entry.name: first_due(each.entry) for each in comparison.without_moment}
            if not comparison.is_different:
                return comparison.changes
            changes = self._replace(source, by_name, moments)
            if changes is not None:
                return changes

    def save(self, entry: ScheduleEntry, next_at: float | None) -> None:
        """Add an entry, or change the one of its name; it is next due at ``next_at`` unless its schedule is as before.

        Raises ``ImproperlyConfigured`` if another source has an entry of this name.
        """
        definition = Definition.of(entry)
        self._put(definition, next_at)

    @abstractmethod
    def remove(self, name: str) -> bool:
        """Remove an entry with its history; return False if there was none. What it has pending is still published."""

    @abstractmethod
    def pause(self, name: str, until: float = FOREVER) -> bool:
        """Let an entry rest until a moment, or until it is resumed; return False if there is none of this name."""

    @abstractmethod
    def resume(self, name: str, next_at: float | None) -> bool:
        """Let an entry go on, from this due moment; return False if there is none of this name."""

    # What has to be done

    @abstractmethod
    def due(self, limit: int, *, now: float | None = None) -> Due:
        """Return entries that are enabled, not paused, and due at ``now`` (None: now), the longest due first.

        Those beyond ``limit`` are there the next time. What is not claimed is there again.
        """

    @abstractmethod
    def claim(self, claims: Sequence[Claim]) -> list[bool]:
        """Take due moments off the timetable; say for each whether it was had. All or nothing of each is done."""

    @abstractmethod
    def run_by_hand(self, name: str, run: PlannedRun) -> bool:
        """Publish a run of an entry beside its schedule, as a claim does; return False if there is no such entry."""

    @abstractmethod
    def pending(self, age: float, limit: int = 100) -> list[PlannedRun]:
        """Return runs claimed ``age`` seconds ago or earlier that may not have been published, oldest first."""

    @abstractmethod
    def mark_published(self, run_ids: Sequence[str]) -> None:
        """Note that these pending runs are published. Safe to repeat."""

    @abstractmethod
    def withdraw(self, run_ids: Sequence[str]) -> None:
        """Forget that these runs are pending: nobody is to publish them any more. Safe to repeat."""

    # Who does it

    @abstractmethod
    def lead(self, name: str, seconds: float) -> bool:
        """Say whether this scheduler does the work for so many seconds from now on; to be called again before that."""

    @abstractmethod
    def step_down(self, name: str) -> None:
        """Let others lead at once, if this scheduler does. Safe to repeat."""

    @abstractmethod
    def leader(self) -> Leader | None:
        """Return who leads; None if nobody does."""

    @abstractmethod
    def wait(self, timeout: float) -> bool:
        """Wait until entries are changed, by anybody; return False if none was within ``timeout`` seconds.

        What was changed since the last ``due`` counts, so nothing is missed in between. Returns early on ``wake``.
        """

    @abstractmethod
    def wake(self) -> None:
        """Make ``wait`` return at once, also one that has not begun. Safe from any thread."""

    # Looking

    @abstractmethod
    def get(self, name: str) -> EntryState | None:
        """Return an entry, or None."""

    @abstractmethod
    def states(self, names: Sequence[str]) -> dict[str, EntryState]:
        """Return the entries of these names, in one round trip; those that are not there are left out."""

    @abstractmethod
    def entries(self, offset: int = 0, limit: int = 100, *, order: Order = "name") -> list[EntryState]:
        """Return some of the entries."""

    @abstractmethod
    def count(self) -> int:
        """Return how many entries there are."""

    @abstractmethod
    def history(self, name: str, limit: int = HISTORY_LENGTH) -> list[RunRecord]:
        """Return an entry's runs, the last one first; the store keeps ``history_length`` of them."""

    # For ``sync`` and ``save``

    @abstractmethod
    def _known(self, source: str, names: Sequence[str]) -> Mapping[str, Known]:
        """Return what is there of a source, and of these names whatever their source."""

    @abstractmethod
    def _replace(
        self, source: str, definitions: Mapping[str, Definition], moments: Mapping[str, float | None]
    ) -> Changes | None:
        """Do what ``compare`` finds, in one step; do nothing and return None if a moment is missing for it."""

    @abstractmethod
    def _put(self, definition: Definition, next_at: float | None) -> None:
        """Add or change one entry in one step, as ``save`` says."""


def moment_to_look(*, enabled: bool, next_at: float | None, paused_until: float | None) -> float | None:
    """Return from which moment on an entry is due; None: not before somebody changes it."""
    if not enabled or next_at is None or paused_until == FOREVER:
        return None
    return next_at if paused_until is None else max(next_at, paused_until)
