"""Whatever is done with a timetable, in whatever order, every engine comes to what the memory engine comes to."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from celeriac.brokers.memory import MemoryBroker
from celeriac.exceptions import ImproperlyConfigured
from celeriac.protocol.message import Message
from celeriac.schedule_entry import ScheduleEntry
from celeriac.timetables.base import FOREVER, Claim, EntryState, PlannedRun, RunReason, Timetable
from celeriac.timetables.memory import MemoryTimetable, Plan
from tests.redis.key_space import own_keys
from tests.timetables.scheduler import timetable_at

NAMES = ("a", "b", "c", "d")
MOMENTS = (1000.0, 1000.5, 1010.0, 1020.0, 1e6)
STEPS = 300


@pytest.fixture(params=["sqlite", "redis"])
def timetable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Timetable]:
    with ExitStack() as stack:
        redis = request.param == "redis"
        url = stack.enter_context(own_keys(15)) if redis else f"sqlite:///{tmp_path}/timetable.sqlite3"
        yield stack.enter_context(closing(timetable_at(url, MemoryBroker())))


class Player:
    """Does with one timetable what the dice say; two players with the same dice do the same."""

    def __init__(self, timetable: Timetable, seed: int) -> None:
        self.timetable = timetable
        self.dice = random.Random(seed)
        self.number = 0
        #: What was read at some time, good for a claim or not any more.
        self.read: list[EntryState] = []

    def play(self) -> Any:
        """Do something; return what came of it."""
        changes = (self.save, self.sync, self.remove, self.pause, self.resume)
        # Claims most of the time.
        verb = self.dice.choice((*changes, self.run_by_hand, self.mark_published, self.withdraw, *[self.claim] * 8))
        try:
            return verb.__name__, verb()
        except ImproperlyConfigured as error:
            return verb.__name__, str(error)

    def view(self) -> Any:
        """Return all there is, but for what clocks and counters make of it."""
        self.read += self.timetable.entries()
        dues = [self.timetable.due(limit, now=now) for limit in (1, 10) for now in (1000.0, 1015.0)]
        return (
            [plain(state) for order in ("name", "next") for state in self.timetable.entries(order=order)],
            [([state.entry.name for state in due.states], due.next_moment) for due in dues],
            [(run.id, run.due, run.reason, run.message) for run in self.timetable.pending(0)],
            [
                [(each.id, each.due, each.reason, each.published_at is None) for each in self.history(name)]
                for name in NAMES
            ],
        )

    def history(self, name: str) -> Any:
        return self.timetable.history(name, self.dice.randint(1, 100))

    def entry(self, name: str) -> ScheduleEntry:
        return ScheduleEntry(
            name=name,
            task="t",
            schedule={"every": self.dice.randint(1, 2)},
            args=(self.dice.randint(1, 2),),
            enabled=self.dice.random() < 0.8,
            source=self.dice.choice(("code", "code", "user")),
        )

    def moment(self) -> float | None:
        return self.dice.choice((None, *MOMENTS))

    def save(self) -> None:
        self.timetable.save(self.entry(self.dice.choice(NAMES)), self.moment())

    def sync(self) -> Any:
        names = self.dice.sample(NAMES, self.dice.randint(1, 3))
        entries = [each for each in map(self.entry, names) if each.source == "code"]
        moment = self.moment()
        return self.timetable.sync("code", entries, lambda _: moment)

    def remove(self) -> bool:
        return self.timetable.remove(self.dice.choice(NAMES))

    def pause(self) -> bool:
        return self.timetable.pause(self.dice.choice(NAMES), self.dice.choice((1.0, 1005.0, FOREVER)))

    def resume(self) -> bool:
        return self.timetable.resume(self.dice.choice(NAMES), self.moment())

    def run_by_hand(self) -> bool:
        [run] = self.runs(1, RunReason.BY_HAND)
        return self.timetable.run_by_hand(self.dice.choice(NAMES), run)

    def mark_published(self) -> None:
        pending = [run.id for run in self.timetable.pending(0)]
        self.timetable.mark_published(["unknown", *self.dice.sample(pending, min(2, len(pending)))])

    def withdraw(self) -> None:
        self.timetable.withdraw(["unknown", *[run.id for run in self.timetable.pending(0, 1)]])

    def claim(self) -> list[bool]:
        last = [state for state in self.read[-8:] if state.next_at is not None]
        states = self.dice.sample(last, min(self.dice.randint(1, 3), len(last)))
        return self.timetable.claim([self.claim_of(state) for state in states])

    def claim_of(self, state: EntryState) -> Claim:
        assert state.next_at is not None
        runs = self.runs(self.dice.choice((0, 1, 1, 2, 40)), self.dice.choice((RunReason.SCHEDULED, RunReason.MISSED)))
        next_at = self.dice.choice((None, state.next_at + 10, state.next_at + 0.25))
        if not runs:
            next_at = state.next_at
        return Claim(
            name=state.entry.name,
            generation=state.generation,
            due=state.next_at,
            next_at=next_at,
            look_at=None if runs else self.dice.choice((None, 1012.0)),
            runs=tuple(runs),
            missed=self.dice.randint(0, 2),
            skipped=self.dice.randint(0, 2),
        )

    def runs(self, count: int, reason: RunReason) -> list[PlannedRun]:
        runs = []
        for _ in range(count):
            self.number += 1
            # Ids in the order in which they are made.
            task_id = f"run-{self.number:06}"
            message = Message(id=task_id, queue="q", headers={"task": "t"}, body=b"\x00:\xff")
            runs.append(PlannedRun(id=task_id, due=float(self.number), message=message, reason=reason))
        return runs


def plain(state: EntryState) -> Any:
    return (
        *(state.entry, state.next_at, state.last_due, state.last_run_id, state.paused_until),
        *(state.last_published_at is None, state.lateness is None),
        *(state.runs_total, state.missed_total, state.skipped_total),
    )


@pytest.mark.parametrize("seed", range(12))
def test_an_engine_comes_to_what_memory_comes_to(timetable: Timetable, seed: int) -> None:
    expected, found = Player(MemoryTimetable(plan=Plan()), seed), Player(timetable, seed)
    for step in range(STEPS):
        assert found.play() == expected.play(), f"step {step}"
        assert found.view() == expected.view(), f"step {step}"
