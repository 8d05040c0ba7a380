"""``celeriac result``: what became of a task."""

import click

from celeriac.cli.outcome import print_outcome_json, show_outcome
from celeriac.cli.session import Session, pass_session

__all__ = ["result"]


@click.command()
@click.argument("task_id")
@click.option("-t", "--task", metavar="NAME", help="The task's name, if it has a result backend of its own.")
@click.option("--traceback", is_flag=True, help="Of a failed task, show the traceback.")
@click.option("-w", "--wait", type=float, metavar="SECONDS", help="Wait so long for the task to end.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print all that is known, as JSON.")
@pass_session
@click.pass_context
def result(
    context: click.Context,
    session: Session,
    task_id: str,
    task: str | None,
    traceback: bool,
    wait: float | None,
    as_json: bool,
) -> None:
    """Show what became of a task.

    Prints what it returned, or says why there is nothing yet. The exit status is 0 if it returned, 1 if it failed or
    was revoked, 75 if it is not done yet.
    """
    app = session.app(tasks=task is not None)
    found = app.tasks[task].AsyncResult(task_id) if task is not None else app.AsyncResult(task_id)
    if as_json:
        context.exit(print_outcome_json(found, wait=wait))
    context.exit(show_outcome(app, found, wait=wait, with_traceback=traceback))
