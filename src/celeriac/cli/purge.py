"""``celeriac purge``: drop waiting messages."""

import click

from celeriac.cli import exit_codes
from celeriac.cli.confirmation import confirm
from celeriac.cli.failures import Failure, say
from celeriac.cli.output import count_of
from celeriac.cli.parameters import QUEUES, flat
from celeriac.cli.session import Session, pass_session

__all__ = ["purge"]


@click.command()
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-Q", "--queues", type=QUEUES, multiple=True, help="Only these queues, parted by commas.")
@click.option("-X", "--exclude-queues", type=QUEUES, multiple=True, help="All queues but these.")
@pass_session
def purge(
    session: Session, force: bool, queues: tuple[tuple[str, ...], ...], exclude_queues: tuple[tuple[str, ...], ...]
) -> None:
    """Drop the messages that wait.

    Delayed ones too (except on RabbitMQ), and for good; without -Q those of all the app's queues. What a node has taken
    is not dropped, and dead letters are not (see `celeriac dead purge`).
    """
    broker = session.broker()
    existing = broker.queues()
    names = flat(queues)
    for name in names:
        if name not in existing and broker.capabilities.lists_queues:
            known = f" There are: {', '.join(existing)}." if existing else " There are none."
            raise Failure(f"There is no queue {name!r} at {broker.url}.{known}", exit_code=exit_codes.MISUSED)
    excluded = flat(exclude_queues)
    chosen = [name for name in names or session.app().queues if name not in excluded]
    if not chosen:
        raise Failure("There is no queue left to purge: see -Q and -X.", exit_code=exit_codes.MISUSED)
    sizes = [broker.size(name) for name in chosen]
    waiting = sum(size.waiting for size in sizes)
    listed = ", ".join(chosen)
    if any(size.delayed is None for size in sizes):
        say("Note:", f"Delayed messages stay: at {broker.url} nobody can tell whose they are.", color="yellow")
    if not waiting:
        click.echo(f"Nothing waits in {listed}.")
        return
    if not force:
        confirm(f"Drop {count_of(waiting, 'message')} from {listed}, for good?", option="--force")
    dropped = sum(broker.purge(name) for name in chosen)
    click.echo(f"Dropped {count_of(dropped, 'message')} from {listed}.")
