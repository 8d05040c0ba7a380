"""A server's process: started on its own data again and again, ended by its id, never left behind."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

__all__ = ["ServerProcess"]

#: Seconds a server may take to start, or to stop, on a busy machine.
PATIENCE = 60.0


class ServerProcess:
    """One server. Subclasses say what to run (``command``) and when it is ready (``is_ready``).

    A context manager: starts on entry, killed on exit. ``stop`` and ``kill`` end the process, ``start`` begins a new
    one on the same port and data. Started in a thread, it ends with that thread.
    """

    #: For messages.
    name = "server"

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.log_path = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """Return the command line."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Return what the process finds in its environment."""
        return os.environ

    def is_ready(self) -> bool:
        """Say whether it answers."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The process id of the server itself, not of a shell around it."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """The process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, *, wait: bool = True) -> None:
        """Start it and, unless told otherwise, wait until it answers."""
        assert not self.is_running, f"{self.name} runs already"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*_dies_with_us(), *self.command()],
                cwd=self.directory,
                env=dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests, which end the servers.
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, patience: float = PATIENCE) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + patience
        while not self.is_ready():
            if not self.is_running:
                raise RuntimeError(f"{self.name} has ended at its start:\n{self.log[-4000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not answer within {patience:g} s:\n{self.log[-4000:]}")
            time.sleep(0.02)

    def stop(self, patience: float = PATIENCE) -> None:
        """Have it stop in order (SIGTERM) and wait for that."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(patience)

    def kill(self) -> None:
        """Kill it by SIGKILL, as a crash of the machine would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self, *, away: float = 0.0) -> None:
        """Stop it in order and start it again, after so many seconds."""
        self.stop()
        time.sleep(away)
        self.start()

    def silence(self) -> None:
        """Have it answer nobody, while its connections stay open (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def end_silence(self) -> None:
        """Have it go on where it was (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever it does. Safe to call twice."""
        if self.is_running:
            self.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _dies_with_us() -> list[str]:
    """Return what to put before a command so that it dies with this process, even if that is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
