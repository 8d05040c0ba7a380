"""Whether a task gets more expensive with the number of those that wait, of queues, and of nodes."""

import time
from collections.abc import Callable, Iterator

from benchmarks.measure import Column, Measure, NotMeasured, Whom
from benchmarks.measures.drain import Used, between_marks, used_since
from benchmarks.pace import Pace
from benchmarks.side import Project, Side
from benchmarks.sizes import Sizes
from benchmarks.worker import Worker

__all__ = ["growth"]

#: Calls spread over queues: the marks, one at the end of each queue, are to weigh nothing among them.
_SPREAD = 100_000
#: Seconds until a backlog must have been worked off.
_PATIENCE = 120.0


def growth(sizes: Sizes) -> tuple[Measure, ...]:
    """Return the measures, with a column for each size."""
    few = Whom.STRONGEST if sizes.thorough else Whom.OWN
    return (
        _measure("depth", "waiting tasks", sizes.depths, _at_depth, few),
        _measure("queues", "queues", sizes.queues, _with_queues, Whom.OWN),
        _measure("nodes", "nodes of two processes", sizes.nodes, _with_nodes, few),
    )


def _measure(
    name: str, what: str, counts: tuple[int, ...], look: Callable[..., Iterator[dict[str, float]]], whom: Whom
) -> Measure:
    return Measure(
        name=name,
        title=f"Growth with the number of {what}: CPU, µs/task, results stored",
        columns=(
            *(Column(name=f"cpu-{count}", unit=f"{count:,}") for count in counts),
            *(Column(name=f"server-{count}", unit=f"{count:,}, server") for count in counts),
        ),
        look=look,
        whom=whom,
    )


def _at_depth(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
    for depth in sizes.depths:
        if side.peer.environment and depth / pace.fill > sizes.memory_seconds:
            raise NotMeasured(f"to publish {depth:,} calls would take longer than {sizes.memory_seconds:g} s")
        count = min(sizes.drain, max(200, int(pace.drain * sizes.drain_seconds)))
        warm = count // 2
        with side.project(results="fetch" in pace.can) as project:
            if depth < warm + count:
                used = _in_waves(project, depth, count)
            else:
                project.fill(warm, count, depth - warm - count)
                with project.worker() as worker:
                    used = between_marks(project, worker, count, _PATIENCE)
        yield _columns(depth, used)


def _in_waves(project: Project, size: int, count: int) -> Used:
    """Have several short backlogs worked off by one worker, one after the other."""
    number = max(1, count // size)
    with project.worker() as worker:
        project.client("waves", size, 1)
        cpu, server, began = worker.cpu(), project.store.cpu(), time.monotonic()
        project.forget_marks()
        project.client("waves", size, number)
        return used_since(project, worker, cpu, server, number * size, time.monotonic() - began)


def _with_nodes(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
    for nodes in sizes.nodes:
        warm = min(sizes.drain, int(pace.drain * sizes.drain_warm_seconds * nodes))
        count = min(sizes.drain, max(100, int(pace.drain * sizes.drain_seconds)))
        with side.project(results="fetch" in pace.can) as project:
            project.fill(warm, count)
            with project.worker(nodes=nodes) as worker:
                used = between_marks(project, worker, count, _PATIENCE)
        yield _columns(nodes, used)


def _with_queues(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
    """Spread as many calls over more and more queues; its start, with the first look at each queue, does not count."""
    if "publish_many" not in pace.can:
        raise NotMeasured("no way to fill many queues")
    for queues in sizes.queues:
        with side.project() as project, project.worker(queues=queues) as worker:
            project.client("fill_queues", queues, queues)
            _wait_for_all(project, worker, queues)
            cpu = sum(worker.cpu().values())
            project.forget_marks()
            project.client("fill_queues", _SPREAD, queues)
            _wait_for_all(project, worker, queues)
            count = _SPREAD // queues * queues + queues
            used = (sum(worker.cpu().values()) - cpu) / count * 1e6
            yield {f"cpu-{queues}": used}


def _columns(count: int, used: Used) -> dict[str, float]:
    found = {f"cpu-{count}": used.cpu}
    return found if used.server is None else {**found, f"server-{count}": used.server}


def _wait_for_all(project: Project, worker: Worker, queues: int) -> None:
    for number in range(queues):
        project.wait_for_mark(worker, f"last-{number}", _PATIENCE)
