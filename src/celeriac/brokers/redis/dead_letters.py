"""Messages refused for good, kept for a person.

Of each kind of key there is one, on a Cluster one for each queue (``Layout.dead``): a sorted set of the letters'
numbers, a hash of their contents, and a sorted set of ``task id, zero byte, number`` to find them by. The contents are
``died at in milliseconds:length of the head:head, element``; the head is a MessagePack array.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from celeriac.brokers.base import DeadLetter, Settlement
from celeriac.brokers.dead_letters import Label
from celeriac.brokers.redis.elements import readable, revive
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.record import SCRIPTS
from celeriac.redis.errors import RedisRefused, ReplyError, explain_reply
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall
from celeriac.redis.scripts import load_script
from celeriac.redis.servers import Server

__all__ = ["DeadLetters", "letter_head"]

#: Letters retried or dropped in one step, at most.
_CHUNK: Final = 200


class _Head(Struct, array_like=True):
    id: str
    queue: str
    task: str
    reason: str


_heads: Final = msgspec.msgpack.Decoder(_Head)


class _Kept(NamedTuple):
    """A letter and how it is kept."""

    keys: tuple[str, str, str]
    number: bytes
    letter: DeadLetter


def letter_head(settlement: Settlement, label: Label) -> bytes:
    """Return what is kept with a rejected message."""
    head = _Head(label.task_id, settlement.delivery.queue, label.task, settlement.reason)
    return msgspec.msgpack.encode(head)


class DeadLetters:
    """Reads, retries and drops them. Safe for many threads."""

    def __init__(self, layout: Layout, server: Server) -> None:
        self._layout = layout
        self._server = server

    def newest(self, limit: int, offset: int) -> list[DeadLetter]:
        """Return letters, newest first."""
        shards = self._shards()
        if len(shards) == 1:
            return [kept.letter for kept in self._read_range(shards[0], offset, limit)]
        found = [kept for keys in shards for kept in self._read_range(keys, 0, offset + limit)]
        return [kept.letter for kept in sorted(found, key=_age)][offset : offset + limit]

    def of_task(self, task_id: str) -> list[DeadLetter]:
        """Return the letters of a task id, newest first."""
        return [kept.letter for kept in sorted(self._of_tasks([task_id]), key=_age)]

    def retry(self, task_ids: Sequence[str] | None) -> int:
        """Put letters back on their queues, crash count cleared; return how many."""
        return self._remove(task_ids, retry=True)

    def purge(self, task_ids: Sequence[str] | None) -> int:
        """Drop letters; return how many."""
        return self._remove(task_ids, retry=False)

    def _remove(self, task_ids: Sequence[str] | None, *, retry: bool) -> int:
        if task_ids is not None:
            return self._remove_kept(sorted(self._of_tasks(task_ids), key=lambda kept: int(kept.number)), retry=retry)
        total = 0
        for keys in self._shards():
            while kept := self._oldest(keys):
                total += self._remove_kept(kept, retry=retry)
        return total

    def _remove_kept(self, letters: Sequence[_Kept], *, retry: bool) -> int:
        total = 0
        for keys, group in itertools.groupby(letters, key=lambda kept: kept.keys):
            for chunk in _chunks(list(group)):
                arguments: list[Argument] = []
                for kept in chunk:
                    arguments += (kept.number, kept.letter.id, *(self._target(kept.letter) if retry else (b"", b"")))
                total += self._ask(keys[0], ScriptCall(load_script(SCRIPTS, "retry_dead"), keys, arguments))
                if retry:
                    queues = {kept.letter.queue for kept in chunk}
                    self._ask(self._layout.queues, (b"SADD", self._layout.queues, *sorted(queues)))
        return total

    def _target(self, letter: DeadLetter) -> tuple[str, bytes]:
        element = revive(letter.envelope)
        return self._layout.list(letter.queue, readable(element, letter.queue).priority), element

    def _shards(self) -> list[tuple[str, str, str]]:
        if not self._layout.is_cluster:
            return [self._layout.dead()]
        queues = self._ask(self._layout.queues, (b"SMEMBERS", self._layout.queues))
        return [self._layout.dead(queue) for queue in sorted(queue.decode() for queue in queues)]

    def _oldest(self, keys: tuple[str, str, str]) -> list[_Kept]:
        return self._read(keys, self._ask(keys[0], (b"ZRANGE", keys[0], 0, _CHUNK - 1)))

    def _read_range(self, keys: tuple[str, str, str], offset: int, limit: int) -> list[_Kept]:
        if limit <= 0:
            return []
        return self._read(keys, self._ask(keys[0], (b"ZREVRANGE", keys[0], offset, offset + limit - 1)))

    def _of_tasks(self, task_ids: Sequence[str]) -> list[_Kept]:
        found = []
        for keys in self._shards() if task_ids else ():
            numbers = []
            for task_id in dict.fromkeys(task_ids):
                start = task_id.encode() + b"\0"
                members = self._ask(keys[2], (b"ZRANGEBYLEX", keys[2], b"[" + start, b"(" + start[:-1] + b"\1"))
                numbers += [member[len(start) :] for member in members]
            found += self._read(keys, numbers)
        return found

    def _read(self, keys: tuple[str, str, str], numbers: Sequence[bytes]) -> list[_Kept]:
        if not numbers:
            return []
        contents = self._ask(keys[1], (b"HMGET", keys[1], *numbers))
        return [
            _Kept(keys, number, _to_letter(content))
            for number, content in zip(numbers, contents, strict=True)
            if content is not None
        ]

    def _ask(self, key: str, command: Command) -> Reply:
        [reply] = self._server.scatter([(key.encode(), command)])
        if isinstance(reply, ReplyError):
            raise RedisRefused(explain_reply(self._server.location.url, str(reply)), code=reply.code)
        return reply


def _age(kept: _Kept) -> tuple[float, int]:
    return -kept.letter.died_at, -int(kept.number)


def _to_letter(content: bytes) -> DeadLetter:
    died_at, length, rest = content.split(b":", 2)
    size = int(length)
    head = _heads.decode(rest[:size])
    return DeadLetter(
        id=head.id,
        queue=head.queue,
        task=head.task,
        reason=head.reason,
        died_at=int(died_at) / 1000,
        envelope=rest[size:],
    )


def _chunks(letters: Sequence[_Kept]) -> Iterator[Sequence[_Kept]]:
    return (letters[start : start + _CHUNK] for start in range(0, len(letters), _CHUNK))
