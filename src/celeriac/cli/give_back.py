"""``celeriac give-back``: hand what celeriac holds to Celery."""

import time
from collections.abc import Sequence

import click
import msgspec

from celeriac.brokers.remarks import GivenBack
from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure
from celeriac.cli.nodes import NodeView, look_at_nodes
from celeriac.cli.output import count_of, print_json
from celeriac.cli.session import Session, pass_session

__all__ = ["give_back"]


@click.command("give-back")
@click.argument("queues", nargs=-1, metavar="[QUEUE]...")
@click.option("--dead", is_flag=True, help="Dead letters too: they become messages again.")
@click.option("-f", "--force", is_flag=True, help="Although nodes are running.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def give_back(session: Session, queues: tuple[str, ...], dead: bool, force: bool, as_json: bool) -> None:
    """Hand what celeriac holds to Celery.

    For moving back: stop all nodes, give back, start Celery's workers. Everything that waits is then where they find
    it, as Celery itself would have published it: what is delayed, with its time; what nodes had taken that died; with
    --dead the dead letters. Without QUEUE for all queues. It can be interrupted and repeated at any time.
    """
    broker = session.broker()
    if not broker.capabilities.shared_with_celery:
        raise Failure(
            f"Celery has no workers on {broker.url}, so there is nobody to give anything back to: give-back is for "
            "Redis and RabbitMQ.",
            exit_code=exit_codes.MISUSED,
        )
    chosen = sorted(set(queues) or {*broker.queues(), *session.app().queues})
    if not force:
        _refuse_while_running(look_at_nodes(broker, now=time.time()), chosen)
    given = broker.give_back(chosen, dead=dead)
    if as_json:
        print_json({"broker": broker.url, "queues": chosen, **msgspec.to_builtins(given)})
        return
    click.echo(_sentence(given, chosen, dead=dead))
    if given.left_waiting is None:
        click.echo("Delayed messages wait in Celery's own delay queues, and come to their queues when they are due.")


def _refuse_while_running(nodes: Sequence[NodeView], queues: Sequence[str]) -> None:
    """Fail if a node takes from one of the queues, or has not said from which it does."""
    running = [
        node
        for node in nodes
        if node.is_running and (node.report is None or any(node.takes_from(queue) for queue in queues))
    ]
    if running:
        names = ", ".join(node.record.name for node in running)
        raise Failure(
            f"{names} {'is' if len(running) == 1 else 'are'} running, and would take back what is given back. Stop "
            f"such nodes first; one that was killed counts as running until its lease has ended ({running[0].lease}). "
            "--force goes ahead all the same.",
            exit_code=exit_codes.MISUSED,
        )


def _sentence(given: GivenBack, queues: Sequence[str], *, dead: bool) -> str:
    parts = []
    if given.left_waiting is not None:
        parts.append(f"{count_of(given.delayed, 'delayed message')}")
        parts.append(f"{given.in_flight} that dead nodes had taken")
    if dead:
        parts.append(count_of(given.dead, "dead letter"))
    what = f"Given back: {', '.join(parts)}. " if parts else ""
    return f"{what}Celery's workers find everything in {', '.join(queues)}."
