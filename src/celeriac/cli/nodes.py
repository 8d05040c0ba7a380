"""Nodes as the broker knows them, read for people."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from celeriac.brokers.base import Broker, NodeRecord
from celeriac.cli.output import ago, count_of, duration
from celeriac.worker.status import StatusReport

__all__ = ["NodeView", "look_at_nodes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node: what the broker knows of it, and what it said of itself."""

    record: NodeRecord
    #: None: it has said nothing yet, or is of another version.
    report: StatusReport | None
    #: Unix time of the look.
    seen_at: float

    @property
    def lease_left(self) -> float:
        """Seconds until its deliveries go to others; negative when they do already."""
        return self.record.lease_until - self.seen_at

    @property
    def is_running(self) -> bool:
        """It holds its lease, and nothing says that its process is gone."""
        return not self.record.gone and self.lease_left > 0

    @property
    def state(self) -> str:
        """``running``, ``gone`` (its process has ended without a word) or ``silent`` (its lease has ended)."""
        if self.record.gone:
            return "gone"
        return "running" if self.is_running else "silent"

    @property
    def lease(self) -> str:
        """The lease in words."""
        left = self.lease_left
        return duration(left) if left > 0 else f"ended {duration(-left)} ago"

    @property
    def outage(self) -> str:
        """What it says of the last time it could not use its broker or result store, in words; empty if never."""
        report, name = self.report, self.record.name
        if report is not None and report.hindrance:
            return f"{name}: its broker takes no new messages. {report.hindrance}"
        if report is None or report.last_outage is None:
            return ""
        last = report.last_outage
        if last.seconds is None:
            since = duration(self.seen_at - last.began_at)
            return f"{name} has not been able to use its {last.of} for {since}: {last.reason}"
        when = ago(last.began_at + last.seconds, self.seen_at)
        how_often = count_of(report.outages, "outage")
        return f"{name}: its {last.of} was away for {last.seconds:.1f} s until {when} ({how_often} since its start)."

    @property
    def queues(self) -> Sequence[str]:
        """The queues that it says it takes from."""
        return () if self.report is None else self.report.queues

    def takes_from(self, queue: str) -> bool:
        """Say whether it is there and consumes from the queue."""
        return self.is_running and queue in self.queues


def look_at_nodes(broker: Broker, *, now: float, names: Sequence[str] = ()) -> list[NodeView]:
    """Return the nodes of these names, or all."""
    return [
        NodeView(record=record, report=_report(record.status), seen_at=now)
        for record in broker.nodes()
        if not names or record.name in names
    ]


def _report(status: bytes) -> StatusReport | None:
    try:
        return msgspec.json.decode(status, type=StatusReport)
    except msgspec.MsgspecError:
        return None
