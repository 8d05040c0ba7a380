"""Waits in threads of their own, and results to end them with."""

from celeriac.backends.base import StoredResult
from celeriac.backends.redis import RedisBackend
from celeriac.exceptions import OperationalError
from celeriac.testing.conformance.harness import in_thread

__all__ = ["Waiting", "result", "stores"]


def result(task_id: str, state: str = "SUCCESS") -> StoredResult:
    return StoredResult(task_id=task_id, state=state, document=b'{"status": "%s"}' % state.encode(), lifetime=60.0)


class Waiting:
    """A wait in a thread of its own."""

    def __init__(self, backend: RedisBackend, *task_ids: str, minimum: int = 1, timeout: float = 30.0) -> None:
        self.found: dict[str, StoredResult] = {}
        self._thread = in_thread(lambda: self.found.update(backend.wait(task_ids, timeout, minimum)))

    def end(self) -> set[str]:
        self._thread.join()
        return set(self.found)


def stores(backend: RedisBackend, *results: StoredResult) -> bool:
    """Say whether all could be stored."""
    try:
        backend.store(results)
    except OperationalError:
        return False
    return True
