"""A running worker, as the system sees it: all of its processes, their CPU time and their memory."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.processes import cpu_seconds

__all__ = ["Worker", "WorkerEnded"]

#: Seconds its processes have to be gone in, and the time between two looks.
_PATIENCE, _LOOK = 5.0, 0.01


class WorkerEnded(Exception):  # noqa: N818 - it says what happened
    """A worker is not there any more; the text is the end of its log."""


class Worker:
    """One or several equal commands and everything below them."""

    def __init__(
        self, command: Sequence[str], *, copies: int, directory: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self._log = log
        self.started_at = time.monotonic()
        with log.open("w") as output:
            self._commands = [
                subprocess.Popen(
                    command,
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for the run, which ends its workers.
                    start_new_session=True,
                )
                for _ in range(copies)
            ]
        self._tops = [psutil.Process(process.pid) for process in self._commands]

    def check(self) -> None:
        """Fail with the end of its log if it has ended."""
        if any(process.poll() is not None for process in self._commands):
            raise WorkerEnded(f"its worker has ended: {self.last_words()}")

    def last_words(self) -> str:
        """Return the end of its log, in one line."""
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return " / ".join(lines[-3:])[-400:]

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that its processes have used, dead children of theirs included, by role.

        ``node`` are the processes that were started, ``children`` those below them.
        """
        seconds = {"node": 0.0, "children": 0.0}
        for role, process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                seconds[role] += cpu_seconds(process)
                seconds["children"] += times.children_user + times.children_system
        return seconds

    def memory(self) -> float:
        """Return the megabytes of all its processes, shared pages counted once (PSS)."""
        total = 0
        for _, process in self._processes():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / 1e6

    def busiest(self, seconds: float = 0.3) -> tuple[int, int]:
        """Return the process ids of the node and of the process below it that uses most CPU, watched for so long."""
        before = {process.pid: cpu_seconds(process) for _, process in self._processes()}
        time.sleep(seconds)
        used: dict[str, dict[int, float]] = {"node": {}, "children": {}}
        for role, process in self._processes():
            used[role][process.pid] = cpu_seconds(process) - before.get(process.pid, 0.0)
        node, child = (max(cpu, key=lambda pid: cpu[pid]) for cpu in used.values())
        return node, child

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        found = []
        for top in self._tops:
            with suppress(psutil.NoSuchProcess):
                found += [("node", top), *(("children", process) for process in top.children(recursive=True))]
        return found

    def stop(self) -> None:
        """Kill all of it: what it would put in order goes away with the store."""
        family = [process for _, process in self._processes()]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for command in self._commands:
            with suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
            command.wait()
        deadline = time.monotonic() + _PATIENCE
        while any(_is_alive(process) for process in family) and time.monotonic() < deadline:
            time.sleep(_LOOK)


def _is_alive(process: psutil.Process) -> bool:
    """Say whether it still does anything: one that waits for its new parent to take note of its end does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
