"""``celeriac import-beat``: take over the periodic tasks of django-celery-beat."""

from collections import Counter
from collections.abc import Sequence

import click

from celeriac.app.entry_imports import IMPORTS, ImportedRow, Outcome
from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure
from celeriac.cli.output import count_of, hint, print_json
from celeriac.cli.session import Session, pass_session

__all__ = ["import_beat"]

_PACKAGE = "django-celery-beat"
_COLORS = {Outcome.ADDED: "green", Outcome.CHANGED: "green", Outcome.DIFFERENT: "yellow", Outcome.REFUSED: "red"}
_WIDTH = max(len(outcome.value) for outcome in Outcome)


@click.command("import-beat")
@click.option("-n", "--dry-run", is_flag=True, help="Change nothing; say what would be.")
@click.option("--overwrite", is_flag=True, help="Also change periodic tasks that are here and say something else.")
@click.option("--database", metavar="ALIAS", default="", help="The database that has the tables of django-celery-beat.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
@click.pass_context
def import_beat(
    context: click.Context, session: Session, dry_run: bool, overwrite: bool, database: str, as_json: bool
) -> None:
    """Take over django-celery-beat's periodic tasks.

    Reads its tables in the site's database; neither Celery nor django-celery-beat has to be installed. Its rows stay as
    they are, and the command may be repeated. The exit status is 1 if a row cannot be taken over.
    """
    session.app(tasks=True)
    take_over = IMPORTS.get(_PACKAGE)
    if take_over is None:
        raise Failure(
            "The periodic tasks of django-celery-beat are taken over into a Django site: add 'celeriac.django' to its "
            "INSTALLED_APPS, and run manage.py celeriac import-beat.",
            exit_code=exit_codes.MISUSED,
        )
    rows = list(take_over(database, overwrite, dry_run))
    if as_json:
        print_json([{"name": row.name, "outcome": row.outcome.value, "sentence": row.sentence} for row in rows])
    else:
        _print(rows, session, dry_run=dry_run)
    context.exit(exit_codes.FAILED if any(row.outcome is Outcome.REFUSED for row in rows) else 0)


def _print(rows: Sequence[ImportedRow], session: Session, *, dry_run: bool) -> None:
    for row in rows:
        if not session.quiet or row.outcome in {Outcome.DIFFERENT, Outcome.REFUSED}:
            label = click.style(row.outcome.value.ljust(_WIDTH), fg=_COLORS.get(row.outcome))
            click.echo(f"{label}  {row.name}: {row.sentence}")
    counts = Counter(row.outcome for row in rows)
    summary = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]) or "nothing"
    if not session.quiet:
        click.echo(f"{count_of(len(rows), 'row')} of {_PACKAGE}: {summary}.")
    if dry_run:
        hint("This was a dry run: nothing has been changed.", quiet=session.quiet)
    elif counts[Outcome.ADDED] or counts[Outcome.CHANGED]:
        hint("Stop Celery's beat before you start celeriac's, or both publish.", quiet=session.quiet)
