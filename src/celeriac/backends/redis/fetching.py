"""Reading results."""

from collections.abc import Sequence
from typing import Final, TypeAlias

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

#: Keys that could not be read, each with the error.
_Unread: TypeAlias = dict[bytes, RedisUnavailable]


class Fetching:
    """Reads results from one place. Safe for many threads."""

    def __init__(self, server: Server, prefix: str, *, timeout: float) -> None:
        self.server = server
        self.prefix = prefix
        self._timeout = timeout

    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        """Return what is known of these tasks; raises ``BackendGetMetaError``."""
        found, unread = self.fetch_reachable(task_ids)
        for error in unread.values():
            raise BackendGetMetaError(str(error)) from error
        return found

    def fetch_reachable(self, task_ids: Sequence[str]) -> tuple[dict[str, StoredResult], dict[str, RedisUnavailable]]:
        """Return what is known of these tasks, and of those on nodes of a Cluster that are away the error."""
        by_key = {result_key(self.prefix, task_id): task_id for task_id in task_ids}
        found: dict[str, StoredResult] = {}
        foreign: list[bytes] = []
        documents, unread = self._documents(list(by_key))
        for key, document in documents.items():
            if is_readable(document):
                found[by_key[key]] = read_readable(by_key[key], document)
            else:
                foreign.append(key)
        labelled, also_unread = self._labelled(foreign)
        for key, (document, *label) in labelled.items():
            found[by_key[key]] = read_foreign(by_key[key], document, label)
        return found, {by_key[key]: error for key, error in (unread | also_unread).items()}

    def _documents(self, keys: Sequence[bytes]) -> tuple[dict[bytes, bytes], _Unread]:
        groups = self._groups(keys)
        answered, unread = self._gather(groups, [(b"MGET", *group) for group in groups])
        documents = {
            key: document
            for group, reply in answered
            for key, document in zip(group, reply, strict=True)
            if document is not None
        }
        return documents, unread

    def _labelled(self, keys: Sequence[bytes]) -> tuple[dict[bytes, list[bytes]], _Unread]:
        """Return documents that are not readable, each followed by its label."""
        groups = self._groups(keys)
        scripts = [ScriptCall(_LABELLED, [*group, *map(label_key, group)]) for group in groups]
        answered, unread = self._gather(groups, scripts)
        width = 1 + _LABEL_SIZE
        labelled = {
            key: reply[width * number : width * (number + 1)]
            for group, reply in answered
            for number, key in enumerate(group)
            if reply[width * number] is not None
        }
        return labelled, unread

    def _groups(self, keys: Sequence[bytes]) -> list[list[bytes]]:
        return [
            [keys[position] for position in place[start : start + _CHUNK]]
            for place in self.server.same_place(keys)
            for start in range(0, len(place), _CHUNK)
        ]

    def _gather(
        self, groups: Sequence[list[bytes]], commands: Sequence[Command]
    ) -> tuple[list[tuple[list[bytes], Reply]], _Unread]:
        """Send a command a group of keys; return each group with its answer, and the keys of those without."""
        if not groups:
            return [], {}
        calls = [(group[0], command) for group, command in zip(groups, commands, strict=True)]
        try:
            replies = self.server.gather(calls, timeout=self._timeout)
        except RedisRefused as error:
            raise BackendGetMetaError(str(error)) from error
        answered: list[tuple[list[bytes], Reply]] = []
        unread: _Unread = {}
        for group, reply in zip(groups, replies, strict=True):
            if isinstance(reply, ReplyError):
                raise BackendGetMetaError(explain_reply(self.server.location.url, str(reply)))
            if isinstance(reply, RedisUnavailable):
                unread |= dict.fromkeys(group, reply)
            else:
                answered.append((group, reply))
        return answered, unread
