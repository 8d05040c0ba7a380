"""The engines of a test: in memory, recording what is published, and waiting for nobody."""

from collections.abc import Callable, Iterable, Sequence

from celeriac.backends.base import StoredResult
from celeriac.backends.memory import MemoryBackend, Shelf
from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.memory_store import MemoryStore
from celeriac.protocol.message import Message
from celeriac.testing.errors import TaskNotRunError
from celeriac.testing.journal import Journal

__all__ = ["RecordingBackend", "RecordingBroker"]


class _RecordingStore(MemoryStore):
    """Writes down what comes in: from those who publish, and from tasks that are settled."""

    def __init__(self, journal: Journal | None) -> None:
        super().__init__()
        self._journal = journal

    def add(self, messages: Iterable[Message]) -> None:
        if self._journal is not None:
            messages = list(messages)
            self._journal.note(messages)
            super().add(messages)


class RecordingBroker(MemoryBroker):
    """Keeps what is published, as bytes and back, for those who ask what it was and for the drain.

    Without a journal nothing is kept: what is published is made sure to be publishable, and gone. Nobody else sees its
    messages, whatever its URL is: that of the broker it stands for.
    """

    def __init__(self, url: str, journal: Journal | None) -> None:
        super().__init__(url, store=_RecordingStore(journal))


class RecordingBackend(MemoryBackend):
    """Keeps results. As nobody runs tasks by himself in a test, waiting for one that has not been run is an error."""

    def __init__(self, url: str, *, is_running: Callable[[], bool], cure: str) -> None:
        super().__init__(url, shelf=Shelf())
        self._is_running = is_running
        self._cure = cure

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        ready = {task_id: result for task_id, result in self.fetch(task_ids).items() if result.ready}
        if len(ready) >= min(minimum, len(task_ids)) or self._is_running():
            return super().wait(task_ids, timeout, minimum)
        raise TaskNotRunError(
            f"The task {task_ids[0]} has not been run, and in a test nobody runs tasks but the test itself: "
            f"{self._cure}"
        )
