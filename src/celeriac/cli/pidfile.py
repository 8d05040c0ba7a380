"""The file with a worker's process id, for whoever has to send it signals."""

import os
from pathlib import Path
from typing import Self

from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure, say

__all__ = ["Pidfile"]


class Pidfile:
    """Exists as long as the worker runs. A context manager; fails when another process that runs is in the file."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def __enter__(self) -> Self:
        try:
            self._write()
        except FileExistsError:
            self._replace()
        except OSError as error:
            raise Failure(
                f"The pidfile {self._path} cannot be written ({error.strerror}): choose a folder that exists and that "
                "this user may write to.",
                exit_code=exit_codes.MISUSED,
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._owner() == os.getpid():
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        with self._path.open("x", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")

    def _replace(self) -> None:
        owner = self._owner()
        if owner is not None and _runs(owner):
            raise Failure(
                f"The pidfile {self._path} belongs to process {owner}, which runs. Stop that worker, or choose "
                "another file.",
                exit_code=exit_codes.MISUSED,
            )
        say("Note:", f"The pidfile {self._path} was left behind by a process that is gone; replaced.", color="yellow")
        self._path.unlink(missing_ok=True)
        self._write()

    def _owner(self) -> int | None:
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
