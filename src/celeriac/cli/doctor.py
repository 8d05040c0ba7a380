"""``celeriac doctor``: say what is wrong, and what to do."""

import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from celeriac.checks.engines import check_file
from celeriac.checks.finding import ADDITIONAL, Finding, Grade
from celeriac.cli import exit_codes
from celeriac.cli.checks.engines import check_backend, check_broker
from celeriac.cli.checks.installation import check_installation
from celeriac.cli.checks.schedule import check_schedule
from celeriac.cli.checks.settings import check_app
from celeriac.cli.checks.work import check_work
from celeriac.cli.failures import Failure
from celeriac.cli.output import count_of, print_json
from celeriac.cli.session import Session, pass_session
from celeriac.exceptions import CeleriacError

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["doctor"]

_COLORS = {Grade.OK: "green", Grade.NOTE: "yellow", Grade.WRONG: "red"}
_LABEL_WIDTH = 7
_WIDTH = 100

Section = tuple[str, list[Finding]]


@click.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
@click.pass_context
def doctor(context: click.Context, session: Session, as_json: bool) -> None:
    """Say what is wrong, and what to do.

    Looks at the app and its settings, sends a message and a result of its own there and back, looks at the file of an
    SQLite broker, at nodes, queues, dead letters and periodic tasks. The exit status is 1 if something is wrong.
    """
    sections: list[Section] = []
    for title, findings in _examine(session):
        found = [finding for finding in findings if not (session.quiet and finding.grade is Grade.OK)]
        sections.append((title, found))
        if not as_json and found:
            _print_section(title, found)
    wrong = sum(finding.grade is Grade.WRONG for _, findings in sections for finding in findings)
    if as_json:
        print_json({"wrong": wrong, "findings": [_plain(*each) for each in _flat(sections)]})
    elif wrong:
        click.echo(click.style(f"{count_of(wrong, 'thing is', 'things are')} wrong.", fg="red", bold=True))
    elif not session.quiet:
        click.echo(click.style("Nothing is wrong.", fg="green", bold=True))
    context.exit(exit_codes.FAILED if wrong else 0)


def _examine(session: Session) -> Iterator[Section]:
    """Yield the findings by title; stops where the rest would depend on what is wrong."""
    yield "Installation", list(check_installation())
    try:
        app = session.app(tasks=True)
    except Failure as failure:
        details = f"\n{failure.details}" if failure.details else ""
        yield "App", [Finding(Grade.WRONG, f"{failure.message}{details}")]
        return
    yield "Settings", _guarded(lambda: check_app(app))
    for title, check in ADDITIONAL.items():
        yield title, _guarded(check)
    broker = _guarded(lambda: _check_broker(app))
    yield "Broker", broker
    yield "Results", _guarded(lambda: _check_results(app, broker))
    # The first finding says whether messages go there and back; a server's settings may be wrong and the rest well.
    if not any(finding.grade is Grade.WRONG for finding in broker[:1]):
        yield "Work", _guarded(lambda: _check_work(session))
        schedule = _guarded(lambda: check_schedule(session))
        if schedule:
            yield "Schedule", schedule


def _check_broker(app: "Celeriac") -> Iterator[Finding]:
    yield from check_broker(app.broker, queues=list(app.queues))
    yield from check_file(app.broker_url)


def _check_results(app: "Celeriac", said: Sequence[Finding]) -> Iterator[Finding]:
    yield from check_backend(app.backend, said=said)
    url = app.result_backend_url
    if url is not None and url != app.broker_url:
        yield from check_file(url)


def _check_work(session: Session) -> Iterator[Finding]:
    broker = session.app().broker
    known = session.queues_to_look_at(broker)
    yield from check_work(broker, worker_command=session.command("worker"), queues_known=known)


def _guarded(check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check finds; an error of celeriac's on the way is a finding too."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except CeleriacError as error:
        found.append(Finding(Grade.WRONG, str(error)))
    return found


def _print_section(title: str, findings: Iterable[Finding]) -> None:
    click.echo(click.style(title, bold=True))
    for finding in findings:
        label = click.style(finding.grade.value.ljust(_LABEL_WIDTH), fg=_COLORS[finding.grade], bold=True)
        first, *rest = _wrapped(finding.sentence)
        click.echo(f"  {label}{first}")
        for line in rest:
            click.echo(f"  {' ' * _LABEL_WIDTH}{line}")
    click.echo()


def _wrapped(sentence: str) -> list[str]:
    """Return the lines of a sentence; what follows it on lines of its own (a traceback) stays as it is."""
    first, *rest = sentence.split("\n")
    width = min(_WIDTH, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(first, width - _LABEL_WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return [*lines, *rest]


def _flat(sections: Iterable[Section]) -> Iterator[tuple[str, Finding]]:
    for title, findings in sections:
        for finding in findings:
            yield title, finding


def _plain(title: str, finding: Finding) -> dict[str, str]:
    return {"about": title.lower(), "grade": finding.grade.value, "sentence": finding.sentence}
