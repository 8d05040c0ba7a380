"""How fast one process publishes."""

from collections.abc import Iterator

from benchmarks.measure import Column, Measure
from benchmarks.pace import Pace
from benchmarks.side import Project, Side
from benchmarks.sizes import Sizes

__all__ = ["PUBLISHING"]

#: As in ``client``.
_WARM = 200


def _publish(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
    count = min(sizes.publish, max(100, int(pace.publish * sizes.publish_seconds)))
    with side.project() as project:
        found = _timed(project, "publish", count)
    yield found
    pace.publish = found["rate"]
    if "publish_many" in pace.can:
        bulk = min(sizes.bulk, int(pace.publish * 6))
        with side.project() as project:
            found = _timed(project, "publish_many", bulk)
        yield {f"bulk-{name}": value for name, value in found.items()}
        pace.bulk = found["rate"]


def _timed(project: Project, command: str, count: int) -> dict[str, float]:
    before = project.store.cpu()
    said = project.client(command, count)
    found = {"rate": said["rate"], "cpu": said["cpu"]}
    after = project.store.cpu()
    if before is not None and after is not None:
        found["server"] = (after - before) / (count + _WARM) * 1e6
    return found


PUBLISHING = Measure(
    name="publish",
    title="Publishing, one process",
    columns=(
        Column(name="rate", unit="one by one, calls/s", more_is_better=True),
        Column(name="cpu", unit="CPU µs/call"),
        Column(name="server", unit="server's CPU µs/call"),
        Column(name="bulk-rate", unit="in bulk, calls/s", more_is_better=True),
        Column(name="bulk-cpu", unit="in bulk, CPU µs/call", digits=1),
        Column(name="bulk-server", unit="in bulk, server's CPU µs/call", digits=1),
    ),
    look=_publish,
    repeated=True,
    variants=True,
)
