"""A running worker, as the system sees it: all of its processes, their CPU time and their memory."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

__all__ = ["Worker"]

#: Seconds it may take to end before it is killed.
_PATIENCE = 20.0


class Worker:
    """A worker and everything below it."""

    def __init__(self, command: Sequence[str], directory: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self.started_at = time.monotonic()
        with log.open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=directory, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        self._top = psutil.Process(self._process.pid)

    def check(self) -> None:
        """Fail with its log if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"The worker has ended:\n{self._log.read_text()}")

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that its processes have used, by their role."""
        seconds: dict[str, float] = {}
        for role, process in self._processes():
            times = process.cpu_times()
            seconds[role] = seconds.get(role, 0.0) + times.user + times.system
        return seconds

    def memory(self) -> float:
        """Return the megabytes of all its processes, shared pages counted once (PSS)."""
        return sum(process.memory_full_info().pss for _, process in self._processes()) / 1e6

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        return [("node", self._top), *(("children", process) for process in self._top.children(recursive=True))]

    def stop(self) -> None:
        """Ask it to end, and kill what is left."""
        family = [process for _, process in self._processes()]
        self._process.terminate()
        _, alive = psutil.wait_procs(family, timeout=_PATIENCE)
        for process in alive:
            process.kill()
        self._process.wait()
