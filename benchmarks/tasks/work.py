"""What the tasks of every queue do, and where they note it. Standard library only: all interpreters run it."""

import os
import time
from pathlib import Path

#: Where marks and waits are noted.
DIRECTORY = Path(os.environ["BENCHMARK_DIRECTORY"])
BROKER = os.environ["BENCHMARK_BROKER"]
RESULT_BACKEND = os.environ["BENCHMARK_RESULT_BACKEND"]
#: Results are stored.
RESULTS = os.environ["BENCHMARK_RESULTS"] == "on"
#: Coroutines are measured.
COROUTINES = os.environ["BENCHMARK_COROUTINES"] == "on"
#: A queue's own name where it may have one.
QUEUE = os.environ["BENCHMARK_QUEUE"]
#: Seconds until a delayed call is due: never, in a measurement.
LATER = 3600
#: The descriptor of the file of what is done, once something is.
_DONE: list[int] = []


def note_mark(name: str) -> None:
    """Note when a call ran that stands at a certain place of the backlog."""
    (DIRECTORY / f"mark-{name}").write_text(f"{time.monotonic()}\n")


def note_wait(published_at: float) -> None:
    """Note how long a call waited for its start; both clocks are the machine's."""
    started_at = time.monotonic()
    with (DIRECTORY / "waits").open("a") as file:
        file.write(f"{started_at - published_at} {started_at}\n")


def compute(seconds: float) -> None:
    """Keep a processor busy for so long."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(500))
    note_done()


def note_done() -> None:
    """Make the file of what is done one byte longer."""
    if not _DONE:
        _DONE.append(os.open(DIRECTORY / "done", os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    os.write(_DONE[0], b".")
