"""What ``celeriac schedule simulate`` shows: how many runs there will be, and where they come together."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import click

from celeriac.beat.load import Load, busiest, load_of
from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure
from celeriac.cli.output import count_of, duration, iso, print_json
from celeriac.cli.plot import column_plot
from celeriac.cli.schedule_entries import CodeEntries, TimetableEntries
from celeriac.cli.session import Session
from celeriac.cli.tables import Column, print_table

__all__ = ["simulate_entries"]

_LONGEST = timedelta(days=366)
#: Minutes that one column of the plot may stand for.
_SIZES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 10080)
_WIDEST = 84
#: Names of entries that are shown for a peak.
_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peak:
    """A time of day at which many runs come together."""

    #: The first of the minutes with so many runs.
    minute: int
    runs: int
    #: On how many days.
    days: int


def simulate_entries(
    entries: CodeEntries | TimetableEntries, length: timedelta, *, peaks: int, as_json: bool, session: Session
) -> None:
    """Print it."""
    if length > _LONGEST:
        raise Failure(f"--for looks ahead {_LONGEST.days} days at the most.", exit_code=exit_codes.MISUSED)
    # The minute that it is now counts, though some of it is past; so the last one counts, too, or a run would lack.
    minutes = math.ceil((entries.now % 60 + length.total_seconds()) / 60)
    load = load_of(((view.state, view.schedule) for view in entries.all()), entries.now, minutes)
    counts, zone = load.by_minute(), entries.app.timezone
    found = _peaks(load, counts, zone)[:peaks]
    if as_json:
        print_json(_plain(load, counts, found))
        return
    if not load.entries and not load.unforeseen:
        click.echo("No entry runs: all are disabled or paused." if entries.count() else entries.why_none())
        return
    total = sum(counts)
    click.echo(
        f"{count_of(total, 'run')} of {count_of(load.entries, 'entry', 'entries')} in "
        f"{duration(length.total_seconds())}, {total / minutes:.3g} a minute on the average."
    )
    if load.unforeseen:
        click.echo(f"Without those that decide when it is time: {_enumerated(sorted(load.unforeseen))}.")
    if total:
        click.echo()
        _print_plot(load, counts, zone)
        click.echo()
        _print_peaks(load, found, zone, no_color=session.no_color)


def _peaks(load: Load, counts: Sequence[int], zone: tzinfo) -> list[_Peak]:
    """Return the busiest times of day, the busiest first."""
    by_time: dict[tuple[int, int], list[int]] = {}
    for minute, count in enumerate(counts):
        if count:
            local = _local(load, minute, zone)
            by_time.setdefault((local.hour, local.minute), []).append(minute)
    found = []
    for minutes in by_time.values():
        most = max(counts[minute] for minute in minutes)
        having = [minute for minute in minutes if counts[minute] == most]
        found.append(_Peak(minute=having[0], runs=most, days=len({_local(load, each, zone).date() for each in having})))
    return sorted(found, key=lambda peak: (-peak.runs, -peak.days, peak.minute))


def _print_plot(load: Load, counts: Sequence[int], zone: tzinfo) -> None:
    width = min(_WIDEST, shutil.get_terminal_size().columns - len(f"{max(counts):,}") - 3)
    size = next((size for size in _SIZES if len(counts) <= size * width), _SIZES[-1])
    # Columns begin at a whole hour or day on the clock.
    first = _local(load, 0, zone)
    lead = (first.hour * 60 + first.minute) % size if size <= 1440 else 0
    columns = busiest([*[0] * lead, *counts], size)
    marks: dict[int, str] = {}
    before = None
    for column in range(len(columns)):
        local = _local(load, column * size - lead, zone)
        if before is None or local.date() != before.date():
            marks[column] = f"{local:%a %d}" if len(counts) <= 1440 * 14 else f"{local:%d %b}"
        elif len(counts) <= 1440 * 2 and local.hour != before.hour and (size < 15 or local.hour % 6 == 0):
            marks[column] = f"{local:%H:%M}"
        before = local
    if any(0 < column <= len(marks[0]) for column in marks):
        del marks[0]  # the next one says more
    each = "each minute" if size == 1 else f"the busiest minute in each {duration(size * 60)}"
    click.echo(click.style(f"Runs in {each}, by the clock of {zone}", bold=True))
    for line in column_plot(columns, marks):
        click.echo(line)


def _print_peaks(load: Load, peaks: Sequence[_Peak], zone: tzinfo, *, no_color: bool) -> None:
    click.echo(click.style("The busiest minutes", bold=True))
    columns = [
        Column(title="time", whole=True),
        Column(title="runs", justify="right", whole=True),
        Column(title="days", whole=True),
        Column(title="entries"),
    ]
    rows = [
        [
            f"{_local(load, peak.minute, zone):%H:%M}",
            f"{peak.runs:,}",
            f"{peak.days}" if peak.days > 1 else f"{_local(load, peak.minute, zone):%a %d %b}",
            _enumerated(_names(load, peak)),
        ]
        for peak in peaks
    ]
    print_table(columns, rows, no_color=no_color)


def _names(load: Load, peak: _Peak) -> list[str]:
    return [name if runs == 1 else f"{name} ({runs} times)" for name, runs in load.names_in(peak.minute)]


def _enumerated(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")


def _local(load: Load, minute: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(load.start + minute * 60, UTC).astimezone(zone)


def _plain(load: Load, counts: Sequence[int], peaks: Sequence[_Peak]) -> dict[str, Any]:
    return {
        "from": iso(load.start),
        "until": iso(load.start + load.minutes * 60),
        "entries": load.entries,
        "unforeseen": sorted(load.unforeseen),
        "runs": sum(counts),
        "peaks": [
            {
                "minute": iso(load.start + peak.minute * 60),
                "runs": peak.runs,
                "days": peak.days,
                "entries": [{"name": name, "runs": runs} for name, runs in load.names_in(peak.minute)],
            }
            for peak in peaks
        ],
        "hours": [
            {"from": iso(load.start + begin * 60), "runs": sum(part), "busiest_minute": max(part)}
            for begin in range(0, len(counts), 60)
            for part in [counts[begin : begin + 60]]
        ],
    }
