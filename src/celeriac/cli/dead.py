"""``celeriac dead``: look after dead letters."""

import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from datetime import timedelta

import click

from celeriac.app.housekeeping import purge_old_dead_letters
from celeriac.brokers.base import Broker, DeadLetter
from celeriac.cli import exit_codes
from celeriac.cli.confirmation import confirm
from celeriac.cli.dead_letter import describe, plain
from celeriac.cli.failures import Failure
from celeriac.cli.output import ago, count_of, iso, print_json
from celeriac.cli.parameters import DURATION
from celeriac.cli.session import Session, pass_session
from celeriac.cli.tables import Column, print_table

__all__ = ["dead"]

#: Letters that are looked through for one whose id begins so.
_SEARCHED = 10_000


@click.group()
def dead() -> None:
    """Look after dead letters: messages refused for good.

    A message becomes a dead letter when nobody can read it, when no worker knows its task, when the task rejects it,
    or when it has killed its process several times. It is kept until somebody retries or purges it.
    """


@dead.command("list")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Letters to show.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def list_letters(session: Session, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first."""
    broker = session.broker()
    letters = broker.dead_letters(limit + 1)
    shown = letters[:limit]
    if as_json:
        print_json([plain(letter) for letter in shown])
    elif not shown:
        click.echo("There are no dead letters.")
    else:
        _print_letters(shown, no_color=session.no_color)
        if len(letters) > limit:
            click.echo(f"There are more; --limit shows more than {limit}.", err=True)


@dead.command("show")
@click.argument("letter_id", metavar="ID")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def show_letter(session: Session, letter_id: str, as_json: bool) -> None:
    """Show a dead letter whole: why it died, its headers, its arguments. The beginning of its id will do."""
    letters = _find(session.broker(), [letter_id])
    if as_json:
        print_json([plain(letter, whole=True) for letter in letters])
        return
    for letter in letters:
        click.echo(describe(letter))


@dead.command("retry")
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def retry_letters(session: Session, letter_ids: tuple[str, ...], everything: bool, yes: bool) -> None:
    """Put dead letters back on their queues, to run anew. The beginning of an id will do."""
    broker = session.broker()
    chosen = _chosen(broker, letter_ids, everything=everything, command="retry")
    if everything and not yes:
        confirm("Put all dead letters back on their queues?", option="--yes")
    click.echo(f"Put {count_of(broker.retry_dead_letters(chosen), 'message')} back.")


@dead.command("purge")
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option(
    "--older-than",
    type=DURATION,
    metavar="DURATION",
    help="Those that died longer ago than that, as in '30d' or '12h'.",
)
@click.option("-y", "--yes", "-f", "--force", is_flag=True, help="Do not ask.")
@pass_session
def purge_letters(
    session: Session, /, letter_ids: tuple[str, ...], everything: bool, older_than: timedelta | None, yes: bool
) -> None:
    """Drop dead letters for good. The beginning of an id will do."""
    if older_than is not None:
        if letter_ids or everything:
            raise click.UsageError("Say --older-than alone: it chooses by age, and not by id.")
        _purge_old(session.broker(), older_than, yes=yes)
        return
    broker = session.broker()
    chosen = _chosen(broker, letter_ids, everything=everything, command="purge")
    if not yes:
        what = "all dead letters" if chosen is None else count_of(len(chosen), "dead letter")
        confirm(f"Drop {what}, for good?", option="--yes")
    click.echo(f"Dropped {count_of(broker.purge_dead_letters(chosen), 'dead letter')}.")


def _purge_old(broker: Broker, age: timedelta, *, yes: bool) -> None:
    died_before = time.time() - age.total_seconds()
    if not yes:
        confirm(f"Drop all dead letters from before {iso(died_before)}, for good?", option="--yes")
    click.echo(f"Dropped {count_of(purge_old_dead_letters(broker, died_before), 'dead letter')}.")


def _chosen(broker: Broker, ids: Sequence[str], *, everything: bool, command: str) -> list[str] | None:
    """Return the whole ids of the letters that are meant; None for all."""
    if bool(ids) == everything:
        raise click.UsageError(f"Say which: celeriac dead {command} ID..., or --all, and not both.")
    if everything:
        return None
    return list(dict.fromkeys(letter.id for letter in _find(broker, ids)))


def _find(broker: Broker, ids: Sequence[str]) -> list[DeadLetter]:
    """Return the letters of these ids, or whose ids begin so; fails for one that fits none, or several."""
    found: list[DeadLetter] = []
    for given in ids:
        letters = broker.find_dead_letters(given) or _beginning_with(broker, given)
        if not letters:
            raise Failure(f"There is no dead letter {given!r}. See celeriac dead list.", exit_code=exit_codes.MISUSED)
        found += letters
    return found


def _beginning_with(broker: Broker, beginning: str) -> list[DeadLetter]:
    if not beginning:
        return []
    letters = [letter for letter in broker.dead_letters(_SEARCHED) if letter.id.startswith(beginning)]
    names = {letter.id for letter in letters}
    if len(names) > 1:
        raise Failure(
            f"{count_of(len(names), 'dead letter')} begin with {beginning!r}: say more of the id.",
            exit_code=exit_codes.MISUSED,
        )
    return letters


def _print_letters(letters: Sequence[DeadLetter], *, no_color: bool) -> None:
    if sys.stdout.isatty():
        _print_for_person(letters)
        return
    titles = ("id", "died", "queue", "task", "reason")
    rows = [[letter.id, iso(letter.died_at), letter.queue, letter.task, letter.reason] for letter in letters]
    print_table([Column(title=title) for title in titles], rows, no_color=no_color)


def _print_for_person(letters: Sequence[DeadLetter]) -> None:
    """Print two lines or more for each letter: a reason is a sentence, and no column is wide enough for one."""
    now = time.time()
    width = min(100, shutil.get_terminal_size().columns)
    for letter in letters:
        click.echo(
            f"{click.style(letter.id or 'unreadable', bold=True)}  {letter.task or 'unknown task'}  "
            f"{click.style(f'{letter.queue}, {ago(letter.died_at, now)}', dim=True)}"
        )
        click.echo(textwrap.fill(letter.reason, width, initial_indent="  ", subsequent_indent="  "))
        click.echo()
