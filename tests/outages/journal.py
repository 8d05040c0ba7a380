"""The journal of executions: which process has begun and ended which number's task, and when."""

import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

__all__ = ["NOTE", "Entry", "Journal"]

#: What tasks do to write it. Each process has a file of its own: not every file system appends what two processes
#: write at the same moment.
NOTE = """
def journal(what, number):
    with open(HERE / "journal" / f"{what}-{os.getpid()}", "a") as file:
        file.write(f"{number} {time.time():.6f}\\n")
(HERE / "journal").mkdir(exist_ok=True)
"""


class Entry(NamedTuple):
    """One moment of one execution."""

    number: int
    pid: int
    #: Unix time.
    moment: float


class Journal:
    """Reads what tasks have written, only what is new each time. Safe for use by many threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "journal"
        self._lock = threading.Lock()
        self._read: Counter[Path] = Counter()
        self._began: defaultdict[int, list[Entry]] = defaultdict(list)
        self._ended: Counter[int] = Counter()

    def begun(self) -> dict[int, list[Entry]]:
        """Return for each number the beginnings of its task, in order."""
        with self._lock:
            for entry in self._news("begun"):
                self._began[entry.number].append(entry)
                self._began[entry.number].sort(key=lambda each: each.moment)
            return dict(self._began)

    def ended(self) -> Counter[int]:
        """Return how often each number's task has ended."""
        with self._lock:
            self._ended.update(entry.number for entry in self._news("ended"))
            return Counter(self._ended)

    def count_ended(self) -> int:
        """Return how many numbers' tasks have ended."""
        with self._lock:
            self._ended.update(entry.number for entry in self._news("ended"))
            return len(self._ended)

    def _news(self, what: str) -> list[Entry]:
        entries: list[Entry] = []
        for path in self._directory.glob(f"{what}-*"):
            with path.open("rb") as file:
                file.seek(self._read[path])
                data = file.read()
            # Whoever reads may see half of what is being written.
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] += len(whole)
            pid = int(path.name.rpartition("-")[2])
            lines = (line.split() for line in whole.splitlines())
            entries += [Entry(int(number), pid, float(moment)) for number, moment in lines]
        return entries
