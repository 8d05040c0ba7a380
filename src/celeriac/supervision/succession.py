"""Succession: a new interpreter takes this process's place, under the same process id.

What the process has imported, its threads and its connections are gone; its environment, current directory and standard
streams stay, and modules are found where they were found.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import msgspec
from msgspec import Struct

from celeriac.supervision.interpreter import Surroundings, command, environment
from celeriac.supervision.nameless_file import nameless_file

__all__ = ["become"]

#: The exit status after a Ctrl-C that came before the target could say anything of it.
_INTERRUPTED = 130
_MODULE = "celeriac.supervision.succession"


class _Will(Struct, frozen=True):
    """What the successor reads first."""

    surroundings: Surroundings
    target: str
    arguments: list[str]


def become(target: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by one that calls ``target``, as ``module:function``, with the arguments, a list of text.

    The arguments also show in the list of processes. Raises ``OSError`` when no process can be started.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with nameless_file() as file:
        file.write(msgspec.msgpack.encode(_Will(Surroundings.current(), target, list(arguments))))
        file.flush()
        file.seek(0)
        os.set_inheritable(file.fileno(), True)
        words = command(_MODULE, str(file.fileno()), *arguments)
        os.execve(words[0], words, environment())  # noqa: S606 - no shell is wanted


def main(arguments: Sequence[str]) -> None:
    """Be the successor; the first argument is the descriptor of the file with the will."""
    with os.fdopen(int(arguments[0]), "rb") as file:
        will = msgspec.msgpack.decode(file.read(), type=_Will)
    will.surroundings.take_over()
    module, _, name = will.target.partition(":")
    try:
        target = getattr(importlib.import_module(module), name)
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    target(will.arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
