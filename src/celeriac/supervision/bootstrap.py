"""What runs first in a new child, and ends it. Also the program that ``FreshSpawner`` runs."""

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

import msgspec
from msgspec import Struct

from celeriac.supervision import lifeline
from celeriac.supervision.interpreter import Surroundings
from celeriac.supervision.process_control import set_process_name

__all__ = ["TARGET_NOT_FOUND", "Assignment", "FreshStart", "run"]

#: The exit status of a child whose target cannot be imported.
TARGET_NOT_FOUND = 127

Target = Callable[[bytes, list[int]], object]


class Assignment(Struct, frozen=True, kw_only=True):
    """What a new child is there for."""

    target: str
    argument: bytes
    name: str
    lifeline: int
    fds: list[int]
    portable: bool


class FreshStart(Struct, frozen=True, kw_only=True):
    """What a new interpreter reads first."""

    surroundings: Surroundings
    assignment: Assignment


def run(assignment: Assignment) -> NoReturn:
    """Wait for the node's release, call the target, and exit: never returns, whatever the target does."""
    status = 1
    try:
        _leave_session()
        if lifeline.wait_for_release(assignment.lifeline):
            lifeline.tie(assignment.lifeline, portable=assignment.portable)
            _unblock_signals()
            _buffer_by_line()
            if assignment.name:
                set_process_name(assignment.name)
            status = _call(assignment)
    finally:
        _flush()
        os._exit(status)


def _leave_session() -> None:
    with suppress(PermissionError):  # Already the leader of its own.
        os.setsid()


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _buffer_by_line() -> None:
    """Let what a task prints be seen when it prints it, also when stdout is a file or a pipe."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # None, replaced by something else, or closed.
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _call(assignment: Assignment) -> int:
    try:
        target = _find(assignment.target)
    except BaseException as error:  # noqa: BLE001 - this is the end of the process, whatever was raised
        child = f"The child {assignment.name!r}" if assignment.name else "A child"
        _complain(
            f"{traceback.format_exc()}{child} has nothing to run: {assignment.target!r} cannot be"
            f" imported ({type(error).__name__}: {error}).\n"
        )
        return TARGET_NOT_FOUND
    try:
        target(assignment.argument, assignment.fds)
    except SystemExit as error:
        return _exit_status(error.code)
    except BaseException:  # noqa: BLE001 - the same
        _complain(traceback.format_exc())
        return 1
    return 0


def _find(target: str) -> Target:
    module, _, name = target.partition(":")
    found: Target = getattr(importlib.import_module(module), name)
    return found


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    _complain(f"{code}\n")
    return 1


def _complain(text: str) -> None:
    with suppress(Exception):  # stderr is closed, None, or something of the user's.
        sys.stderr.write(text)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the assignment in the file whose descriptor is the only argument."""
    with os.fdopen(int(arguments[0]), "rb") as file:
        start = msgspec.msgpack.decode(file.read(), type=FreshStart)
    for descriptor in (start.assignment.lifeline, *start.assignment.fds):
        os.set_inheritable(descriptor, False)
    start.surroundings.take_over()
    run(start.assignment)


if __name__ == "__main__":
    main(sys.argv[1:])
