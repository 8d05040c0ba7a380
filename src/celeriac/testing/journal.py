"""The journal: what was published during a test, in order, whatever the broker's URL was."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from celeriac import clock
from celeriac.protocol.message import Message
from celeriac.testing.published_task import PublishedTask

__all__ = ["Capture", "Journal"]


class Journal:
    """Published tasks. A retry is not another task: it is noted only once that a task was published."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: list[PublishedTask] = []
        self._ids: set[str] = set()

    def note(self, messages: Iterable[Message]) -> None:
        """Write down that these were published."""
        now = clock.now()
        with self._lock:
            for message in messages:
                if message.id not in self._ids or not message.headers.get("retries"):
                    self._ids.add(message.id)
                    self._tasks.append(PublishedTask(message, now))

    def tasks(self, start: int = 0, end: int | None = None) -> list[PublishedTask]:
        """Return what was published, or a part of it."""
        with self._lock:
            return self._tasks[start:end]

    def __len__(self) -> int:
        return len(self._tasks)

    def clear(self) -> None:
        """Forget what was published."""
        with self._lock:
            self._tasks.clear()


class Capture(Sequence[PublishedTask]):
    """The tasks published from one moment on: until now, or until ``end``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._start = len(journal)
        self._end: int | None = None

    def end(self) -> None:
        """Take in nothing from now on."""
        self._end = len(self._journal)

    def __len__(self) -> int:
        return len(self._journal.tasks(self._start, self._end))

    @overload
    def __getitem__(self, index: int) -> PublishedTask: ...
    @overload
    def __getitem__(self, index: slice) -> list[PublishedTask]: ...
    def __getitem__(self, index: int | slice) -> PublishedTask | list[PublishedTask]:
        return self._journal.tasks(self._start, self._end)[index]

    def __iter__(self) -> Iterator[PublishedTask]:
        return iter(self._journal.tasks(self._start, self._end))

    def __repr__(self) -> str:
        return f"<Capture: {list(self)}>"
