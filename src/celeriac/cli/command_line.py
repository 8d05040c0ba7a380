"""The command ``celeriac`` itself: global options, and the table of its commands.

A command's module is imported when the command is used, so that ``celeriac --help`` answers at once and no command
pays for another.
"""

import difflib
import errno
import importlib
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import click

from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure, failure_of, say
from celeriac.cli.session import Session
from celeriac.exceptions import CeleryWarning
from celeriac.version import __version__

__all__ = ["COMMANDS", "SKIP_CHECKS", "CommandLine", "main"]

#: The environment variable by which a worker's processes learn of ``--skip-checks``.
SKIP_CHECKS: Final = "CELERIAC_SKIP_CHECKS"


class _Entry(NamedTuple):
    """Where a command is, and the first sentence of its help."""

    place: str
    help: str


COMMANDS: dict[str, _Entry] = {
    "worker": _Entry("celeriac.cli.worker:worker", "Run tasks."),
    "beat": _Entry("celeriac.cli.beat:beat", "Run the scheduler."),
    "schedule": _Entry("celeriac.cli.schedule:schedule", "Look after periodic tasks."),
    "import-beat": _Entry("celeriac.cli.import_beat:import_beat", "Take over django-celery-beat's periodic tasks."),
    "dev": _Entry("celeriac.cli.dev:dev", "Run site and worker for development."),
    "call": _Entry("celeriac.cli.call:call", "Publish a call of a task."),
    "result": _Entry("celeriac.cli.result:result", "Show what became of a task."),
    "status": _Entry("celeriac.cli.status:status", "Show the nodes and the queues, and who publishes periodic tasks."),
    "queues": _Entry("celeriac.cli.queues:queues", "Show how many messages wait where."),
    "purge": _Entry("celeriac.cli.purge:purge", "Drop the messages that wait."),
    "dead": _Entry("celeriac.cli.dead:dead", "Look after dead letters: messages refused for good."),
    "give-back": _Entry("celeriac.cli.give_back:give_back", "Hand what celeriac holds to Celery."),
    "doctor": _Entry("celeriac.cli.doctor:doctor", "Say what is wrong, and what to do."),
    "report": _Entry("celeriac.cli.report:report", "Print what a bug report needs."),
}


#: Celery's commands that are missing here, and what there is instead.
_OTHERS = {
    "amqp": "It talks to RabbitMQ in AMQP's own words; see celeriac queues, and rabbitmqctl.",
    "control": "Remote control comes in a later release.",
    "events": "It comes in a later release; workers send heartbeats, which Celery's own celery events shows.",
    "graph": "See celeriac status.",
    "inspect": "Remote control comes in a later release; celeriac status and celeriac queues tell much of it.",
    "list": "See celeriac queues.",
    "logtool": "Log lines can be JSON: celeriac worker --json-log.",
    "migrate": "Messages stay where they are: celeriac reads Celery's queues. Back to Celery goes celeriac give-back.",
    "multi": "Let systemd or containers start several workers.",
    "shell": "Import the app in python.",
    "upgrade": "Old names of settings still work; celeriac doctor tells today's.",
}


class CommandLine(click.Group):
    """A group whose commands are in ``COMMANDS``, and whose errors are sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if cmd_name in {"worker", "dev"} and platform.system() == "Windows":
            raise Failure("A worker runs on Linux and macOS. On Windows, run it in WSL.", exit_code=exit_codes.MISUSED)
        module, _, name = entry.place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in _OTHERS:
            ctx.fail(f"celeriac has no command {name!r}. {_OTHERS[name]}")
        if name not in COMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(COMMANDS)}."
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what goes wrong becomes a sentence and an exit status."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                click.echo(err=True)  # ends the line on which the terminal has shown ^C
            ctx.exit(exit_codes.INTERRUPTED)
        except (click.exceptions.Exit, click.exceptions.Abort, click.ClickException):
            raise
        except Exception as error:
            failure = failure_of(error)
            if failure is not None:
                raise failure from error
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            say("Error:", "A bug in celeriac: please report it, with what `celeriac report` prints.", color="red")
            raise


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning of celeriac's as its sentence alone; others as Python does."""
    if issubclass(category, CeleryWarning):
        say("Warning:", str(message), color="yellow")
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, nl=False)


def _change_directory(_context: click.Context, _option: click.Parameter, directory: str | None) -> None:
    if directory is None:
        return
    try:
        os.chdir(directory)
    except OSError as error:
        raise Failure(
            f"--workdir {directory}: {error.strerror}. Name a folder that exists and may be entered.",
            exit_code=exit_codes.MISUSED,
        ) from error


@click.command(
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=exit_codes.SUMMARY,
)
@click.option("-A", "--app", metavar="MODULE[:NAME]", help="The app: its module, if need be with its name in it.")
@click.option("-b", "--broker", metavar="URL", help="The broker, in place of the app's.")
@click.option("--result-backend", metavar="URL", help="The result backend, in place of the app's.")
@click.option(
    "--workdir",
    metavar="FOLDER",
    is_eager=True,
    expose_value=False,
    callback=_change_directory,
    help="Change to this folder first.",
)
@click.option("-C", "--no-color", is_flag=True, help="No colours, also on a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Say no more than necessary.")
@click.option("--loader", hidden=True, expose_value=False, help="Celery's; without effect.")
@click.option("--config", metavar="MODULE", hidden=True, help="The module of settings, as CELERIAC_CONFIG_MODULE.")
@click.option("--skip-checks", is_flag=True, hidden=True, help="As in Celery: a worker runs none of Django's checks.")
@click.version_option(__version__, prog_name="celeriac", message="%(prog)s %(version)s")
@click.pass_context
def main(
    context: click.Context,
    app: str | None,
    broker: str | None,
    result_backend: str | None,
    no_color: bool,
    quiet: bool,
    config: str | None,
    skip_checks: bool = False,
) -> None:
    """Background tasks: run them, call them, look after them.

    Most commands need to know your app: the object made by `app = Celeriac(...)`. Name its module with -A, or in the
    environment variable CELERIAC_APP. In a Django project it is enough that DJANGO_SETTINGS_MODULE is set.
    """
    if config:
        os.environ["CELERIAC_CONFIG_MODULE"] = config
    if skip_checks:
        os.environ[SKIP_CHECKS] = "true"
    if no_color:
        context.color = False
    session = Session(app_name=app, broker_url=broker, result_backend=result_backend, no_color=no_color, quiet=quiet)
    context.obj = session
    context.call_on_close(session.close)
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
