"""A worker's log in a file: standard output and error of all its processes are appended to it."""

import os
import sys
from pathlib import Path

from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure

__all__ = ["log_to"]


def log_to(name: str, *, node: str) -> None:
    """Append what this process and its children write to a file, from now on.

    ``%n``, ``%h`` and ``%d`` in the file's name stand for the parts of the node's name, as in Celery.
    """
    path = Path(_filled_in(name, node))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise Failure(
            f"The log file {path} cannot be written ({error.strerror}): choose a file that this user may write to.",
            exit_code=exit_codes.MISUSED,
        ) from error
    sys.stdout.flush()
    sys.stderr.flush()
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _filled_in(name: str, node: str) -> str:
    if "%i" in name or "%I" in name or "%p" in name:
        raise Failure(
            f"--logfile {name}: all processes of a worker write to one file; leave out %i, %I and %p.",
            exit_code=exit_codes.MISUSED,
        )
    first, _, host = node.partition("@")
    domain = host.partition(".")[2]
    return name.replace("%n", first).replace("%h", node).replace("%d", domain).replace("%%", "%")
