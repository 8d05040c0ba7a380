"""The result backend on Redis, Valkey, Sentinel or a Cluster."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from celeriac.backends.base import ENDED_FOR, ChordProgress, Holding, ResultBackend, StoredResult
from celeriac.backends.redis.fetching import Fetching
from celeriac.backends.redis.waits import Waits
from celeriac.brokers.base import Broker
from celeriac.brokers.remarks import Remark
from celeriac.exceptions import BackendError, BackendStoreError
from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError, explain_reply
from celeriac.redis.examination import examine
from celeriac.redis.location import Location
from celeriac.redis.opening import server_at
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall
from celeriac.redis.results import holding_key, label_key, result_arguments, result_key, result_prefix
from celeriac.redis.scripts import load_script

__all__ = ["RedisBackend"]

#: Seconds a call may take; the URL's ``socket_timeout`` can shorten it.
_TIMEOUT: Final = 10.0
#: Results a script stores at the most: nobody else is served meanwhile.
_CHUNK: Final = 500
_STORE = load_script("celeriac.backends.redis", "store_results")
_CHORD_PART = load_script("celeriac.backends.redis", "chord_part")
_HOLD = load_script("celeriac.backends.redis", "hold")
_LET_GO = load_script("celeriac.backends.redis", "let_go")
#: What the script answers, from 1.
_HOLDINGS = (Holding.OURS, Holding.TAKEN, Holding.ENDED)


class RedisBackend(ResultBackend):
    """Celery reads and writes the same results; what celeriac adds, it does not see."""

    timetable_engine: ClassVar[str | None] = "redis"
    holds_runs: ClassVar[bool] = True

    def __init__(self, url: str, *, options: Mapping[str, Any] | None = None, broker: Broker | None = None) -> None:
        self.location = Location.from_url(url, options or {})
        self.url = self.location.url
        #: Before every key of a result; not the same as before a queue's, if it does not end in punctuation.
        self.prefix = result_prefix(self.location.key_prefix)
        self._timeout = min(self.location.timeout or _TIMEOUT, _TIMEOUT)
        self._server = server_at(self.location)
        self._fetching = Fetching(self._server, self.prefix, timeout=self._timeout)
        self._waits = Waits(self._fetching)

    def open(self) -> None:
        self._server.open(timeout=self._timeout)

    def close(self) -> None:
        self._waits.close()
        self._server.close()

    def store(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        if not results:
            return []
        keys = [result_key(self.prefix, result.task_id) for result in results]
        groups = [group for place in self._server.same_place(keys) for group in _chunks(place)]
        calls: list[tuple[bytes, Command]] = []
        for group in groups:
            arguments = [argument for position in group for argument in result_arguments(results[position])]
            calls.append((keys[group[0]], ScriptCall(_STORE, [keys[position] for position in group], arguments)))
        replies = self._scatter(calls, BackendStoreError)
        refused = sorted(group[place - 1] for group, reply in zip(groups, replies, strict=True) for place in reply)
        return [results[position] for position in refused]

    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        return self._fetching.fetch(task_ids)

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        return self._waits.wait(task_ids, timeout, minimum)

    def wake(self) -> None:
        self._waits.wake()

    def forget(self, task_ids: Sequence[str]) -> None:
        keys = [result_key(self.prefix, task_id) for task_id in task_ids]
        self._scatter([(key, (b"DEL", key, label_key(key))) for key in keys])

    def save_group(self, group_id: str, document: bytes, lifetime: float | None = None) -> None:
        key = self._group_key(group_id)
        expiry = () if lifetime is None else (b"PX", _milliseconds(lifetime))
        self._scatter([(key, (b"SET", key, document, *expiry))], BackendStoreError)

    def load_group(self, group_id: str) -> bytes | None:
        key = self._group_key(group_id)
        document: bytes | None = self._scatter([(key, (b"GET", key))])[0]
        return document

    def forget_group(self, group_id: str) -> None:
        key = self._group_key(group_id)
        self._scatter([(key, (b"DEL", key))])

    def chord_part(
        self, group_id: str, *, size: int, index: int, document: bytes, lifetime: float | None = None
    ) -> ChordProgress:
        key = self._chord_key(group_id)
        arguments: tuple[Argument, ...] = (index, size, document, "" if lifetime is None else _milliseconds(lifetime))
        [[count, *parts]] = self._scatter([(key, ScriptCall(_CHORD_PART, [key], arguments))], BackendStoreError)
        if not parts:
            return ChordProgress(count=count)
        documents = sorted(zip(map(int, parts[::2]), parts[1::2], strict=True))
        return ChordProgress(count=count, documents=tuple(document for _, document in documents))

    def hold(self, task_ids: Sequence[str], holder: str, seconds: float) -> dict[str, Holding]:
        keys = [result_key(self.prefix, task_id) for task_id in task_ids]
        groups = [group for place in self._server.same_place(keys) for group in _chunks(place)]
        calls: list[tuple[bytes, Command]] = []
        for group in groups:
            results = [keys[position] for position in group]
            script = ScriptCall(_HOLD, [*results, *map(holding_key, results)], [holder, _milliseconds(seconds)])
            calls.append((results[0], script))
        replies = self._scatter(calls)
        return {
            task_ids[position]: _HOLDINGS[number - 1]
            for group, reply in zip(groups, replies, strict=True)
            for position, number in zip(group, reply, strict=True)
        }

    def let_go(self, task_ids: Sequence[str], holder: str) -> None:
        keys = [holding_key(result_key(self.prefix, task_id)) for task_id in task_ids]
        groups = [group for place in self._server.same_place(keys) for group in _chunks(place)]
        self._scatter([(keys[group[0]], ScriptCall(_LET_GO, [keys[at] for at in group], [holder])) for group in groups])

    def end_runs(self, task_ids: Sequence[str]) -> None:
        keys = [holding_key(result_key(self.prefix, task_id)) for task_id in task_ids]
        self._scatter([(key, (b"SET", key, b"", b"PX", _milliseconds(ENDED_FOR))) for key in keys], BackendStoreError)

    def prune(self) -> int:
        """Return 0: the server drops what has expired."""
        return 0

    def examine(self) -> list[Remark]:
        return examine(self._server)

    def _scatter(self, calls: Sequence[tuple[bytes, Command]], error: type[BackendError] = BackendError) -> list[Reply]:
        """Send commands; what goes wrong is raised as ``error``."""
        try:
            replies = self._server.scatter(calls, timeout=self._timeout)
        except (RedisUnavailable, RedisRefused) as cause:
            raise error(str(cause)) from cause
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise error(explain_reply(self.url, str(reply)))
        return replies

    def _group_key(self, group_id: str) -> bytes:
        return f"{self.prefix}celery-taskset-meta-{group_id}".encode()

    def _chord_key(self, group_id: str) -> bytes:
        return f"{self.prefix}celeriac.chord.{group_id}".encode()


def _chunks(positions: Sequence[int]) -> Iterator[Sequence[int]]:
    return (positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK))


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 1)
