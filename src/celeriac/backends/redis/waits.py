"""Waiting for results: any number of threads of this process on one subscription.

A wait enters its tasks and sleeps. One thread, the listener, holds the only connection that subscribes; for new tasks
it subscribes to the channels, and when the server has confirmed that, looks once whether the results are there
already. From then on every result comes by itself: Celery's workers and celeriac's publish the document on the channel
of its key. After a lost connection the listener subscribes to everything anew and looks at everything once, so that
nothing stored in between is missed. It ends when nobody has waited for a while.
"""

import threading
import time
from collections.abc import Sequence
from typing import Final

from celeriac.backends.base import StoredResult
from celeriac.backends.redis.fetching import Fetching
from celeriac.backends.redis.listener import Listener
from celeriac.exceptions import BackendGetMetaError
from celeriac.redis.forks import watch

__all__ = ["Waits"]

#: Seconds that a wait, which begins while the server is away, waits for it.
_PATIENCE: Final = 10.0


class _Wait:
    """One thread that waits."""

    __slots__ = ("ended", "minimum", "ready", "task_ids")

    def __init__(self, task_ids: Sequence[str], minimum: int) -> None:
        self.task_ids = task_ids
        self.minimum = minimum
        self.ready: dict[str, StoredResult] = {}
        #: Enough is ready, or it is to end all the same.
        self.ended = threading.Event()


class Waits:
    """The waits of one process for results in one place. Safe for many threads."""

    _listener: Listener

    def __init__(self, fetching: Fetching) -> None:
        self._fetching = fetching
        self._reset()
        watch(self)

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int) -> dict[str, StoredResult]:
        """Wait until ``minimum`` of the tasks are ready; return those that are, whatever their number, at the end.

        Raises ``BackendGetMetaError`` when it begins while the server is away, and that goes on for a while.
        """
        deadline = time.monotonic() + timeout
        task_ids = list(dict.fromkeys(task_ids))
        minimum = min(minimum, len(task_ids))
        is_away = False
        try:
            ready = self._ready(task_ids)
        except BackendGetMetaError:
            if not self._has_read or timeout <= 0:
                raise
            # It was there before, so it may be back soon; the listener looks as soon as it is.
            is_away, ready = True, {}
        if len(ready) >= minimum or timeout <= 0:
            return ready
        wait = _Wait([task_id for task_id in task_ids if task_id not in ready], minimum - len(ready))
        self._enter(wait)
        try:
            if is_away and not wait.ended.wait(_until(min(deadline, time.monotonic() + _PATIENCE))):
                # Raises if it still is.
                self._ready(wait.task_ids)
            wait.ended.wait(_until(deadline))
        finally:
            self._leave(wait)
        return ready | wait.ready

    def wake(self) -> None:
        """End every wait that has begun; if none has, the next one ends at once. Safe from any thread."""
        with self._mutex:
            self._next_is_woken = not self._entered
            for wait in self._entered:
                wait.ended.set()

    def close(self) -> None:
        """End the subscription, and with it the waits. Safe to call twice; a later wait subscribes again."""
        with self._mutex:
            listener = self._listener
            self._listener = self._new_listener()
            for wait in self._entered:
                wait.ended.set()
        listener.stop()

    def after_fork_in_child(self) -> None:
        """Begin anew: the waiting threads and the listener are the parent's."""
        self._reset()

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._listener = self._new_listener()
        self._waits: dict[str, list[_Wait]] = {}
        self._entered: set[_Wait] = set()
        self._next_is_woken = False
        #: The server has been there.
        self._has_read = False

    def _new_listener(self) -> Listener:
        return Listener(self._fetching, self._deliver)

    def _ready(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        found = self._fetching.fetch(task_ids)
        self._has_read = True
        return {task_id: result for task_id, result in found.items() if result.ready}

    def _enter(self, wait: _Wait) -> None:
        with self._mutex:
            self._entered.add(wait)
            for task_id in wait.task_ids:
                self._waits.setdefault(task_id, []).append(wait)
            if self._next_is_woken:
                self._next_is_woken = False
                wait.ended.set()
                return
            listener = self._listener
        listener.listen(wait.task_ids)

    def _leave(self, wait: _Wait) -> None:
        deserted = []
        with self._mutex:
            self._entered.discard(wait)
            for task_id in wait.task_ids:
                waits = self._waits[task_id]
                waits.remove(wait)
                if not waits:
                    del self._waits[task_id]
                    deserted.append(task_id)
            self._listener.drop(deserted)

    def _deliver(self, result: StoredResult) -> None:
        """Give a result to those who wait for it; called by the listener."""
        with self._mutex:
            for wait in self._waits.get(result.task_id, ()):
                wait.ready[result.task_id] = result
                if len(wait.ready) >= wait.minimum:
                    wait.ended.set()


def _until(deadline: float) -> float:
    return min(max(deadline - time.monotonic(), 0.0), threading.TIMEOUT_MAX)
