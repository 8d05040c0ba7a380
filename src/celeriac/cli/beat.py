"""``celeriac beat``: run the scheduler."""

import contextlib
from pathlib import Path

import click

from celeriac.beat.service import run_beat
from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure, say
from celeriac.cli.logfile import log_to
from celeriac.cli.output import duration
from celeriac.cli.parameters import LOG_LEVEL
from celeriac.cli.pidfile import Pidfile
from celeriac.cli.scheduler_view import view_of
from celeriac.cli.session import Session, pass_session
from celeriac.log import LogSettings, setup_logging
from celeriac.worker.main import node_name

__all__ = ["beat"]


@click.command()
@click.option("-l", "--loglevel", type=LOG_LEVEL, metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR.  [default: INFO]")
@click.option("-f", "--logfile", metavar="FILE", help="Append the log to this file.")
@click.option("--json-log", is_flag=True, help="Log lines of JSON.")
@click.option("--pidfile", type=click.Path(path_type=Path, dir_okay=False), help="Write the process id to this file.")
@click.option("--health", is_flag=True, help="Run nothing; say whether a scheduler works, by the exit status too.")
@click.option("--max-interval", type=click.FloatRange(min=0), metavar="SECONDS", help="Look at least this often.")
@click.option("-s", "--schedule", "file", metavar="FILE", help="Where the timetable is, if no server keeps it.")
@click.option("-S", "--scheduler", hidden=True)
@click.option("--detach", is_flag=True, hidden=True)
@click.option("--uid", hidden=True)
@click.option("--gid", hidden=True)
@click.option("--umask", hidden=True)
@pass_session
def beat(
    session: Session,
    /,
    loglevel: str | None,
    logfile: str | None,
    json_log: bool,
    pidfile: Path | None,
    health: bool,
    max_interval: float | None,
    file: str | None,
    scheduler: str | None,
    detach: bool,
    **_: object,
) -> None:
    """Run the scheduler.

    It publishes periodic tasks when they are due, until told to stop by Ctrl-C or SIGTERM. It may run on any number of
    machines: each run is published once. A worker does the same beside its own work with -B.
    """
    if detach:
        raise Failure(
            "A scheduler does not put itself into the background (--detach): let systemd or a container do that.",
            exit_code=exit_codes.MISUSED,
        )
    if not session.names_app:
        session.choice()  # fails, with the cure
    app = session.app(tasks=True)
    if scheduler:
        app.conf.override({"beat_scheduler": scheduler})
    if file:
        app.conf.override({"beat_schedule_filename": file})
    if health:
        _say_health(session)
        return
    with contextlib.ExitStack() as stack:
        if pidfile is not None:
            stack.enter_context(Pidfile(pidfile))
        if logfile:
            log_to(logfile, node=node_name(None))
        level = (loglevel or ("WARNING" if session.quiet else "INFO")).upper()
        setup_logging(LogSettings.from_settings(app.conf, level=level, **({"json": True} if json_log else {})))
        run_beat(app, max_interval=max_interval)


def _say_health(session: Session) -> None:
    view = view_of(session.timetable())
    if view.leader is None:
        raise Failure("No scheduler runs. Start `celeriac beat`, or a worker with -B.", exit_code=exit_codes.FAILED)
    if view.is_behind:
        raise Failure(
            f"The scheduler {view.leader} is behind: what is due longest has waited for {duration(view.overdue)}. "
            "Its log says why.",
            exit_code=exit_codes.FAILED,
        )
    say("Well:", f"{view.leader} publishes what is due.", color="green")
