"""What the system says of a process: the CPU it has used."""

import sys
import time

import psutil

__all__ = ["cpu_seconds"]

#: The kernel's number of the clock that counts what the scheduler gave to a process.
_SCHEDULED = 2


def cpu_seconds(process: psutil.Process) -> float:
    """Return the seconds of CPU a process has used, threads that have ended included.

    On Linux from the process's own clock, as ``clock_getcpuclockid(3)`` finds it: the usual figure has steps of 10 ms.
    """
    if sys.platform == "linux":
        try:
            return time.clock_gettime((~process.pid << 3) | _SCHEDULED)
        except OSError as error:
            raise psutil.NoSuchProcess(process.pid) from error
    times = process.cpu_times()
    return float(times.user + times.system)
