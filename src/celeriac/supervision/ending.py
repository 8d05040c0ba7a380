"""How a child process ended."""

import os
import signal
from dataclasses import dataclass

__all__ = ["UNKNOWN_ENDING", "Ending"]


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a child: an exit status, or the OS signal that killed it, or neither when nobody could learn it."""

    exit_code: int | None
    signal: int | None

    @classmethod
    def from_wait_status(cls, status: int) -> "Ending":
        """Read what ``os.waitpid`` returns."""
        if os.WIFSIGNALED(status):
            return cls(None, os.WTERMSIG(status))
        return cls(os.WEXITSTATUS(status), None)

    @classmethod
    def from_return_code(cls, code: int) -> "Ending":
        """Read ``subprocess.Popen.returncode``: below zero for an OS signal."""
        return cls(None, -code) if code < 0 else cls(code, None)

    def describe(self) -> str:
        """Return the end in words that follow the process's name: ``was killed by SIGKILL``."""
        if self.signal is not None:
            return f"was killed by {_signal_name(self.signal)}"
        if self.exit_code is not None:
            return f"exited with status {self.exit_code}"
        return "ended, and nobody knows how"


#: The child is gone, and whoever knew its exit status too.
UNKNOWN_ENDING = Ending(None, None)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"OS signal {number}"
