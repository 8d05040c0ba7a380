"""The journal of executions: which process has begun and ended which number's task, and how often."""

from collections import Counter, defaultdict
from pathlib import Path

__all__ = ["Journal"]


class Journal:
    """Reads what tasks append to the files ``begun`` and ``ended``: a number and a process id a line."""

    def __init__(self, directory: Path) -> None:
        self._paths = {name: directory / name for name in ("begun", "ended")}
        self._read = dict.fromkeys(self._paths, 0)
        self._began: defaultdict[int, list[int]] = defaultdict(list)
        self._ended: Counter[int] = Counter()

    def begun(self) -> dict[int, list[int]]:
        """Return for each number the processes that have begun its task, in order."""
        for number, pid in self._news("begun"):
            self._began[number].append(pid)
        return self._began

    def ended(self) -> Counter[int]:
        """Return how often each number's task has ended."""
        self._ended.update(number for number, _ in self._news("ended"))
        return self._ended

    def _news(self, name: str) -> list[tuple[int, int]]:
        path = self._paths[name]
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read[name])
            data = file.read()
        # A line is appended in one write; whoever reads may still see half of it.
        whole = data[: data.rfind(b"\n") + 1]
        self._read[name] += len(whole)
        return [(int(number), int(pid)) for number, pid in (line.split() for line in whole.splitlines())]
