"""Results in this process's memory: for tests, and the reference that explains the others."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from celeriac.backends.base import ENDED_FOR, ChordProgress, Holding, ResultBackend, StoredResult, may_replace
from celeriac.brokers.base import Broker

__all__ = ["MemoryBackend", "Shelf"]


def _expiry(lifetime: float | None) -> float:
    """Return the moment (monotonic) from which something counts as absent."""
    return float("inf") if lifetime is None else time.monotonic() + lifetime


@dataclass(slots=True)
class _Chord:
    expires_at: float
    parts: dict[int, bytes] = field(default_factory=dict)
    #: The part that came in last.
    completed_by: int | None = None


class Shelf:
    """All results of one name; ``changed`` is held for every access and notified when a task becomes ready."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.results: dict[str, tuple[float, StoredResult]] = {}
        self.groups: dict[str, tuple[float, bytes]] = {}
        self.chords: dict[str, _Chord] = {}
        #: Until when runs are held, and by whom; None: they have ended.
        self.holdings: dict[str, tuple[float, str | None]] = {}


_shelves: dict[str, Shelf] = {}


class MemoryBackend(ResultBackend):
    """Everybody in this process who uses the same URL sees the same results, unless it is given a shelf."""

    holds_runs: ClassVar[bool] = True

    def __init__(
        self,
        url: str = "memory://",
        *,
        options: Mapping[str, Any] | None = None,
        broker: Broker | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self.url = url
        self._waiting = 0
        #: How often ``wake`` was called, and whether the next wait shall end at once.
        self._wakes = 0
        self._is_woken = False
        self._shelf = shelf or _shelves.setdefault(urlsplit(url).netloc, Shelf())

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def store(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        with self._shelf.changed:
            refused = [result for result in results if not self._store_one(result)]
            self._shelf.changed.notify_all()
        return refused

    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        with self._shelf.changed:
            found = ((task_id, self._find(task_id)) for task_id in task_ids)
            return {task_id: result for task_id, result in found if result is not None}

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        deadline = time.monotonic() + timeout
        enough = min(minimum, len(set(task_ids)))
        with self._shelf.changed:
            wakes = self._wakes - self._is_woken
            self._is_woken = False
            self._waiting += 1
            try:
                while True:
                    ready = {task_id: result for task_id, result in self.fetch(task_ids).items() if result.ready}
                    remaining = deadline - time.monotonic()
                    if len(ready) >= enough or remaining <= 0 or wakes != self._wakes:
                        return ready
                    self._shelf.changed.wait(remaining)
            finally:
                self._waiting -= 1

    def wake(self) -> None:
        with self._shelf.changed:
            self._wakes += 1
            self._is_woken = not self._waiting
            self._shelf.changed.notify_all()

    def forget(self, task_ids: Sequence[str]) -> None:
        with self._shelf.changed:
            for task_id in task_ids:
                self._shelf.results.pop(task_id, None)

    def save_group(self, group_id: str, document: bytes, lifetime: float | None = None) -> None:
        with self._shelf.changed:
            self._shelf.groups[group_id] = (_expiry(lifetime), document)

    def load_group(self, group_id: str) -> bytes | None:
        with self._shelf.changed:
            expires_at, document = self._shelf.groups.get(group_id, (0.0, b""))
            return document if expires_at > time.monotonic() else None

    def forget_group(self, group_id: str) -> None:
        with self._shelf.changed:
            self._shelf.groups.pop(group_id, None)

    def chord_part(
        self, group_id: str, *, size: int, index: int, document: bytes, lifetime: float | None = None
    ) -> ChordProgress:
        with self._shelf.changed:
            chord = self._shelf.chords.setdefault(group_id, _Chord(_expiry(lifetime)))
            chord.parts.setdefault(index, document)
            count = len(chord.parts)
            if count >= size and chord.completed_by is None:
                chord.completed_by = index
            if chord.completed_by != index:
                return ChordProgress(count=count)
            return ChordProgress(count=count, documents=tuple(document for _, document in sorted(chord.parts.items())))

    def hold(self, task_ids: Sequence[str], holder: str, seconds: float) -> dict[str, Holding]:
        with self._shelf.changed:
            return {task_id: self._hold_one(task_id, holder, seconds) for task_id in task_ids}

    def let_go(self, task_ids: Sequence[str], holder: str) -> None:
        with self._shelf.changed:
            for task_id in task_ids:
                if self._shelf.holdings.get(task_id, (0.0, None))[1] == holder:
                    del self._shelf.holdings[task_id]

    def end_runs(self, task_ids: Sequence[str]) -> None:
        with self._shelf.changed:
            self._shelf.holdings.update(dict.fromkeys(task_ids, (_expiry(ENDED_FOR), None)))

    def prune(self) -> int:
        now = time.monotonic()
        shelf = self._shelf
        with shelf.changed:
            expired = [task_id for task_id, (expires_at, _) in shelf.results.items() if expires_at <= now]
            for task_id in expired:
                del shelf.results[task_id]
            shelf.holdings = {task_id: held for task_id, held in shelf.holdings.items() if held[0] > now}
            shelf.groups = {group_id: kept for group_id, kept in shelf.groups.items() if kept[0] > now}
            shelf.chords = {group_id: chord for group_id, chord in shelf.chords.items() if chord.expires_at > now}
        return len(expired)

    def _find(self, task_id: str) -> StoredResult | None:
        expires_at, result = self._shelf.results.get(task_id, (0.0, None))
        return result if expires_at > time.monotonic() else None

    def _hold_one(self, task_id: str, holder: str, seconds: float) -> Holding:
        until, held_by = self._shelf.holdings.get(task_id, (0.0, holder))
        result = self._find(task_id)
        is_held = until > time.monotonic()
        if (result is not None and result.ready) or (is_held and held_by is None):
            return Holding.ENDED
        if is_held and held_by != holder:
            return Holding.TAKEN
        self._shelf.holdings[task_id] = (_expiry(seconds), holder)
        return Holding.OURS

    def _store_one(self, result: StoredResult) -> bool:
        there = self._find(result.task_id)
        if there is not None:
            if not may_replace(result, there):
                return False
            # One without a delivery leaves the fence where it is.
            result = msgspec.structs.replace(result, execution=max(result.execution, there.execution))
        self._shelf.results[result.task_id] = (_expiry(result.lifetime), result)
        return True
