"""Children that are new interpreters: slower to start than forked ones, and share nothing."""

import os
import subprocess
import threading
from collections.abc import Sequence

import msgspec

from celeriac.supervision.bootstrap import Assignment, FreshStart
from celeriac.supervision.child_process import ChildProcess, open_pidfd
from celeriac.supervision.ending import Ending
from celeriac.supervision.interpreter import Surroundings, command, environment
from celeriac.supervision.lifeline import Lifeline
from celeriac.supervision.nameless_file import nameless_file
from celeriac.supervision.spawner import Spawner, check_target

__all__ = ["FreshSpawner"]


class FreshSpawner(Spawner):
    """Starts a new interpreter for each child.

    ``portable`` uses no more of the system than every POSIX one has, as ``ForkServer`` does.
    """

    def __init__(self, *, portable: bool = False) -> None:
        """Remember the wish."""
        self._portable = portable

    def start(self, target: str, argument: bytes, *, fds: Sequence[int] = (), name: str = "") -> ChildProcess:
        check_target(target)
        lifeline = Lifeline()
        copies: list[int] = []
        try:
            copies.extend(map(os.dup, fds))
            assignment = Assignment(
                target=target,
                argument=argument,
                name=name,
                lifeline=lifeline.child_end,
                fds=copies,
                portable=self._portable,
            )
            process = _run_interpreter(FreshStart(surroundings=Surroundings.current(), assignment=assignment))
            child = _watch(process, assignment, lifeline)
        except BaseException:
            lifeline.cut()
            raise
        finally:
            for descriptor in copies:
                os.close(descriptor)
        lifeline.handed_over()
        lifeline.release()
        return child

    def close(self) -> None:
        """Nothing is held."""


class FreshChild(ChildProcess):
    """A direct child of this process."""

    def __init__(
        self, process: subprocess.Popen[bytes], *, name: str, pidfd: int | None, watched: int, lifeline: Lifeline
    ) -> None:
        super().__init__(process.pid, name=name, pidfd=pidfd, watched=watched, lifeline=lifeline)
        self._process = process

    def _collect(self) -> Ending | None:
        code = self._process.poll()
        return None if code is None else Ending.from_return_code(code)


def _run_interpreter(start: FreshStart) -> subprocess.Popen[bytes]:
    with nameless_file() as file:
        file.write(msgspec.msgpack.encode(start))
        file.flush()
        file.seek(0)
        return subprocess.Popen(
            command("celeriac.supervision.bootstrap", str(file.fileno())),
            stdin=subprocess.DEVNULL,
            env=environment(),
            pass_fds=(file.fileno(), start.assignment.lifeline, *start.assignment.fds),
            start_new_session=True,
        )


def _watch(process: subprocess.Popen[bytes], assignment: Assignment, lifeline: Lifeline) -> FreshChild:
    pidfd = open_pidfd(process.pid, portable=assignment.portable)
    watched = pidfd if pidfd is not None else _pipe_that_ends_with(process)
    return FreshChild(process, name=assignment.name, pidfd=pidfd, watched=watched, lifeline=lifeline)


def _pipe_that_ends_with(process: subprocess.Popen[bytes]) -> int:
    """Return the reading end of a pipe that a thread closes when the process has ended."""
    reading, writing = os.pipe()

    def close_at_end() -> None:
        process.wait()
        os.close(writing)

    threading.Thread(target=close_at_end, name=f"celeriac-watch-{process.pid}", daemon=True).start()
    return reading
