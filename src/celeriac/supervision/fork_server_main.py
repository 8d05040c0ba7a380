"""The fork server: the clean, single-threaded process that children are forked from.

The node runs it (``fork_server.ForkServer``) and talks to it over a Unix socket. It imports what it is told to, says
that it is ready, then forks a child for each request, reaps what ends and reports the status. It ends when told to, or
when the node is gone, and then takes its children along.
"""

import errno
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from celeriac.exceptions import ImproperlyConfigured
from celeriac.supervision import bootstrap, frames
from celeriac.supervision.bootstrap import Assignment
from celeriac.supervision.child_process import open_pidfd
from celeriac.supervision.lifeline import tie_by_kernel
from celeriac.supervision.os_signals import OsSignals
from celeriac.supervision.preloading import preload
from celeriac.supervision.process_control import adopt_orphans
from celeriac.supervision.report import REPORT

__all__ = ["main"]


#: The node alone decides when it is time; a whole control group or terminal may be sent these.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Dispositions:
    """The server's own OS signal dispositions, and the way back to those that children start with."""

    def __init__(self) -> None:
        self.children = OsSignals([signal.SIGCHLD])
        self._former: dict[int, Any] = {}

    def ignore(self) -> None:
        for number in _IGNORED:
            self._former[number] = signal.signal(number, signal.SIG_IGN)

    def restore(self) -> None:
        """Go back, in a child. SIGCHLD must not be ignored there: a task could not wait for its subprocesses."""
        self.children.restore()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, handler in self._former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class Server:
    """Serves one node. Holds a report pipe for each child that has not been reaped."""

    def __init__(self, connection: socket.socket, dispositions: Dispositions, *, lifeline: int, portable: bool) -> None:
        self._connection = connection
        self._dispositions = dispositions
        self._lifeline = lifeline
        self._reports: dict[int, int] = {}
        self._portable = portable

    def serve(self) -> Assignment | None:
        """Serve until the end, then return None; in a forked child, return what it is there for."""
        signals = self._dispositions.children
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            selector.register(signals, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if signals.fileno() in ready:
                    signals.drain()
                    self._reap()
                if self._connection.fileno() not in ready:
                    continue
                try:
                    frame, descriptors = frames.receive_from_node(self._connection)
                except (EOFError, OSError):
                    self._follow_node()
                    return None
                if not isinstance(frame, frames.Start):
                    return None
                if assignment := self._start(frame, descriptors):
                    return assignment
                del frame  # It may hold megabytes.

    def _start(self, start: frames.Start, descriptors: list[int]) -> Assignment | None:
        try:
            if len(descriptors) != start.descriptors:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            pid = _fork()
        except OSError as error:
            _close(descriptors)
            self._answer(frames.Refusal(message=str(error.strerror), error_number=error.errno or 0))
            return None
        lifeline, report, *own = descriptors
        if pid == 0:
            self._let_go()
            _reseed()
            if _has_pidfds(portable=self._portable):
                os.close(report)
            # Else both keep the report open, so that it ends when the server has died and then the child.
            return Assignment(
                target=start.target,
                argument=start.argument,
                name=start.name,
                lifeline=lifeline,
                fds=own,
                portable=self._portable,
            )
        self._reports[pid] = report
        _close([lifeline, *own])
        pidfd = open_pidfd(pid, portable=self._portable)
        pidfds = [] if pidfd is None else [pidfd]
        self._answer(frames.Started(pid), pidfds)
        _close(pidfds)
        return None

    def _let_go(self) -> None:
        """Close, in a child, what belongs to the server and to other children."""
        self._dispositions.restore()
        self._connection.close()
        _close([self._lifeline, *self._reports.values()])

    def _answer(self, frame: frames.FromServer, descriptors: Sequence[int] = ()) -> None:
        with suppress(OSError):  # The node is gone; the next receive says so.
            frames.send(self._connection, frame, descriptors)

    def _reap(self) -> None:
        """Report every child that has ended, and forget the orphans that were adopted."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                report = self._reports.pop(pid, None)
                if report is not None:
                    with suppress(OSError):  # The node has forgotten this child.
                        os.write(report, REPORT.pack(status))
                    os.close(report)

    def _follow_node(self) -> None:
        """The node is gone: kill the children. Their lifelines do so too, but not everywhere as surely."""
        for pid in self._reports:  # Not reaped, so the number is still theirs.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def main(arguments: Sequence[str]) -> None:
    """Serve the node at the other end of the connection; both descriptors are the arguments."""
    connection = socket.socket(fileno=int(arguments[0]))
    lifeline = int(arguments[1])
    for descriptor in (connection.fileno(), lifeline):
        os.set_inheritable(descriptor, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    dispositions = Dispositions()
    dispositions.ignore()
    boot = _receive_boot(connection)
    if boot is None:
        return
    if not boot.portable:
        tie_by_kernel(lifeline)
    answer = _boot(boot)
    adopt_orphans()
    dispositions.children.install()
    with suppress(OSError):  # The node is gone; the server sees it soon enough.
        frames.send(connection, answer)
    if isinstance(answer, frames.Refusal):
        return
    assignment = Server(connection, dispositions, lifeline=lifeline, portable=boot.portable).serve()
    if assignment is not None:
        bootstrap.run(assignment)
    connection.close()


def _receive_boot(connection: socket.socket) -> frames.Boot | None:
    try:
        frame, _ = frames.receive_from_node(connection)
    except (EOFError, OSError):  # The node is gone already.
        return None
    return frame if isinstance(frame, frames.Boot) else None


def _boot(boot: frames.Boot) -> frames.Ready | frames.Refusal:
    boot.surroundings.take_over()
    try:
        preload(boot.preload)
    except ImproperlyConfigured as error:
        details = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
        return frames.Refusal(message=str(error), details=details)
    # What is there now stays for ever: keep the collector from touching, and so copying, pages shared with children.
    gc.collect()
    gc.freeze()
    return frames.Ready()


def _has_pidfds(*, portable: bool) -> bool:
    pidfd = open_pidfd(os.getpid(), portable=portable)
    _close([] if pidfd is None else [pidfd])
    return pidfd is not None


def _fork() -> int:
    """Fork with OS signals held back: the child lets them in when its dispositions are its own."""
    _flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = -1
    try:
        pid = os.fork()
        return pid
    finally:
        if pid != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _reseed() -> None:
    """Give a child random numbers of its own; Python's own module sees to itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _flush() -> None:
    """Write out what is buffered, so that no child writes it again."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1:])
