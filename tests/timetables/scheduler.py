"""A scheduler without schedules: claims whatever is due, as fast as it can, until it is killed or nothing is planned.

Entries are due at every whole second of their own time, up to the last. Where a claim does not publish, the runs are
published in two steps, and those that others have left are published again.
"""

import sys
import time

from celeriac.brokers.base import Broker
from celeriac.brokers.redis import RedisBroker
from celeriac.engines import broker_from_url
from celeriac.exceptions import OperationalError
from celeriac.protocol.message import Message
from celeriac.run_id import run_id
from celeriac.sqlite.database import Database
from celeriac.sqlite.location import Location
from celeriac.timetables.base import Claim, EntryState, PlannedRun, Timetable
from celeriac.timetables.redis import RedisTimetable
from celeriac.timetables.sqlite import SqliteTimetable

#: Seconds after which a run that is not known to be published is published again.
PATIENCE = 0.1


def timetable_at(url: str, broker: Broker) -> Timetable:
    """Return the timetable at a URL, which may be the broker's or another."""
    if url.startswith("sqlite"):
        return SqliteTimetable(Database(Location.from_url(url, {})), broker=broker)
    return RedisTimetable(RedisBroker(url).location, broker=broker)


class Scheduler:
    """Claims and publishes until all moments up to the last are over."""

    def __init__(self, broker: Broker, timetable: Timetable, last: float) -> None:
        self.broker = broker
        self.timetable = timetable
        self.last = last
        #: Claims that were had, and said to be.
        self.had: list[tuple[str, float]] = []
        #: Calls that have failed.
        self.failures = 0

    def run(self) -> None:
        """Work until there is nothing to do; go on after failures."""
        while True:
            try:
                if self.step():
                    return
            except OperationalError:
                self.failures += 1
                time.sleep(0.001)

    def step(self) -> bool:
        """Claim what is due, and publish what others have left; return True if nothing is left."""
        states = self.timetable.due(3, now=self.last).states
        namespace = self.timetable.namespace()
        claims = [self.claim_of(state, namespace) for state in states]
        for claim, was_had in zip(claims, self.timetable.claim(claims), strict=True):
            if was_had:
                self.had.append((claim.name, claim.due))
                self.publish(list(claim.runs))
        self.publish(self.timetable.pending(PATIENCE))
        return not states and not self.timetable.pending(0)

    def claim_of(self, state: EntryState, namespace: str) -> Claim:
        assert state.next_at is not None
        due = state.next_at
        task_id = run_id(namespace, state.entry.name, due)
        run = PlannedRun(id=task_id, due=due, message=Message(id=task_id, queue="q", headers={"task": "t"}))
        next_at = due + 1 if due < self.last else None
        return Claim(name=state.entry.name, generation=state.generation, due=due, next_at=next_at, runs=(run,))

    def publish(self, runs: list[PlannedRun]) -> None:
        if runs and not self.timetable.publishes:
            self.broker.publish([run.message for run in runs])
            self.timetable.mark_published([run.id for run in runs])


class TalkativeScheduler(Scheduler):
    """Writes into a file what it has had."""

    log: str

    def step(self) -> bool:
        is_over = super().step()
        with open(self.log, "a") as said:  # noqa: PTH123
            said.writelines(f"{name} {due}\n" for name, due in self.had)
        self.had.clear()
        return is_over


def main(broker_url: str, timetable_url: str, log: str, last: float) -> None:
    broker = broker_from_url(broker_url)
    scheduler = TalkativeScheduler(broker, timetable_at(timetable_url, broker), last)
    scheduler.log = log
    scheduler.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
