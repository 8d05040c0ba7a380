"""``python -m benchmarks.scheduler``: what periodic tasks cost, and how soon things happen, with 10,000 entries.

CPU is that of all processes by the kernel's own clock, over ``--seconds``. A takeover is the time from SIGKILL or
SIGSTOP to the leader until another one has published the next run; some are due each second. A change is made in
another process, by ``Timetable.save`` or ``celeriac schedule pause``, and timed from its end until it has an effect.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from msgspec.structs import replace

from benchmarks.processes import cpu_seconds
from benchmarks.stores import Store, store_of
from celeriac.schedules import schedule
from celeriac.testing.conformance.harness import until
from tests.beat.clockwork import MODULE, Clockwork, Stores
from tests.beat.nodes import Nodes

__all__ = ["main"]

ENTRIES: Final = 10_000
#: What names no moment in the next months.
RESTING: Final = "crontab(0, 3, 1, (time.localtime().tm_mon + 5) % 12 + 1)"

_PATIENCE = 120.0


class Scene:
    """An engine with an app on it, and schedulers as they are needed."""

    def __init__(self, directory: Path, store: Store, *, schedule: str) -> None:
        more = {"schedule": schedule} if schedule else {}
        self.clockwork = Clockwork(directory, Stores(*store.urls()), entries=ENTRIES, longest=60, **more)
        self.nodes = Nodes(self.clockwork)
        self._schedulers: dict[int, subprocess.Popen[bytes]] = {}

    def start_scheduler(self) -> psutil.Process:
        """Start a ``celeriac beat``."""
        process = subprocess.Popen(
            [sys.executable, "-m", "celeriac", "-A", MODULE, "beat", "-l", "WARNING"], cwd=self.clockwork.directory
        )
        self._schedulers[process.pid] = process
        return psutil.Process(process.pid)

    def leader(self) -> int | None:
        """Return the id of the process that leads."""
        leader = self.nodes.timetable.leader()
        return None if leader is None else int(leader.name.rpartition(":")[2])

    def await_ready(self) -> int:
        """Wait until all entries are there and one leads; return its process id."""
        until(lambda: self.nodes.timetable.count() == self.clockwork.entries, timeout=_PATIENCE)
        pid = until(self.leader, timeout=_PATIENCE)
        assert pid is not None
        return pid

    def has_followed(self, leader: int, runs: int) -> bool:
        """Say whether another one leads, and has published more than so many runs."""
        return self.leader() not in {None, leader} and self.runs() > runs

    def runs(self) -> int:
        """Return how many runs were published in all."""
        states = self.nodes.timetable.entries(limit=self.clockwork.entries)
        return sum(state.runs_total for state in states)

    def end_scheduler(self, pid: int) -> None:
        """End one that this scene has started."""
        process = self._schedulers.pop(pid)
        process.kill()
        process.wait()

    def command(self, *words: str) -> None:
        """Run ``celeriac`` on the app."""
        subprocess.run(
            [sys.executable, "-m", "celeriac", "-A", MODULE, *words],
            cwd=self.clockwork.directory,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """End everything."""
        for pid in list(self._schedulers):
            self.end_scheduler(pid)
        self.nodes.close()


def _share(processes: Sequence[psutil.Process], seconds: float) -> float:
    """Return how much of a processor they use, in per cent."""
    before, began = sum(map(cpu_seconds, processes)), time.monotonic()
    time.sleep(seconds)
    return (sum(map(cpu_seconds, processes)) - before) / (time.monotonic() - began) * 100


def idle_scheduler(scene: Scene, seconds: float) -> str:
    """Measure a scheduler with nothing to do."""
    scheduler = scene.start_scheduler()
    scene.await_ready()
    time.sleep(3)
    return f"{_share([scheduler], seconds):.2f} % of a processor, resident {scheduler.memory_info().rss >> 20} MiB"


def idle_nodes(scene: Scene, seconds: float) -> str:
    """Measure three nodes with nothing to do, with the scheduler and without."""
    said = []
    for beat in (False, True):
        for name in ("one@here", "two@here", "three@here"):
            scene.nodes.start(name, beat=beat)
        if beat:
            scene.await_ready()
        time.sleep(15)
        family = [process for node in scene.nodes.running.values() for process in node.family()]
        said.append(f"{_share(family, seconds):.2f} %")
        scene.nodes.end()
    return f"{said[1]} of a processor for all three; {said[0]} without --beat"


def busy_scheduler(scene: Scene, seconds: float) -> str:
    """Measure a scheduler at work."""
    scheduler = scene.start_scheduler()
    scene.await_ready()
    time.sleep(3)
    runs = scene.runs()
    began = time.monotonic()
    share = _share([scheduler], seconds)
    count, passed = scene.runs() - runs, time.monotonic() - began
    return f"{count / passed:.0f} runs/s, {share:.1f} % of a processor, {share * passed / count * 1e4:.0f} µs a run"


def takeovers(scene: Scene, number: signal.Signals) -> str:
    """Measure how long nobody publishes after the leader has been killed, or stopped."""
    said = []
    scene.start_scheduler()
    for _ in range(3):
        scene.start_scheduler()
        leader = scene.await_ready()
        time.sleep(3)
        os.kill(leader, number)
        began, runs = time.monotonic(), scene.runs()
        until(partial(scene.has_followed, leader, runs), timeout=60)
        said.append(time.monotonic() - began)
        scene.end_scheduler(leader)
    return f"{', '.join(f'{each:.1f} s' for each in said)} until the next run is published"


def changes(scene: Scene) -> str:
    """Measure how long a change of an entry takes until the leader goes by it."""
    scene.start_scheduler()
    scene.await_ready()
    time.sleep(2)
    timetable = scene.nodes.timetable
    entry = replace(timetable.entries(limit=1)[0].entry, name="often", source="user", schedule=schedule(0.05).to_dict())
    saved, paused = [], []
    for _ in range(5):
        time.sleep(0.3)
        began = timetable.now()
        timetable.save(entry, began)
        until(lambda: timetable.history("often", 1))
        saved.append(timetable.now() - began)
        scene.command("schedule", "pause", "often")
        began = timetable.now()
        time.sleep(2.5)
        [last] = timetable.history("often", 1)
        paused.append(max(0.0, last.due + last.lateness - began))
        timetable.remove("often")
    return f"a new entry runs after at most {max(saved):.2f} s, a paused one no more after {max(paused):.2f} s"


@contextmanager
def _scene(engine: str, schedule: str) -> Iterator[Scene]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = store_of(engine, stack)(directory)
        stack.callback(store.close)
        scene = Scene(directory, store, schedule=schedule)
        stack.callback(scene.close)
        yield scene


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description="What periodic tasks cost.")
    parser.add_argument("--engine", choices=("sqlite", "redis", "rabbitmq"), default="redis")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long CPU is watched  [60]")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(FIGURES)}  [all]")
    given = parser.parse_args()
    for name in given.figures or FIGURES:
        schedule, measure = FIGURES[name]
        with _scene(given.engine, schedule) as scene:
            print(f"{given.engine}, {name}: {measure(scene, given.seconds)}", flush=True)


FIGURES: Final[dict[str, tuple[str, Callable[[Scene, float], str]]]] = {
    "idle": (RESTING, idle_scheduler),
    "nodes": (RESTING, idle_nodes),
    "busy": ("", busy_scheduler),
    "kill": ("", lambda scene, _: takeovers(scene, signal.SIGKILL)),
    "stop": ("", lambda scene, _: takeovers(scene, signal.SIGSTOP)),
    "change": (RESTING, lambda scene, _: changes(scene)),
}

if __name__ == "__main__":
    main()
