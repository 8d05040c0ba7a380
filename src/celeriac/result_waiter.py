"""Waiting for many results with one thread.

``ResultBackend.wait`` blocks a thread. Coroutines must not, and a thread each would not do for thousands of them; so
one thread waits for all, and tells each when its result has come.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.event_loops import asyncio
from celeriac.exceptions import OperationalError

__all__ = ["ResultWaiter"]

logger = logging.getLogger(__name__)

#: Seconds of one wait where the backend can be woken (a wake that comes a moment too early is made good by it), and
#: where it cannot.
_LONG_WAIT = 1.0
_SHORT_WAIT = 0.02
#: Seconds the thread stays without anything to wait for.
_IDLE = 10.0

#: Called in the waiting thread with the result, or with the error that ends the waiting.
Receiver = Callable[[str, StoredResult | OperationalError], None]


class ResultWaiter:
    """One backend's waiting thread: started when something is waited for, ended when idle. Safe from any thread."""

    def __init__(self, backend: ResultBackend) -> None:
        self._backend = backend
        self._can_be_woken = type(backend).wake is not ResultBackend.wake
        self._changed = threading.Condition()
        self._receivers: dict[str, list[Receiver]] = {}
        self._thread: threading.Thread | None = None
        #: Ids were added since the thread last looked.
        self._news = False

    async def wait_for_any(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        """Wait until one of these tasks is ready; raises ``OperationalError`` when the backend fails."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, StoredResult]] = loop.create_future()

        def resolve(task_id: str, outcome: StoredResult | OperationalError) -> None:
            if future.done():
                return
            if isinstance(outcome, StoredResult):
                future.set_result({task_id: outcome})
            else:
                future.set_exception(outcome)

        def receive(task_id: str, outcome: StoredResult | OperationalError) -> None:
            try:
                loop.call_soon_threadsafe(resolve, task_id, outcome)
            except RuntimeError:
                logger.debug("The event loop that waited for task %s is closed.", task_id)

        self._add(task_ids, receive)
        try:
            return await future
        finally:
            self._remove(task_ids, receive)

    def call_when_ready(self, task_id: str, callback: Callable[[], object]) -> None:
        """Call back, in the waiting thread, when the task is ready."""

        def receive(task_id: str, outcome: StoredResult | OperationalError) -> None:
            if not isinstance(outcome, StoredResult):
                logger.error("A callback waits for task %s no longer: %s", task_id, outcome)
                return
            try:
                callback()
            except Exception:
                logger.exception("The callback for the result of task %s failed.", task_id)

        self._add([task_id], receive)

    def _add(self, task_ids: Sequence[str], receiver: Receiver) -> None:
        with self._changed:
            for task_id in task_ids:
                self._receivers.setdefault(task_id, []).append(receiver)
            must_wake = not self._news
            self._news = True
            if self._thread is None or not self._thread.is_alive():  # it does not survive a fork
                self._thread = threading.Thread(target=self._run, name="celeriac-results", daemon=True)
                self._thread.start()
            self._changed.notify()
        if must_wake:
            self._backend.wake()

    def _remove(self, task_ids: Sequence[str], receiver: Receiver) -> None:
        with self._changed:
            for task_id in task_ids:
                receivers = self._receivers.get(task_id, [])
                if receiver in receivers:
                    receivers.remove(receiver)
                if not receivers:
                    self._receivers.pop(task_id, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._receivers and not self._changed.wait_for(lambda: self._receivers, _IDLE):
                    self._thread = None
                    return
                task_ids = list(self._receivers)
                self._news = False
            try:
                ready = self._backend.wait(task_ids, _LONG_WAIT if self._can_be_woken else _SHORT_WAIT)
            except OperationalError as error:
                self._deliver(dict.fromkeys(task_ids, error))
            except Exception as error:
                logger.exception("Waiting for results failed.")
                self._deliver(dict.fromkeys(task_ids, OperationalError(f"Waiting for results failed: {error!r}.")))
            else:
                self._deliver(ready)

    def _deliver(self, outcomes: "dict[str, StoredResult] | dict[str, OperationalError]") -> None:
        with self._changed:
            calls = [
                (receiver, task_id, outcome)
                for task_id, outcome in outcomes.items()
                for receiver in self._receivers.pop(task_id, ())
            ]
        for receiver, task_id, outcome in calls:
            receiver(task_id, outcome)
