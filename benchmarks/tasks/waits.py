"""What the tasks have noted of their waits, read and of the places they have reached, read by the client."""

import itertools
import os
import time
from pathlib import Path

#: Seconds until the last one must have been noted.
_PATIENCE = 60.0


def read_waits(count: int) -> list[float]:
    """Return so many waits, in seconds, as soon as they have been noted."""
    file = Path(os.environ["BENCHMARK_DIRECTORY"]) / "waits"
    deadline = time.monotonic() + _PATIENCE
    while True:
        waits = file.read_text().splitlines(keepends=True) if file.exists() else []
        if len(waits) >= count and waits[-1].endswith("\n"):
            return [float(wait.split()[0]) for wait in waits[:count]]
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(waits)} of {count} calls have started within {_PATIENCE:g} s")
        time.sleep(0.05)


def longest_pause() -> float:
    """Return the longest time between two starts that were noted, in seconds."""
    lines = (Path(os.environ["BENCHMARK_DIRECTORY"]) / "waits").read_text().splitlines()
    starts = sorted(float(line.split()[1]) for line in lines)
    return max(later - earlier for earlier, later in itertools.pairwise(starts))


def wait_for(name: str) -> None:
    """Return as soon as a task has made a file of this name."""
    file = Path(os.environ["BENCHMARK_DIRECTORY"]) / name
    deadline = time.monotonic() + _PATIENCE
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} was not reached within {_PATIENCE:g} s")
        time.sleep(0.002)
