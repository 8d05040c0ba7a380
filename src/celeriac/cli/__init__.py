"""The command line: ``celeriac``, also ``python -m celeriac``."""

from celeriac.cli.command_line import main

__all__ = ["main"]
