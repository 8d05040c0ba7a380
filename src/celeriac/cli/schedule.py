"""``celeriac schedule``: look after periodic tasks."""

import itertools
import shutil
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

import click

from celeriac.beat.forecast import ComingRun, merged_runs
from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure
from celeriac.cli.output import duration, hint, iso, print_json
from celeriac.cli.parameters import DURATION, MOMENT_OR_DURATION
from celeriac.cli.schedule_entries import CodeEntries, TimetableEntries
from celeriac.cli.schedule_simulation import simulate_entries
from celeriac.cli.schedule_view import EntryView, moment_text
from celeriac.cli.session import Session, pass_session
from celeriac.cli.tables import Column, print_table
from celeriac.timetables.base import FOREVER, RunRecord

__all__ = ["schedule"]

_of_code = click.option("--code", is_flag=True, help="The entries of the code, whatever the timetable has.")
_as_json = click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def schedule() -> None:
    """Look after periodic tasks.

    An entry is a task and its schedule, under a name. The scheduler puts the code's entries into the timetable when it
    starts: `celeriac beat`, or a worker with -B.
    """


@schedule.command("list")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Entries to show.")
@click.option("--by-name", is_flag=True, help="In the order of their names, not of their next runs.")
@_of_code
@_as_json
@pass_session
def list_entries(session: Session, limit: int, by_name: bool, code: bool, as_json: bool) -> None:
    """List the entries: when they run, next and last, and what was missed."""
    entries = _entries(session, code=code)
    views = entries.some(limit, "name" if by_name else "next")
    if as_json:
        print_json([view.plain() for view in views])
    elif not views:
        click.echo(entries.why_none())
    else:
        _print_entries(views, zone=entries.app.timezone, no_color=session.no_color)
        total = entries.count()
        if total > limit:
            click.echo(f"There are {total:,}; --limit shows more than {limit}.", err=True)


@schedule.command("next")
@click.argument("name", required=False)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Runs to show.")
@_of_code
@_as_json
@pass_session
def next_runs(session: Session, name: str | None, limit: int, code: bool, as_json: bool) -> None:
    """Show the next runs, of the entry NAME or of all."""
    entries = _entries(session, code=code)
    # So many entries at the most have a part in so many runs: those that run first.
    views = entries.some(limit) if name is None else [entries.find(name)]
    coming = merged_runs(((view.state, view.schedule) for view in views), entries.now)
    runs = list(itertools.islice(coming, limit))
    if as_json:
        print_json([_plain_run(run, entries.now) for run in runs])
    elif runs:
        _print_runs(runs, now=entries.now, zone=entries.app.timezone, no_color=session.no_color)
    elif not views:
        click.echo(entries.why_none())
    elif name is None:
        click.echo("Nothing runs: all entries are disabled, paused or at their end.")
    else:
        click.echo(f"{name!r} does not run: {views[0].condition(entries.app.timezone)}.")


@schedule.command("run")
@click.argument("name")
@pass_session
def run_now(session: Session, name: str) -> None:
    """Run an entry now, beside its schedule.

    Prints the task's id. It runs also while it is paused or disabled; its next run stays when it is.
    """
    entries = TimetableEntries(session)
    session.broker()
    try:
        task_id = entries.tasks.run_now(name)
    except (TypeError, ValueError, LookupError) as error:
        # What the API says of arguments and options that do not fit.
        raise Failure(f"{name!r} cannot be run. {error}", exit_code=exit_codes.MISUSED) from error
    if task_id is None:
        raise entries.unknown(name)
    click.echo(task_id)
    hint(f"Published. What becomes of it: {session.command(f'result {task_id}')}", quiet=session.quiet)


@schedule.command("pause")
@click.argument("name")
@click.option(
    "--until",
    type=MOMENT_OR_DURATION,
    metavar="MOMENT|DURATION",
    help="Until then ('2030-12-31T18:00') or for so long ('2h'); else until it is resumed.",
)
@pass_session
def pause_entry(session: Session, name: str, until: datetime | timedelta | None) -> None:
    """Let an entry rest. What is due meanwhile does not run, and is not made up for."""
    entries = TimetableEntries(session)
    zone = entries.app.timezone
    moment = _moment(until, now=entries.now, zone=zone)
    if not entries.timetable.pause(name, moment):
        raise entries.unknown(name)
    if moment == FOREVER:
        click.echo(f"{name!r} is paused, until {session.command(f'schedule resume {_quoted(name)}')}")
    else:
        click.echo(f"{name!r} is paused until {moment_text(moment, zone)} {zone}.")


@schedule.command("resume")
@click.argument("name")
@pass_session
def resume_entry(session: Session, name: str) -> None:
    """Let an entry that is paused go on with its next run from now."""
    entries = TimetableEntries(session)
    view = entries.find(name)
    if not view.is_paused:
        click.echo(f"{name!r} is not paused.")
        return
    if view.schedule is None:
        raise Failure(f"{name!r} cannot be resumed from here. {view.problem}", exit_code=exit_codes.MISUSED)
    if not entries.tasks.resume(name):
        raise entries.unknown(name)
    click.echo(f"{name!r} goes on. Its next run: {entries.find(name).condition(entries.app.timezone)}.")


@schedule.command("history")
@click.argument("name")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Runs to show.")
@_as_json
@pass_session
def history(session: Session, name: str, limit: int, as_json: bool) -> None:
    """Show the last runs of an entry, the newest first, and what became of them."""
    entries = TimetableEntries(session)
    entries.find(name)
    records = entries.tasks.history(name, limit)
    backend = entries.app.backend
    states = dict(backend.states([record.id for record in records])) if backend.stores_results and records else {}
    if as_json:
        print_json([_plain_record(record) | {"state": states.get(record.id)} for record in records])
    elif records:
        _print_history(records, states, zone=entries.app.timezone, no_color=session.no_color)
    else:
        click.echo(f"{name!r} has not run yet.")


@schedule.command("simulate")
@click.option("--for", "length", type=DURATION, default="7d", show_default=True, help="How far to look ahead.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Peaks to show.")
@_of_code
@_as_json
@pass_session
def simulate(session: Session, length: timedelta, limit: int, code: bool, as_json: bool) -> None:
    """Show how many runs there will be, and when most of them come together."""
    entries = _entries(session, code=code)
    simulate_entries(entries, length, peaks=limit, as_json=as_json, session=session)


def _entries(session: Session, *, code: bool) -> CodeEntries | TimetableEntries:
    return CodeEntries(session) if code else TimetableEntries(session)


def _moment(until: datetime | timedelta | None, *, now: float, zone: tzinfo) -> float:
    if until is None:
        return FOREVER
    if isinstance(until, timedelta):
        return now + until.total_seconds()
    moment = (until if until.tzinfo is not None else until.replace(tzinfo=zone)).timestamp()
    if moment <= now:
        raise Failure(
            f"--until {until} is over already; name a moment in the future, or a length of time, as in --until 2h.",
            exit_code=exit_codes.MISUSED,
        )
    return moment


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _print_entries(views: Sequence[EntryView], *, zone: tzinfo, no_color: bool) -> None:
    if sys.stdout.isatty():
        _print_for_person(views, zone)
        return
    titles = ("name", "task", "schedule", "next", "countdown", "last", "late", "runs", "missed", "skipped", "source")
    print_table([Column(title=title) for title in titles], [_row(view, zone) for view in views], no_color=no_color)


def _row(view: EntryView, zone: tzinfo) -> list[str]:
    state, facts = view.state, view.plain()
    return [
        view.name,
        state.entry.task,
        view.describe(),
        facts["next_run"] or "",
        view.condition(zone),
        facts["last_run"] or "",
        "" if state.lateness is None else f"{state.lateness:.1f} s",
        f"{state.runs_total}",
        f"{state.missed_total}",
        f"{state.skipped_total}",
        state.entry.source,
    ]


def _print_for_person(views: Sequence[EntryView], zone: tzinfo) -> None:
    """Print some lines for each entry: its schedule is a sentence, and no column is wide enough for one."""
    width = min(100, shutil.get_terminal_size().columns)
    for view in views:
        state = view.state
        moment = "" if state.next_at is None or view.is_paused else f" ({moment_text(state.next_at, zone)})"
        color = "yellow" if view.is_paused or not state.entry.enabled else "green"
        click.echo(f"{click.style(view.name, bold=True)}  {click.style(view.condition(zone), fg=color)}{moment}")
        facts = f"{view.facts()}; from {state.entry.source}"
        for line in (view.describe(), state.entry.task, facts):
            text = textwrap.fill(line, width, initial_indent="  ", subsequent_indent="  ")
            click.echo(click.style(text, dim=True) if line is facts else text)
        click.echo()


def _print_runs(runs: Sequence[ComingRun], *, now: float, zone: tzinfo, no_color: bool) -> None:
    columns = [
        Column(title=f"moment ({zone})", whole=True),
        Column(title="countdown", whole=True),
        Column(title="entry", cut=True),
        Column(title="task", cut=True),
    ]
    rows = [
        [moment_text(run.due, zone), _countdown(run.due - now), run.state.entry.name, run.state.entry.task]
        for run in runs
    ]
    print_table(columns, rows, no_color=no_color)


def _countdown(left: float) -> str:
    return f"in {duration(left)}" if left >= 0 else f"due for {duration(-left)}"


def _plain_run(run: ComingRun, now: float) -> dict[str, object]:
    return {
        "name": run.state.entry.name,
        "task": run.state.entry.task,
        "due": iso(run.due),
        "seconds_left": round(run.due - now, 3),
    }


def _print_history(records: Sequence[RunRecord], states: dict[str, str], *, zone: tzinfo, no_color: bool) -> None:
    columns = [
        Column(title=f"due ({zone})", whole=True),
        Column(title="late", justify="right", whole=True),
        Column(title="why", whole=True),
        Column(title="state", whole=True, styles=(("SUCCESS", "green"), ("FAILURE", "red"))),
        Column(title="id", cut=True),
    ]
    rows = [
        [
            moment_text(record.due, zone),
            f"{record.lateness:.1f} s",
            record.reason.value if record.published_at is not None else f"{record.reason.value}, being published",
            states.get(record.id, ""),
            record.id,
        ]
        for record in records
    ]
    print_table(columns, rows, no_color=no_color)


def _plain_record(record: RunRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "due": iso(record.due),
        "published": None if record.published_at is None else iso(record.published_at),
        "lateness": round(record.lateness, 3),
        "reason": record.reason.value,
    }
