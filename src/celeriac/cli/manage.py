"""The command line as ``manage.py celeriac``: the same commands, and Django's own options beside theirs.

Django's options (``--settings``, ``--pythonpath``, ``-v``, ``--no-color``, ``--force-color``, ``--traceback``,
``--skip-checks``) may stand before a command's name or behind it. The rule where both have one of the same name: behind
the name of a command its own options win; ``result --traceback`` shows a task's traceback.

The commands that run for long, ``worker`` and ``dev``, take the place of manage.py's process, which has the whole site
in it: so a node runs no code of the user's, as always, and an OS signal to manage.py's process id is one to the node.
"""

import copy
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import click

from celeriac.cli.command_line import SKIP_CHECKS, CommandLine, main
from celeriac.cli.session import Session
from celeriac.supervision import succession

__all__ = ["call", "help_page", "main_program", "run"]

#: Commands that must not run in a process that has the site in it.
_LONG: Final = frozenset({"dev", "worker"})
_TRACEBACK: Final = "celeriac.traceback"
_HELP: Final = """Background tasks: run them, call them, look after them.

These are the commands of `celeriac`, for this site. Options of Django's may also follow a command's name; where the
command has one of that name itself, its own is meant.
"""


class _ManageCommandLine(CommandLine):
    """``celeriac`` with Django's options; ``directory`` is where it was started."""

    may_replace_process = False
    words: Sequence[str] = ()
    directory = ""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:
        self.words = [info_name or "", *args]
        self.directory = os.getcwd()  # noqa: PTH109 - handed back to the system as it is
        return super().make_context(info_name, args, *more, **extra)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None:
            return None
        command = _with_djangos_options(command)
        if self.may_replace_process and cmd_name in _LONG:
            command.callback = self._replace_process
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """With ``--traceback``, an error's sentence comes after its traceback."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if ctx.meta.get(_TRACEBACK):
                traceback.print_exception(error)
            raise

    def _replace_process(self, *_: Any, **__: Any) -> NoReturn:
        os.chdir(self.directory)  # --workdir is obeyed once more
        succession.become("celeriac.cli.manage:run", self.words)


def _command_line(*, may_replace_process: bool = False) -> _ManageCommandLine:
    """Return the command line, for one use."""
    line = _ManageCommandLine(
        name=main.name,
        callback=main.callback,
        params=[_without_need(option) for option in main.params if option.name != "skip_checks"],
        help=_HELP,
        epilog=main.epilog,
        context_settings=main.context_settings,
    )
    line.params += _djangos_options(taken=_option_names(line), hidden=False)
    line.may_replace_process = may_replace_process
    return line


def main_program(program: str, words: Sequence[str]) -> NoReturn:
    """Run as ``manage.py celeriac``, which is the ``program``; a long command takes this process's place."""
    sys.exit(_command_line(may_replace_process=True).main(list(words), prog_name=program))


def run(words: Sequence[str]) -> NoReturn:
    """Go on in a new process: the words are the program's name and what follows it."""
    sys.exit(_command_line().main(list(words[1:]), prog_name=words[0]))


def call(words: Sequence[str]) -> tuple[int, str]:
    """Run within this process, which goes on; return the exit status and what is wrong, if that is known."""
    try:
        return _command_line().main(list(words), prog_name="celeriac", standalone_mode=False) or 0, ""
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        return error.exit_code, click.unstyle(shown.getvalue()).strip().removeprefix("Error: ")


def help_page(program: str) -> str:
    """Return what ``--help`` prints."""
    line = _command_line()
    with line.make_context(program, [], resilient_parsing=True) as context:
        return line.get_help(context)


def _without_need(option: click.Parameter) -> click.Parameter:
    """Hide what manage.py has decided already."""
    if option.name != "app":
        return option
    option = copy.copy(option)
    option.hidden = True  # type: ignore[attr-defined]  # an option's
    return option


def _with_djangos_options(command: click.Command) -> click.Command:
    """Return a copy of a command, and of all below it, that takes Django's options too."""
    command = copy.copy(command)
    command.params = [*command.params, *_djangos_options(taken=_option_names(command), hidden=True)]
    if isinstance(command, click.Group):
        command.commands = {name: _with_djangos_options(below) for name, below in command.commands.items()}
    return command


def _option_names(command: click.Command) -> set[str]:
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)}


def _djangos_options(*, taken: set[str], hidden: bool) -> list[click.Parameter]:
    options: list[click.Parameter] = []
    for names, obey, attributes in _OPTIONS:
        free = [name for name in names if name not in taken]
        if free:
            own_name = f"django_{names[-1].strip('-').replace('-', '_')}"
            more = {**attributes, "expose_value": False, "is_eager": True, "hidden": hidden}
            options.append(click.Option([own_name, *free], callback=obey, **more))
    return options


def _set_settings(_context: click.Context, _option: click.Parameter, module: str | None) -> None:
    if module:
        os.environ["DJANGO_SETTINGS_MODULE"] = module


def _add_path(_context: click.Context, _option: click.Parameter, directory: str | None) -> None:
    if directory and directory not in sys.path:
        sys.path.insert(0, directory)


def _set_verbosity(context: click.Context, _option: click.Parameter, level: int | None) -> None:
    """0 is celeriac's --quiet; from 2 on a worker tells everything, unless --loglevel says otherwise."""
    session = context.find_object(Session)
    if level == 0 and session is not None:
        session.quiet = True
    elif level == 0:
        _set_default(context, {"quiet": True})
    elif level is not None and level > 1:
        more = {"loglevel": "DEBUG"}
        _set_default(context, more if session is not None else dict.fromkeys(_LONG, more))


def _set_default(context: click.Context, values: dict[str, Any]) -> None:
    context.default_map = {**(context.default_map or {}), **values}


def _set_no_color(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.find_root().color = context.color = False
        session = context.find_object(Session)
        if session is not None:
            session.no_color = True


def _set_force_color(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.find_root().color = context.color = True


def _set_traceback(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[_TRACEBACK] = True


def _skip_checks(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        os.environ[SKIP_CHECKS] = "true"


#: Django's options: names, what obeys them, and how click is to read them.
_OPTIONS: Final[tuple[tuple[tuple[str, ...], Callable[..., None], dict[str, Any]], ...]] = (
    (("-v", "--verbosity"), _set_verbosity, {"type": click.IntRange(0, 3), "help": "Django's: 0 says little, 2 much."}),
    (("--settings",), _set_settings, {"metavar": "MODULE", "help": "Django's: the module of settings."}),
    (("--pythonpath",), _add_path, {"metavar": "FOLDER", "help": "Django's: a folder with modules."}),
    (("--no-color",), _set_no_color, {"is_flag": True}),
    (("--force-color",), _set_force_color, {"is_flag": True, "help": "Django's: colours, also in a file or pipe."}),
    (("--traceback",), _set_traceback, {"is_flag": True, "help": "Django's: show an error's traceback."}),
    (("--skip-checks",), _skip_checks, {"is_flag": True, "help": "Start a worker without Django's system checks."}),
)
