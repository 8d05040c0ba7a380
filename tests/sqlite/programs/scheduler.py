"""Claims whatever is due of a timetable, as fast as it can, until it is killed or nothing is planned any more.

Entries are due at every whole second of their own time, up to the last. With a file of its own for the timetable, the
runs are published in two steps, and those that others have left are published again.
"""

import sys

from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol.message import Message
from celeriac.run_id import run_id
from celeriac.sqlite.database import Database
from celeriac.sqlite.location import Location
from celeriac.timetables.base import Claim, EntryState, PlannedRun
from celeriac.timetables.sqlite import SqliteTimetable


def main(broker_url: str, timetable_url: str, log: str, last: float) -> None:
    broker = SqliteBroker(broker_url)
    timetable = SqliteTimetable(Database(Location.from_url(timetable_url, {})), broker=broker)
    namespace = timetable.namespace()
    with open(log, "a", buffering=1) as said:  # noqa: PTH123
        while True:
            due = timetable.due(3, now=last)
            claims = [claim_of(state, namespace, last) for state in due.states]
            for claim, was_had in zip(claims, timetable.claim(claims), strict=True):
                if was_had:
                    publish(broker, timetable, list(claim.runs))
                    said.write(f"{claim.name} {claim.due}\n")
            publish(broker, timetable, timetable.pending(0.1))
            if not due.states and not timetable.pending(0):
                return


def claim_of(state: EntryState, namespace: str, last: float) -> Claim:
    assert state.next_at is not None
    task_id = run_id(namespace, state.entry.name, state.next_at)
    run = PlannedRun(id=task_id, due=state.next_at, message=Message(id=task_id, queue="q", headers={"task": "t"}))
    next_at = state.next_at + 1 if state.next_at < last else None
    return Claim(name=state.entry.name, generation=state.generation, due=state.next_at, next_at=next_at, runs=(run,))


def publish(broker: SqliteBroker, timetable: SqliteTimetable, runs: list[PlannedRun]) -> None:
    if runs and not timetable.publishes:
        broker.publish([run.message for run in runs])
        timetable.mark_published([run.id for run in runs])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
