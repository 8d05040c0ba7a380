"""The app of the storms: thousands of entries, by number, and a task that writes into a journal what has run."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from celeriac.run_id import run_id

__all__ = ["MODULE", "QUEUE", "Clockwork", "Stores"]

MODULE = "clockwork"
QUEUE = "runs"
POLICIES = ("once", "skip", "all")

#: The queue has an exchange of its own, where a test may listen in.
SOURCE = """
import os
import time
from pathlib import Path

from celeriac import Celeriac
from celeriac.routing import Exchange, Queue
from celeriac.schedules import crontab

JOURNAL = Path(__file__).parent / "journal"

app = Celeriac("clockwork", broker={broker!r}, backend={backend!r}, set_as_current=False)
app.conf.task_queues = [Queue({queue!r}, Exchange({queue!r}, "topic"), routing_key="run")]
app.conf.task_default_queue = {queue!r}
app.conf.result_expires = 300
files = {{}}


def note(*words):
    # A file for each process, and one line in one go: whoever is killed leaves whole lines.
    if os.getpid() not in files:
        files[os.getpid()] = os.open(JOURNAL / str(os.getpid()), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(files[os.getpid()], (" ".join(map(str, words)) + "\\n").encode())


@app.task(bind=True)
def work(self, number):
    note("begun", self.request.id, number, self.request.hostname, time.time())
    note("ended", self.request.id, number, self.request.hostname, time.time())


def entry(number, schedule):
    policy = ("once", "skip", "all")[number // {longest} % 3]
    return {{"task": "clockwork.work", "args": (number,), "schedule": schedule, "missed": policy, "missed_bound": 1000}}


app.conf.beat_schedule = {{
    f"entry {{number}}": entry(number, {schedule}) for number in range({entries})
}}
"""


class Stores(NamedTuple):
    """Where messages and results are, as URLs."""

    broker: str
    backend: str


class Execution(NamedTuple):
    """One execution of a run, as its task has written it."""

    node: str
    begun_at: float
    ended_at: float | None


class Clockwork:
    """The app in a directory, and what its entries are."""

    def __init__(
        self, directory: Path, stores: Stores, *, entries: int, longest: int, schedule: str = "1 + number % {longest}"
    ) -> None:
        """Entries run every 1 to ``longest`` seconds; all three policies are there for each interval.

        ``schedule`` is an expression for another schedule of the entry ``number``.
        """
        self.directory = directory
        self.stores = stores
        self.entries = entries
        self._longest = longest
        (directory / "journal").mkdir()
        source = SOURCE.replace("{schedule}", schedule).format(
            broker=stores.broker, backend=stores.backend, queue=QUEUE, entries=entries, longest=longest
        )
        (directory / f"{MODULE}.py").write_text(source)

    def interval(self, number: int) -> int:
        """Return the seconds between two runs of an entry."""
        return 1 + number % self._longest

    def policy(self, number: int) -> str:
        """Return what an entry says about missed runs."""
        return POLICIES[number // self._longest % 3]

    def number(self, name: str) -> int:
        """Return the number of the entry of a name."""
        return int(name.removeprefix("entry "))

    def run_id(self, namespace: str, number: int, due: float) -> str:
        """Return the id that an entry's run at a moment has."""
        return run_id(namespace, f"entry {number}", due)

    def executions(self) -> dict[str, list[Execution]]:
        """Return what has run, by the run's id."""
        executions: dict[str, list[Execution]] = defaultdict(list)
        for path in (self.directory / "journal").iterdir():
            begun: dict[str, tuple[str, float]] = {}
            for what, task_id, _number, node, moment in _lines(path):
                if what == "begun":
                    begun[task_id] = node, float(moment)
                else:
                    executions[task_id].append(Execution(*begun.pop(task_id), float(moment)))
            for task_id, beginning in begun.items():
                executions[task_id].append(Execution(*beginning, None))
        return executions

    def ended(self) -> Counter[str]:
        """Return how often each run has ended."""
        return Counter(
            line[1] for path in (self.directory / "journal").iterdir() for line in _lines(path) if line[0] == "ended"
        )


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open() as file:
        for line in file:
            if line.endswith("\n"):
                yield line.split()
