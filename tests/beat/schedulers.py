"""Schedulers as real processes on an app of a test's own, and what they have published."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from celeriac import Celeriac
from celeriac.brokers.base import Outcome, Settlement
from celeriac.protocol import envelope as envelopes
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import until

__all__ = ["Published", "Schedulers", "Stores"]

QUEUE = "runs"
_PATIENCE = 40.0

SOURCE = """
from celeriac import Celeriac

app = Celeriac("clockwork", broker={broker!r}, backend={backend!r}, set_as_current=False)
app.conf.task_default_queue = {queue!r}


@app.task
def work(name):
    pass


app.conf.beat_schedule = {{
    f"entry {{number}}": {{
        "task": "clockwork.work",
        "args": (number,),
        "schedule": 1 + number % {longest},
        "missed": "all",
        "missed_bound": 1000,
    }}
    for number in range({entries})
}}
"""


class Stores(NamedTuple):
    broker: str
    backend: str


class Published(NamedTuple):
    """One message at the broker."""

    id: str
    entry: str
    due: str


class Schedulers:
    """Some ``celeriac beat`` processes on one app."""

    def __init__(self, directory: Path, stores: Stores, *, entries: int, longest: int) -> None:
        self.directory = directory
        self.app = Celeriac("clockwork", broker=stores.broker, backend=stores.backend, set_as_current=False)
        self.app.conf.task_default_queue = QUEUE
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._started = 0
        (directory / "clockwork.py").write_text(
            SOURCE.format(broker=stores.broker, backend=stores.backend, queue=QUEUE, entries=entries, longest=longest)
        )

    def start(self) -> None:
        """Start one more."""
        self._started += 1
        with (self.directory / f"beat-{self._started}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celeriac", "-A", "clockwork", "beat"],
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        self._running[process.pid] = process

    @property
    def pids(self) -> list[int]:
        return list(self._running)

    @property
    def logs(self) -> str:
        """What all of them have logged."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("beat-*.log")))

    def health(self) -> tuple[int, str]:
        """Ask ``celeriac beat --health``; return its status and what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "celeriac", "-A", "clockwork", "beat", "--health"],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, (done.stderr + done.stdout).strip().removeprefix("Error: ")

    def leader(self) -> int | None:
        """Return the process id of the one that leads."""
        with self._timetable() as timetable:
            leader = timetable.leader()
            if leader is None or not leader.leads_at(timetable.now()):
                return None
            return int(leader.name.rpartition(":")[2])

    def await_leader(self, *, other_than: int | None = None) -> int:
        """Wait until one leads, and return its process id."""
        return until(lambda: pid if (pid := self.leader()) not in {None, other_than} else None, timeout=_PATIENCE)

    def kill(self, pid: int) -> None:
        """End one by SIGKILL."""
        process = self._running.pop(pid)
        process.kill()
        process.wait()

    def end(self) -> None:
        """End all as they are meant to end."""
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            process.wait(_PATIENCE)
        self._running.clear()

    def disturb(self, seconds: float, chance: random.Random) -> None:
        """Kill, stop and continue them at random, and replace those that are gone."""
        number = len(self._running)
        stopped: dict[int, float] = {}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(chance.uniform(0.05, 0.6))
            for pid in [pid for pid, until_ in stopped.items() if time.monotonic() >= until_]:
                del stopped[pid]
                os.kill(pid, signal.SIGCONT)
            # The one that leads is the one that hurts.
            pid = self.leader() if chance.random() < 0.6 else chance.choice(self.pids)
            if pid not in self._running or pid in stopped:
                continue
            if chance.random() < 0.5:
                self.kill(pid)
            elif len(stopped) < number - 1:
                os.kill(pid, signal.SIGSTOP)
                stopped[pid] = time.monotonic() + chance.uniform(0.5, 9)
            while len(self._running) < number:
                self.start()
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    def await_idle(self) -> None:
        """Wait until nothing is overdue and nothing pending."""
        with self._timetable() as timetable:
            until(
                lambda: not timetable.due(1, now=timetable.now() - 1).states and not timetable.pending(0, 1),
                timeout=_PATIENCE,
            )

    def published(self) -> list[Published]:
        """Take all messages from the broker."""
        broker = self.app.broker
        consumer = broker.consumer([Queue(QUEUE)], node="counter@test")
        found: list[Published] = []
        silent = 0
        try:
            while silent < 3:
                deliveries = consumer.receive(500, 0.3)
                silent = 0 if deliveries else silent + 1
                for delivery in deliveries:
                    headers = envelopes.decode(delivery.envelope).headers
                    found.append(Published(headers["id"], headers["periodic_task_name"], headers["celeriac-due"]))
                consumer.settle([Settlement(delivery=each, outcome=Outcome.ACK) for each in deliveries])
        finally:
            consumer.close()
        return found

    def close(self) -> None:
        """End whatever runs."""
        for pid in self.pids:
            self.kill(pid)
        self.app.close()

    @contextmanager
    def _timetable(self) -> Iterator:
        timetable = self.app.timetable()
        try:
            yield timetable
        finally:
            timetable.close()


def doubled(published: list[Published]) -> dict[Published, int]:
    """Return what is there more than once, by id."""
    return {run: count for run, count in Counter(published).items() if count > 1}
