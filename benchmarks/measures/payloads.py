"""What other calls cost than those with two small integers: large or deep arguments, tasks that do something."""

from collections.abc import Iterator

from benchmarks.measure import Column, Measure, NotMeasured, Whom
from benchmarks.measures.drain import used_since
from benchmarks.pace import Pace
from benchmarks.side import Side
from benchmarks.sizes import Sizes
from benchmarks.tasks.payloads import PAYLOADS

__all__ = ["PAYLOAD_MEASURES"]


def _measure(kind: int) -> Measure:
    payload = PAYLOADS[kind]

    def look(side: Side, sizes: Sizes, pace: Pace) -> Iterator[dict[str, float]]:
        if "publish_payload" not in pace.can:
            raise NotMeasured("no task for it here")
        count = max(20, int(min(payload.count_for(pace.can) * sizes.payloads, pace.drain * sizes.drain_seconds)))
        warm = count // 4
        with side.project(results="fetch" in pace.can, coroutines=payload.verb == "publish_coroutine") as project:
            published = project.client("fill_kind", kind, warm, count)
            yield {f"publish-{name}": published[name] for name in ("rate", "cpu")}
            with project.worker() as worker:
                began = project.wait_until_done(worker, warm, sizes.patience)
                cpu, server = worker.cpu(), project.store.cpu()
                ended = project.wait_until_done(worker, warm + count, sizes.patience)
                used = used_since(project, worker, cpu, server, count, ended - began)
        yield used.values()

    return Measure(
        name=f"payloads/{payload.name}",
        title=f"Payload: {payload.name}",
        columns=(
            Column(name="publish-rate", unit="publish, calls/s", more_is_better=True),
            Column(name="publish-cpu", unit="publish, CPU µs/call"),
            Column(name="rate", unit="drain, tasks/s", more_is_better=True),
            Column(name="cpu", unit="drain, CPU µs/task, all its processes"),
            Column(name="server", unit="drain, CPU µs/task, server"),
        ),
        look=look,
        whom=Whom.STRONGEST,
    )


PAYLOAD_MEASURES = tuple(_measure(kind) for kind in range(len(PAYLOADS)))
