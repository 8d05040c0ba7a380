"""``celeriac status``: the nodes and the queues."""

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure
from celeriac.cli.nodes import NodeView, look_at_nodes
from celeriac.cli.output import duration, iso, print_json
from celeriac.cli.queue_sizes import QueueView, look_at_queues, print_queues
from celeriac.cli.scheduler_view import look_at_scheduler
from celeriac.cli.session import Session, pass_session
from celeriac.cli.tables import Column, print_table

__all__ = ["status"]

_STATES = (("running", "green"), ("silent", "yellow"), ("gone", "red"))


@click.command()
@click.option("-d", "--destination", metavar="NODES", default="", help="Only these nodes, parted by commas.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-t", "--timeout", type=float, hidden=True, expose_value=False, help="Celery's; nodes need not answer.")
@pass_session
@click.pass_context
def status(context: click.Context, session: Session, destination: str, as_json: bool) -> None:
    """Show the nodes and the queues, and who publishes periodic tasks.

    A node is running as long as it renews its lease. "gone" means that its process has ended without a word, "silent"
    that its lease has ended; in both cases what it had is given to other nodes. Without any running node the exit
    status is 69.
    """
    broker = session.broker()
    names = tuple(name for name in destination.split(",") if name)
    nodes = look_at_nodes(broker, now=time.time(), names=names)
    queues = look_at_queues(broker, nodes, also=session.queues_to_look_at(broker))
    if as_json:
        document = {"broker": broker.url, "nodes": [_plain(node) for node in nodes], "queues": _plain_queues(queues)}
        scheduler = look_at_scheduler(session)
        print_json(document | ({"scheduler": scheduler.plain()} if scheduler is not None else {}))
    else:
        _print(nodes, queues, url=broker.url, session=session)
    if not any(node.is_running for node in nodes):
        if not as_json:
            whom = f"Of {destination} no node" if names else "No node"
            raise Failure(
                f"{whom} is running at {broker.url}. Start one: {session.command('worker')}",
                exit_code=exit_codes.UNAVAILABLE,
            )
        context.exit(exit_codes.UNAVAILABLE)


def _print(nodes: Sequence[NodeView], queues: Sequence[QueueView], *, url: str, session: Session) -> None:
    if not session.quiet:
        click.echo(f"Broker {url}\n")
    if nodes:
        _print_nodes(nodes, no_color=session.no_color)
        for outage in [node.outage for node in nodes if node.outage and node.is_running]:
            click.echo(f"\n{outage}")
    if queues and not session.quiet:
        click.echo()
        print_queues(queues, no_color=session.no_color)
        click.echo()
    scheduler = None if session.quiet else look_at_scheduler(session)
    if scheduler is not None:
        click.echo(f"{scheduler.describe()}\n")


def _print_nodes(nodes: Sequence[NodeView], *, no_color: bool) -> None:
    columns = [
        Column(title="node", whole=True),
        Column(title="state", whole=True, styles=_STATES),
        Column(title="up", justify="right", whole=True),
        Column(title="lease", justify="right", whole=True),
        Column(title="slots", justify="right", whole=True),
        Column(title="active", justify="right", whole=True),
        Column(title="done", justify="right", whole=True),
        Column(title="failed", justify="right", whole=True),
        Column(title="queues"),
    ]
    print_table(columns, [_row(node) for node in nodes], no_color=no_color)


def _row(node: NodeView) -> list[str]:
    report = node.report
    beginning = [node.record.name, node.state]
    if report is None:
        return [*beginning, "", node.lease, "", "", "", "", ""]
    return [
        *beginning,
        duration(node.seen_at - report.started_at) if node.is_running else "",
        node.lease,
        f"{report.concurrency}",
        f"{report.active}" if node.is_running else "",
        f"{report.processed}",
        f"{report.failed}",
        ", ".join(report.queues),
    ]


def _plain(node: NodeView) -> dict[str, Any]:
    return {
        "name": node.record.name,
        "state": node.state,
        "lease_left": round(node.lease_left, 3),
        "lease_until": iso(node.record.lease_until),
        "report": msgspec.to_builtins(node.report),
    }


def _plain_queues(queues: Sequence[QueueView]) -> list[dict[str, object]]:
    return [queue.plain() for queue in queues]
