"""How fast a worker works off what waits: no-op tasks with two small integers."""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from benchmarks.measure import Column, Measure, NotMeasured
from benchmarks.pace import Pace
from benchmarks.side import Project, Side
from benchmarks.sizes import Sizes
from benchmarks.worker import Worker

__all__ = ["DRAIN_OFF", "DRAIN_STORED", "Used", "between_marks", "used_since"]

#: Seconds in which a worker settles what it had in hand at the last mark.
_SETTLING = 0.1
#: Tasks a second that nobody does: so quick is only who comes to the last one before those in front of it.
_IMPOSSIBLE = 1e6
#: A side that is so many times slower than it seemed has stopped.
_MARGIN = 10.0


class Used(NamedTuple):
    """What the calls between two marks took."""

    #: Tasks a second.
    rate: float
    #: Microseconds of CPU a task: of the processes that were started, of those below, and of the servers.
    node: float
    children: float
    server: float | None

    @property
    def cpu(self) -> float:
        """Microseconds of CPU a task of all processes of the worker."""
        return self.node + self.children

    def values(self) -> dict[str, float]:
        """Return them by column."""
        found = {"rate": self.rate, "cpu": self.cpu}
        return found if self.server is None else {**found, "server": self.server}


def between_marks(project: Project, worker: Worker, count: int, patience: float) -> Used:
    """Wait for both marks of a backlog, between which so many calls stand."""
    began = project.wait_for_mark(worker, "first", patience)
    cpu, server = worker.cpu(), project.store.cpu()
    ended = project.wait_for_mark(worker, "last", patience)
    if count > (ended - began) * _IMPOSSIBLE:
        raise NotMeasured("it came to the last of the calls before those in front of it")
    return used_since(project, worker, cpu, server, count, ended - began)


def used_since(
    project: Project, worker: Worker, cpu: Mapping[str, float], server: float | None, count: int, seconds: float
) -> Used:
    """Return what so many calls took in so many seconds, since the CPU of worker and server was looked at."""
    time.sleep(_SETTLING)
    cpu_after, server_after = worker.cpu(), project.store.cpu()
    each = 1e6 / count
    used = {role: (cpu_after[role] - cpu[role]) * each for role in cpu}
    served = None if server is None or server_after is None else (server_after - server) * each
    return Used(count / max(seconds, 1e-6), used["node"], used["children"], served)


def _drain(side: Side, sizes: Sizes, pace: Pace, *, results: bool) -> Iterator[dict[str, float]]:
    if results and "fetch" not in pace.can:
        raise NotMeasured("no results")
    warm = min(sizes.drain, max(50, int(pace.drain * sizes.drain_warm_seconds)))
    count = min(sizes.drain, max(100, int(pace.drain * sizes.drain_seconds)))
    with side.project(results=results) as project:
        project.fill(warm, count)
        with project.worker() as worker:
            patience = 15.0 + _MARGIN * (warm + count) / pace.drain
            used = between_marks(project, worker, count, patience)
    pace.drain = used.rate
    found = used.values()
    yield {**found, "node": used.node} if not side.peer.environment else found


_COLUMNS = (
    Column(name="rate", unit="tasks/s", more_is_better=True),
    Column(name="cpu", unit="CPU µs/task, all its processes"),
    Column(name="server", unit="CPU µs/task, server"),
    Column(name="node", unit="CPU µs/task, node alone"),
)

DRAIN_OFF = Measure(
    name="drain-off",
    title="Working off a backlog, results off",
    columns=_COLUMNS,
    look=partial(_drain, results=False),
    repeated=True,
    variants=True,
)
DRAIN_STORED = Measure(
    name="drain",
    title="Working off a backlog, results stored",
    columns=_COLUMNS,
    look=partial(_drain, results=True),
    repeated=True,
    variants=True,
)
