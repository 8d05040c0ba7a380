"""``celeriac worker``: run tasks."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure, say
from celeriac.cli.logfile import log_to
from celeriac.cli.parameters import COUNT, LOG_LEVEL, QUEUES, SECONDS, SLOTS, flat
from celeriac.cli.pidfile import Pidfile
from celeriac.cli.session import Session, pass_session
from celeriac.config_loading import parse_assignments
from celeriac.worker.main import node_name, run_worker
from celeriac.worker.options import Reload, WorkerOptions

__all__ = ["worker"]

#: Options of Celery's that say nothing here, and why.
_WITHOUT_EFFECT: Final = {
    "without_gossip": "--without-gossip has no effect: nodes do not gossip.",
    "without_mingle": "--without-mingle has no effect: nodes do not ask each other anything when they start.",
    "optimization": "",
    "task_events": "-E has no effect yet: events come in a later release.",
    "pool_start_method": "--pool-start-method has no effect here: see the setting worker_pool_start_method.",
}
#: Options of Celery's that would change what happens, and what to do instead.
_NOT_YET: Final = {
    "autoscale": "Autoscaling (--autoscale) comes in a later release; choose a fixed number with -c.",
    "detach": "A worker does not put itself into the background (--detach): let systemd or a container do that.",
    "statedb": "Revoked tasks (--statedb) come in a later release.",
}

#: What ``-B`` has the app process run.
_BEAT: Final = "celeriac.beat.service:beside_node"
_BEAT_IN_DEVELOPMENT: Final = "celeriac.beat.service:beside_developed_node"

_queues_option = click.option(
    "-Q", "--queues", type=QUEUES, multiple=True, help="Take from these queues only, parted by commas."
)


def _celery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take Celery's options that do nothing here, unseen in the help."""
    for decorate in (
        click.option("--without-gossip", is_flag=True, hidden=True),
        click.option("--without-mingle", is_flag=True, hidden=True),
        click.option("-O", "optimization", hidden=True),
        click.option("-E", "--task-events", "--events", is_flag=True, hidden=True),
        click.option("--pool-start-method", hidden=True),
        click.option("--scheduler", hidden=True),
        click.option("--autoscale", hidden=True),
        click.option("-D", "--detach", is_flag=True, hidden=True),
        click.option("-S", "--statedb", hidden=True),
    ):
        command = decorate(command)
    return command


@click.command()
@click.option("-c", "--concurrency", type=SLOTS, metavar="NUMBER", help="Slots.  [default: one for each processor]")
@click.option(
    "-P",
    "--pool",
    metavar="EXECUTOR",
    help="Where `def` tasks run: processes, threads or solo.  [default: processes]",
)
@_queues_option
@click.option("-X", "--exclude-queues", type=QUEUES, multiple=True, help="Take from all queues but these.")
@click.option("-I", "--include", type=QUEUES, metavar="MODULES", multiple=True, help="Import these modules as well.")
@click.option("-n", "--hostname", metavar="NAME", help="The node's name; %h, %n, %d: host, its first part, the rest.")
@click.option(
    "-l",
    "--loglevel",
    type=LOG_LEVEL,
    metavar="LEVEL",
    help="DEBUG, INFO, WARNING, ERROR.  [default: INFO]",
)
@click.option("-f", "--logfile", metavar="FILE", help="Append the log to this file.")
@click.option("--json-log", is_flag=True, help="Log lines of JSON.")
@click.option("--time-limit", type=SECONDS, metavar="SECONDS", help="Kill a task that runs longer.")
@click.option("--soft-time-limit", type=SECONDS, metavar="SECONDS", help="Interrupt a task that runs longer.")
@click.option("--max-tasks-per-child", type=COUNT, metavar="NUMBER", help="Replace a child after so many tasks.")
@click.option("--max-memory-per-child", type=COUNT, metavar="KIB", help="Replace a child that is larger.")
@click.option("--shutdown-timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="What runs may end so long.")
@click.option("--prefetch-multiplier", type=click.IntRange(min=0), metavar="NUMBER", help="Bound of the read-ahead.")
@click.option("--disable-prefetch", is_flag=True, help="Read nothing ahead.")
@click.option(
    "--heartbeat-interval",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=2.0,
    show_default=True,
    help="Tell Flower and other monitors this often.",
)
@click.option("--without-heartbeat", is_flag=True, help="Tell them nothing.")
@click.option("-B", "--beat", is_flag=True, help="Run the scheduler too. Safe on any number of workers.")
@click.option(
    *("-s", "--schedule", "--schedule-filename"),
    metavar="FILE",
    help="Where the scheduler's timetable is, if no server keeps it.",
)
@click.option("--purge", "--discard", is_flag=True, help="Drop first what waits in the queues, without asking.")
@click.option("--pidfile", type=click.Path(path_type=Path, dir_okay=False), help="Write the process id to this file.")
@click.option("--reload", is_flag=True, help="For development: take up the code anew when it changes.")
@click.option(
    "--in-development", is_flag=True, hidden=True, help="--reload unless DEBUG is False, and short log lines."
)
@click.argument("settings", metavar="[SETTING=VALUE]...", nargs=-1)
@_celery_options
@pass_session
def worker(session: Session, /, settings: tuple[str, ...], **given: Any) -> None:
    """Run tasks.

    Until told to stop: Ctrl-C (or SIGTERM) finishes what runs and stops; a second one stops at once and gives back what
    runs. Settings may follow the options: worker_async_concurrency=500.
    """
    if not session.names_app:
        session.choice()  # fails, with the cure
    _refuse_and_note(given, quiet=session.quiet)
    options = _options(session, settings, given)
    with contextlib.ExitStack() as stack:
        if given["pidfile"] is not None:
            stack.enter_context(Pidfile(given["pidfile"]))
        if given["logfile"]:
            log_to(given["logfile"], node=node_name(given["hostname"]))
        run_worker(options)


def _options(session: Session, settings: tuple[str, ...], given: dict[str, Any]) -> WorkerOptions:
    hard, soft = given["time_limit"], given["soft_time_limit"]
    if hard is not None and soft is not None and soft >= hard:
        raise Failure(
            f"--soft-time-limit {soft:g} comes too late: after {hard:g} s --time-limit kills the task.",
            exit_code=exit_codes.MISUSED,
        )
    choice = session.choice()
    return WorkerOptions(
        app=choice.name,
        loader=choice.loader,
        hostname=given["hostname"],
        executor=given["pool"],
        concurrency=given["concurrency"],
        queues=flat(given["queues"]),
        exclude_queues=flat(given["exclude_queues"]),
        include=flat(given["include"]),
        broker=session.broker_url,
        result_backend=session.result_backend,
        time_limit=hard,
        soft_time_limit=soft,
        max_tasks_per_child=given["max_tasks_per_child"],
        max_memory_per_child=given["max_memory_per_child"],
        prefetch_multiplier=1 if given["disable_prefetch"] else given["prefetch_multiplier"],
        shutdown_timeout=given["shutdown_timeout"],
        loglevel=(given["loglevel"] or ("WARNING" if session.quiet else "INFO")).upper(),
        log_json=given["json_log"],
        log_brief=given["in_development"],
        color=click.get_current_context().color,
        heartbeat_interval=0.0 if given["without_heartbeat"] else given["heartbeat_interval"],
        purge=given["purge"],
        reload=_reload(given),
        companions=_companions(given),
        settings=parse_assignments(settings) | _beat_settings(given),
    )


def _companions(given: dict[str, Any]) -> tuple[str, ...]:
    if not given["beat"]:
        return ()
    return (_BEAT_IN_DEVELOPMENT if given["in_development"] else _BEAT,)


def _beat_settings(given: dict[str, Any]) -> dict[str, Any]:
    named = {"beat_schedule_filename": given["schedule"], "beat_scheduler": given["scheduler"]}
    return {name: value for name, value in named.items() if value}


def _refuse_and_note(given: dict[str, Any], *, quiet: bool) -> None:
    """Take Celery's options out of what is given: refuse some, say of the others that they change nothing."""
    refused = [sentence for name, sentence in _NOT_YET.items() if given.pop(name)]
    if refused:
        raise Failure(" ".join(refused), exit_code=exit_codes.MISUSED)
    for name, sentence in _WITHOUT_EFFECT.items():
        if given.pop(name) and sentence and not quiet:
            say("Note:", sentence, color="yellow")


def _reload(given: dict[str, Any]) -> Reload:
    if given["reload"]:
        return Reload.ALWAYS
    return Reload.IN_DEVELOPMENT if given["in_development"] else Reload.NEVER
