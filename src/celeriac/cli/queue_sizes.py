"""Queues and how full they are, as rows of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from celeriac.brokers.base import Broker, QueueSize
from celeriac.cli.nodes import NodeView
from celeriac.cli.tables import Column, print_table

__all__ = ["QueueView", "look_at_queues", "print_queues"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """One queue."""

    name: str
    size: QueueSize
    #: Names of the running nodes that consume from it.
    nodes: tuple[str, ...]

    @property
    def waiting(self) -> int:
        """Messages that nobody has taken."""
        return self.size.waiting

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        size = self.size
        return {
            "name": self.name,
            "ready": size.ready,
            "delayed": size.delayed,
            "in_flight": size.in_flight,
            "nodes": list(self.nodes),
        }


def look_at_queues(broker: Broker, nodes: Sequence[NodeView], *, also: Iterable[str] = ()) -> list[QueueView]:
    """Return every queue the broker has, and those named ``also``.

    A broker that cannot list its queues has at least those that nodes take from.
    """
    taken = () if broker.capabilities.lists_queues else (name for node in nodes for name in node.queues)
    names = sorted({*broker.queues(), *also, *taken})
    return [
        QueueView(
            name=name,
            size=broker.size(name),
            nodes=tuple(node.record.name for node in nodes if node.takes_from(name)),
        )
        for name in names
    ]


def print_queues(queues: Sequence[QueueView], *, no_color: bool) -> None:
    """Print the table."""
    columns = [
        Column(title="queue"),
        Column(title="ready", justify="right", whole=True),
        Column(title="delayed", justify="right", whole=True),
        Column(title="in flight", justify="right", whole=True),
        Column(title="nodes", styles=(("none", "yellow"),)),
    ]
    rows = [
        [
            queue.name,
            _shown(queue.size.ready),
            _shown(queue.size.delayed),
            _shown(queue.size.in_flight),
            ", ".join(queue.nodes) or "none",
        ]
        for queue in queues
    ]
    print_table(columns, rows, no_color=no_color)


def _shown(count: int | None) -> str:
    """Return a count as people read it; not every broker can tell every count."""
    return "?" if count is None else f"{count}"
