"""``manage.py celeriac …``: every command of ``celeriac``, for the site that manage.py names."""

import contextlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from celeriac.cli import manage

#: Django's options that ``call_command`` takes as keywords, and the words they stand for.
_FLAGS = {"no_color": "--no-color", "force_color": "--force-color", "traceback": "--traceback"}


class Command(BaseCommand):
    """Hands its words to the command line of ``celeriac``.

    Django's system checks are not its business: a worker runs them itself, in the process that imports the site.
    """

    help = "Background tasks: run them, call them, look after them."
    requires_system_checks: Sequence[str] = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Run as a program; ends with ``SystemExit``. A worker takes this process's place, with the same id."""
        try:
            manage.main_program(_program(argv[0], argv[1]), argv[2:])
        finally:
            connections.close_all()

    def print_help(self, prog_name: str, subcommand: str) -> None:
        """Answer ``manage.py help celeriac``."""
        self.stdout.write(manage.help_page(_program(prog_name, subcommand)))

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return what ``call_command`` asks which keywords there are; it passes every word on."""
        parser = super().create_parser(prog_name, subcommand, add_help=False, **kwargs)
        parse = parser.parse_args
        parser.parse_args = lambda args=None, namespace=None: _with_words(parse([], namespace), args or ())
        return parser

    def handle(self, *words: str, **options: Any) -> None:
        """Run within the caller's process, for ``call_command``.

        What it prints goes to ``stdout`` and ``stderr`` where those are given. Raises ``CommandError``, with the exit
        status as its ``returncode``, when that is not 0.
        """
        given = [flag for name, flag in _FLAGS.items() if options.get(name)]
        given += ["--verbosity", str(options["verbosity"])]
        with contextlib.ExitStack() as stack:
            if options.get("stdout"):
                stack.enter_context(contextlib.redirect_stdout(options["stdout"]))
            if options.get("stderr"):
                stack.enter_context(contextlib.redirect_stderr(options["stderr"]))
            status, error = manage.call([*given, *words])
        if status:
            raise CommandError(
                error or f"celeriac {' '.join(words)} ended with exit status {status}.", returncode=status
            )


def _with_words(namespace: Any, words: Sequence[str]) -> Any:
    namespace.args = list(words)
    return namespace


def _program(path: str, subcommand: str) -> str:
    name = PurePath(path).name
    return f"{'python -m django' if name == '__main__.py' else name} {subcommand}"
