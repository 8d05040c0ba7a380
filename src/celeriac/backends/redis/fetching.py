"""Reading results."""

from collections.abc import Sequence
from typing import Final

from celeriac.backends.base import StoredResult
from celeriac.exceptions import BackendGetMetaError
from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError, explain_reply
from celeriac.redis.packing import Command, Reply, ScriptCall
from celeriac.redis.results import is_readable, label_key, read_foreign, read_readable, result_key
from celeriac.redis.scripts import load_script
from celeriac.redis.servers import Server

__all__ = ["Fetching"]

#: Results one command reads at the most: nobody else is served meanwhile.
_CHUNK: Final = 500
_LABELLED = load_script("celeriac.backends.redis", "fetch_labelled")
_LABEL_SIZE: Final = 4


class Fetching:
    """Reads results from one place. Safe for many threads."""

    def __init__(self, server: Server, *, timeout: float) -> None:
        self.server = server
        self.prefix = server.location.key_prefix
        self._timeout = timeout

    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        """Return what is known of these tasks; raises ``BackendGetMetaError``."""
        by_key = {result_key(self.prefix, task_id): task_id for task_id in task_ids}
        found: dict[str, StoredResult] = {}
        foreign: list[bytes] = []
        for key, document in self._documents(list(by_key)).items():
            if is_readable(document):
                found[by_key[key]] = read_readable(by_key[key], document)
            else:
                foreign.append(key)
        for key, (document, *label) in self._labelled(foreign).items():
            found[by_key[key]] = read_foreign(by_key[key], document, label)
        return found

    def _documents(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        groups = self._groups(keys)
        replies = self._scatter([(group[0], (b"MGET", *group)) for group in groups])
        return {
            key: document
            for group, reply in zip(groups, replies, strict=True)
            for key, document in zip(group, reply, strict=True)
            if document is not None
        }

    def _labelled(self, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return documents that are not readable, each followed by its label."""
        groups = self._groups(keys)
        replies = self._scatter(
            [(group[0], ScriptCall(_LABELLED, [*group, *map(label_key, group)])) for group in groups]
        )
        width = 1 + _LABEL_SIZE
        return {
            key: reply[width * number : width * (number + 1)]
            for group, reply in zip(groups, replies, strict=True)
            for number, key in enumerate(group)
            if reply[width * number] is not None
        }

    def _groups(self, keys: Sequence[bytes]) -> list[list[bytes]]:
        return [
            [keys[position] for position in place[start : start + _CHUNK]]
            for place in self.server.same_place(keys)
            for start in range(0, len(place), _CHUNK)
        ]

    def _scatter(self, calls: Sequence[tuple[bytes, Command]]) -> list[Reply]:
        if not calls:
            return []
        try:
            replies = self.server.scatter(calls, timeout=self._timeout)
        except (RedisUnavailable, RedisRefused) as error:
            raise BackendGetMetaError(str(error)) from error
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise BackendGetMetaError(explain_reply(self.server.location.url, str(reply)))
        return replies
