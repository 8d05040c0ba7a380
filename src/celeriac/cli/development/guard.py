"""The guard: a process that outlives its starter's sudden death, to end the programs that are left.

It runs as a file, alone: it imports nothing but the standard library. Its standard input is a pipe from the starter, in
which each line is a program that has begun (``+ process-id patience``) or ended (``- process-id``). The end of the pipe
means that the starter has gone: the programs still there are asked to end (SIGTERM), with their whole process groups,
and killed after their patience in seconds; 0 stands for those that have a limit of their own.
"""

import os
import signal
import sys
import time
from contextlib import suppress

#: Seconds between two looks.
_MOMENT = 0.1


def main() -> None:
    """Watch until the starter has gone and its programs too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    programs: dict[int, float] = {}
    for line in sys.stdin:
        sign, process, *patience = line.split()
        if sign == "+":
            programs[int(process)] = float(patience[0])
        else:
            programs.pop(int(process), None)
    _end(programs)


def _end(programs: dict[int, float]) -> None:
    """Ask all, wait for all."""
    began = time.monotonic()
    for process in programs:
        _send(process, signal.SIGTERM)
    while programs:
        for process, patience in list(programs.items()):
            if not _send(process, 0):
                del programs[process]
            elif patience and time.monotonic() - began > patience:
                _send(process, signal.SIGKILL)
        time.sleep(_MOMENT)


def _send(group: int, number: int) -> bool:
    """Send an OS signal to a process group; False when there is none."""
    with suppress(PermissionError):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return False
    return True


if __name__ == "__main__":
    main()
