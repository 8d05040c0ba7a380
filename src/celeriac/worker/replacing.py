"""How runs end that others have replaced (``overlap="replace"``)."""

import signal

from celeriac.worker.frames import Verdict

__all__ = ["REPLACED", "REPLACED_RUNNING"]

#: It had not begun.
REPLACED = Verdict("TaskRevokedError", ["a later run has taken its place"])
#: Its process was killed.
REPLACED_RUNNING = Verdict(
    "TaskRevokedError", ["killed, as a later run has taken its place"], signum=int(signal.SIGKILL)
)
