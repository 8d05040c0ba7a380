"""``celeriac call``: publish a call of a task."""

import difflib
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure
from celeriac.cli.outcome import show_outcome
from celeriac.cli.output import hint
from celeriac.cli.parameters import EXPIRY, JSON_LIST, JSON_OBJECT, MOMENT, QUEUES
from celeriac.cli.session import Session, pass_session
from celeriac.exceptions import EncodeError
from celeriac.protocol import serialization

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.async_result import AsyncResult

__all__ = ["call"]


@click.command()
@click.argument("task")
@click.option("-a", "--args", type=JSON_LIST, metavar="JSON", default="[]", help="Positional arguments: a JSON list.")
@click.option("-k", "--kwargs", type=JSON_OBJECT, metavar="JSON", default="{}", help="Keyword ones: a JSON object.")
@click.option("--eta", type=MOMENT, metavar="MOMENT", help="Not before this moment (ISO 8601).")
@click.option("--countdown", type=float, metavar="SECONDS", help="Not before so many seconds have passed.")
@click.option("--expires", type=EXPIRY, metavar="MOMENT", help="Not after this moment, or so many seconds.")
@click.option("--serializer", metavar="NAME", help="How to write the arguments.  [default: as the settings say]")
@click.option("--queue", type=QUEUES, metavar="NAME", help="Where it waits.  [default: as the task is routed]")
@click.option("--exchange", metavar="NAME", help="The exchange to publish to.")
@click.option("--routing-key", metavar="KEY", help="The routing key to publish with.")
@click.option(
    "--priority", type=click.IntRange(0, 255), metavar="NUMBER", help="On Redis 0 goes first, elsewhere the highest."
)
@click.option("-w", "--wait", type=float, metavar="SECONDS", help="Wait so long for the result, and print it.")
@click.option("--unregistered", is_flag=True, help="Publish it though this app has no such task: a worker may.")
@pass_session
@click.pass_context
def call(
    context: click.Context,
    session: Session,
    /,
    task: str,
    args: list[Any],
    kwargs: dict[str, Any],
    wait: float | None,
    unregistered: bool,
    **options: Any,
) -> None:
    """Publish a call of a task.

    Prints the call's id; with --wait, its result instead.

    \b
    celeriac -A tasks call tasks.add --args "[2, 3]" --wait 10
    """
    chosen = {name: value for name, value in options.items() if value is not None}
    if "queue" in chosen:
        chosen["queue"] = _one_queue(chosen["queue"])
    _check_serializer(chosen.get("serializer"))
    app = session.app(tasks=True)
    session.broker()
    # An app that was made only to reach a broker knows no tasks of anybody's.
    must_know = session.names_app and not unregistered
    result = _publish(app, task, args, kwargs, chosen, must_know=must_know)
    if wait is None:
        click.echo(result.id)
        return
    hint(f"Task {result.id}; waiting up to {wait:g} s.", quiet=session.quiet)
    context.exit(show_outcome(app, result, wait=wait, with_traceback=False))


def _publish(
    app: "Celeriac", name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any], *, must_know: bool
) -> "AsyncResult[Any]":
    try:
        if name in app.tasks:
            return app.tasks[name].apply_async(args, kwargs, **options)
        if must_know:
            raise Failure(_unknown_task(app, name), exit_code=exit_codes.MISUSED)
        return app.send_task(name, args, kwargs, **options)
    except (TypeError, ValueError, LookupError) as error:
        # What the API says of arguments and options that do not fit.
        raise Failure(str(error), exit_code=exit_codes.MISUSED) from error


def _unknown_task(app: "Celeriac", name: str) -> str:
    names = sorted(known for known in app.tasks if not known.startswith(("celery.", "celeriac.")))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    same_ending = [known for known in names if known.rpartition(".")[2] == name.rpartition(".")[2]]
    likely = same_ending or close
    if likely:
        cure = f"Did you mean {likely[0]}?"
    elif names:
        cure = f"There are: {', '.join(names[:10])}{' and more' if len(names) > 10 else ''}."
    else:
        cure = "It has none: import the modules of your tasks in the app's module, or name them in the setting imports."
    return f"There is no task {name!r} in the app {app.main!r}. {cure} (--unregistered publishes it all the same.)"


def _check_serializer(name: str | None) -> None:
    if name is not None:
        try:
            serialization.content_type_of(name)
        except EncodeError as error:
            raise click.BadParameter(str(error), param_hint="'--serializer'") from error


def _one_queue(names: tuple[str, ...]) -> str:
    if len(names) != 1:
        raise click.BadParameter(f"a call goes to one queue, not to {len(names)}.", param_hint="'--queue'")
    return names[0]
