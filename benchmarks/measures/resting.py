"""What a worker costs that has nothing to do, how soon it works, and what it keeps in memory."""

import time
from collections.abc import Iterator

from benchmarks.measure import Column, Measure, NotMeasured, Whom
from benchmarks.pace import Pace
from benchmarks.side import Project, Side
from benchmarks.sizes import Sizes

__all__ = ["MEMORY", "RESTING", "soak"]

#: Seconds a worker has to become quiet.
_QUIET = 1.0
#: Calls of a backlog among many that one node works off, and the seconds it may take for one.
_ROUND, _PATIENCE = 50_000, 120.0


def _rest(side: Side, sizes: Sizes, _: Pace) -> Iterator[dict[str, float]]:
    with side.project() as project:
        project.fill(0, 0)
        with project.worker() as worker:
            found = {"start": project.wait_for_mark(worker, "first") - worker.started_at}
            time.sleep(_QUIET)
            found["memory"] = worker.memory()
            cpu, server, began = sum(worker.cpu().values()), project.store.cpu(), time.monotonic()
            time.sleep(sizes.idle)
            seconds, server_after = time.monotonic() - began, project.store.cpu()
            found["idle"] = (sum(worker.cpu().values()) - cpu) / seconds * 100
            if server is not None and server_after is not None:
                found["server"] = (server_after - server) / seconds * 100
    yield found


def _memory(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
    too_long = []
    if sizes.memory / pace.drain + sizes.memory / pace.fill < sizes.memory_seconds:
        with side.project() as project:
            project.fill(0, sizes.memory)
            yield {"worked": _memory_at_rest(project, sizes)}
    else:
        too_long.append(f"{sizes.memory:,} tasks")
    if "publish_later" not in pace.can:
        raise NotMeasured("no delays without a further process")
    # A call that is not due takes up to twice as long to publish as one that is.
    if 2 * sizes.delayed / pace.fill < sizes.memory_seconds:
        with side.project() as project:
            project.client("later", sizes.delayed)
            project.fill(0, 0)
            yield {"delayed": _memory_at_rest(project, sizes)}
    else:
        too_long.append(f"{sizes.delayed:,} delayed tasks")
    if too_long:
        raise NotMeasured(f"{' and '.join(too_long)} would take longer than {sizes.memory_seconds:g} s")


def _memory_at_rest(project: Project, sizes: Sizes) -> float:
    """Return what a new worker has when it has done all there is to do."""
    with project.worker() as worker:
        project.wait_for_mark(worker, "last", sizes.memory_seconds * 2)
        time.sleep(_QUIET)
        return worker.memory()


def soak(sizes: Sizes) -> Measure:
    """Return the measure of what one node keeps after more and more tasks, with a column for each number."""
    return Measure(
        name="soak",
        title="Memory (PSS) of all processes of a worker that goes on working, MB",
        columns=tuple(Column(name=f"after-{count}", unit=f"after {count:,} tasks") for count in sizes.soak),
        look=_soak,
        whom=Whom.OWN,
    )


def _soak(side: Side, sizes: Sizes, _: Pace) -> Iterator[dict[str, float]]:
    with side.project() as project, project.worker() as worker:
        done = 0
        for target in sizes.soak:
            while done < target:
                count = min(target - done, _ROUND)
                project.forget_marks()
                project.fill(0, count)
                project.wait_for_mark(worker, "last", _PATIENCE)
                done += count
            time.sleep(_QUIET)
            yield {f"after-{target}": worker.memory()}


RESTING = Measure(
    name="rest",
    title="A worker that has nothing to do",
    columns=(
        Column(name="start", unit="from its start to its first task, s", digits=2),
        Column(name="memory", unit="memory (PSS) of all processes, MB"),
        Column(name="idle", unit="CPU of all processes, % of a core", digits=2),
        Column(name="server", unit="CPU of the server, % of a core", digits=2),
    ),
    look=_rest,
)
MEMORY = Measure(
    name="memory",
    title="Memory (PSS) of all processes of a worker",
    columns=(
        Column(name="worked", unit="after {memory:,} tasks, MB"),
        Column(name="delayed", unit="with {delayed:,} delayed tasks, MB"),
    ),
    look=_memory,
)
