"""Children forked from a clean process: fast to start, and never a copy of a process with threads or connections."""

import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from celeriac.exceptions import ImproperlyConfigured
from celeriac.supervision import frames
from celeriac.supervision.child_process import ChildProcess, is_readable
from celeriac.supervision.ending import UNKNOWN_ENDING, Ending
from celeriac.supervision.interpreter import Surroundings, command, environment
from celeriac.supervision.lifeline import Lifeline
from celeriac.supervision.process_control import adopt_orphans
from celeriac.supervision.report import REPORT
from celeriac.supervision.spawner import Spawner, check_target

__all__ = ["ForkServer"]

#: Seconds within which a server that was told to end does so.
_END_PATIENCE = 1.0
#: Seconds within which a child's exit status follows the news of its death.
_REPORT_PATIENCE = 5.0
#: Servers that may be lost over one start before it fails.
_ATTEMPTS = 3


class ForkServer(Spawner):
    """Keeps one fork server and asks it for children.

    The server is started by ``open`` or the first ``start``, in a session of its own. When it dies, its children live
    on and are still watched, and the next ``start`` starts a new server. This process then becomes their parent (on
    Linux it declares itself the one that adopts orphans), which is how it learns their exit statuses. ``close`` ends
    the server and no child: whoever started the children ends them.

    ``preload`` names modules (``"module"``, or ``"module:function"`` to call a function too) that the server imports
    before it serves. A preloaded module that leaves threads or sockets open is refused.

    ``portable`` uses no more of the system than every POSIX one has, as on macOS: endings are learned over pipes, and a
    child whose interpreter lock is held by C code outlives its node until that ends, unless the server kills it.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = (),
        boot_timeout: float = 120.0,
        start_timeout: float = 30.0,
        portable: bool = False,
    ) -> None:
        """Remember what is needed; nothing is started. Both timeouts are in seconds."""
        self._preload = list(preload)
        self._portable = portable
        self._boot_timeout = boot_timeout
        self._start_timeout = start_timeout
        self._server: _Server | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The server's process id; None before the first start and after ``close``."""
        server = self._server
        return server.process.pid if server else None

    def open(self) -> None:
        """Start the server and wait until it is ready. Safe to call twice.

        Raises ``ImproperlyConfigured`` when a module cannot be preloaded, ``ChildProcessError`` when the server dies
        over it, ``TimeoutError`` after ``boot_timeout`` seconds.
        """
        with self._lock:
            self._ready_server()

    def start(self, target: str, argument: bytes, *, fds: Sequence[int] = (), name: str = "") -> ChildProcess:
        """See ``Spawner.start``; raises what ``open`` raises too."""
        check_target(target)
        if len(fds) > frames.MAX_DESCRIPTORS - 2:
            raise ValueError(f"{len(fds)} descriptors are too many: a child can be given {frames.MAX_DESCRIPTORS - 2}.")
        start = frames.Start(target=target, argument=argument, name=name, descriptors=len(fds) + 2)
        with self._lock:
            for _ in range(_ATTEMPTS):
                server = self._ready_server()
                try:
                    return server.start(start, fds)
                except (EOFError, ConnectionError, TimeoutError):
                    ending = self._drop_server()
                except _RefusedError as refused:
                    raise refused.error from None
                except BaseException:
                    # The exchange was cut in two; nobody knows what the next answer would belong to.
                    self._drop_server()
                    raise
        raise ChildProcessError(
            f"No child could be started: the fork server was lost {_ATTEMPTS} times; the last one {ending.describe()}."
        )

    def close(self) -> None:
        """End the server. Its children are not ended by that. Safe to call twice; ``start`` fails afterwards."""
        with self._lock:
            self._closed = True
            if self._server:
                self._server.end()
                self._server = None

    def _ready_server(self) -> "_Server":
        if self._closed:
            raise RuntimeError("The fork server is closed; make a new ForkServer.")
        if self._server and self._server.process.poll() is not None:
            self._drop_server()
        if not self._server:
            adopt_orphans()
            self._server = _Server()
            try:
                boot = frames.Boot(surroundings=Surroundings.current(), preload=self._preload, portable=self._portable)
                self._server.boot(boot, self._boot_timeout)
            except BaseException:
                self._drop_server()
                raise
            self._server.set_timeout(self._start_timeout)
        return self._server

    def _drop_server(self) -> Ending:
        server, self._server = self._server, None
        return server.kill() if server else UNKNOWN_ENDING


class ForkedChild(ChildProcess):
    """A child of the fork server, or an orphan of one that has died."""

    def __init__(
        self, pid: int, *, name: str, pidfd: int | None, report: int, lifeline: Lifeline, server: "_Server"
    ) -> None:
        super().__init__(pid, name=name, pidfd=pidfd, watched=report if pidfd is None else pidfd, lifeline=lifeline)
        self._report = report
        self._server = server

    def _collect(self) -> Ending | None:
        """Ask the server, which reaps; when it has died, this process is the parent."""
        if not is_readable(self._report, _REPORT_PATIENCE):  # The server is stopped or stuck.
            return UNKNOWN_ENDING
        if report := os.read(self._report, REPORT.size):
            return Ending.from_wait_status(*REPORT.unpack(report))
        self._server.wait(_END_PATIENCE)
        return self._collect_adopted()

    def _collect_adopted(self) -> Ending | None:
        try:
            if self._pidfd is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                return Ending.from_wait_status(status) if pid else None
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:  # Somebody else has reaped it.
            return UNKNOWN_ENDING
        if result is None:
            return None
        if result.si_code == os.CLD_EXITED:
            return Ending(result.si_status, None)
        return Ending(None, result.si_status)

    def _release(self) -> None:
        if self._report != self._watched:
            os.close(self._report)
        super()._release()


class _RefusedError(Exception):
    """The server is well, but the child cannot be."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _open_pipes() -> tuple[Lifeline, int, int]:
    """Return a child's lifeline, and its report's reading and writing ends."""
    try:
        lifeline = Lifeline()
        try:
            return lifeline, *os.pipe()
        except OSError:
            lifeline.cut()
            raise
    except OSError as error:
        raise _RefusedError(error) from None


class _Server:
    """One fork server process and the connection to it. Used under its owner's lock, except ``wait``."""

    def __init__(self) -> None:
        with ExitStack() as undo:
            self._lifeline = Lifeline()
            undo.callback(self._lifeline.cut)
            self._connection, theirs = socket.socketpair()
            undo.callback(self._connection.close)
            with theirs:
                descriptors = (theirs.fileno(), self._lifeline.child_end)
                self.process = subprocess.Popen(
                    command("celeriac.supervision.fork_server_main", *map(str, descriptors)),
                    stdin=subprocess.DEVNULL,
                    env=environment(),
                    pass_fds=descriptors,
                    start_new_session=True,
                )
            undo.pop_all()
        self._lifeline.handed_over()

    def boot(self, boot: frames.Boot, timeout: float) -> None:
        """Wait until the server is ready; raises what ``ForkServer.open`` does."""
        self.set_timeout(timeout)
        try:
            frames.send(self._connection, boot)
            answer, _ = frames.receive_from_server(self._connection)
        except TimeoutError:
            raise TimeoutError(f"The fork server was not ready in {timeout:g} s; preloading {boot.preload}.") from None
        except (EOFError, ConnectionError):
            raise ChildProcessError(
                f"The fork server {self.kill().describe()} before it was ready, preloading {boot.preload}."
                " Its own words are on stderr."
            ) from None
        if isinstance(answer, frames.Refusal):
            error = ImproperlyConfigured(answer.message)
            if answer.details:
                error.add_note(answer.details)
            raise error

    def set_timeout(self, timeout: float) -> None:
        """Give every further answer this many seconds."""
        self._connection.settimeout(timeout)

    def start(self, start: frames.Start, fds: Sequence[int]) -> ForkedChild:
        """Ask for a child and let it run."""
        lifeline, report, report_writer = _open_pipes()
        try:
            frames.send(self._connection, start, [lifeline.child_end, report_writer, *fds])
            pid, pidfd = self._started(start)
        except BaseException:
            # A child that was forked nevertheless waits for its release, and is refused it.
            lifeline.cut()
            os.close(report)
            raise
        finally:
            os.close(report_writer)
        lifeline.handed_over()
        child = ForkedChild(pid, name=start.name, pidfd=pidfd, report=report, lifeline=lifeline, server=self)
        lifeline.release()
        return child

    def wait(self, timeout: float) -> None:
        """Wait until the server has ended, if it does within ``timeout`` seconds."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)

    def end(self) -> None:
        """Let the server exit, and see to it that it does."""
        try:
            frames.send(self._connection, frames.End())
        except OSError:
            pass
        else:
            self.wait(_END_PATIENCE)
        self.kill()

    def kill(self) -> Ending:
        """End the server at once; return how it ended."""
        self.process.kill()
        self.process.wait()
        self._connection.close()
        self._lifeline.cut()
        return Ending.from_return_code(self.process.returncode)

    def _started(self, start: frames.Start) -> tuple[int, int | None]:
        answer, descriptors = frames.receive_from_server(self._connection)
        if isinstance(answer, frames.Started):
            return answer.pid, descriptors[0] if descriptors else None
        if isinstance(answer, frames.Refusal):
            name = f" {start.name!r}" if start.name else ""
            raise _RefusedError(OSError(answer.error_number, f"The child{name} cannot be started: {answer.message}"))
        raise ConnectionError(f"The fork server answered {answer!r} to a start.")
