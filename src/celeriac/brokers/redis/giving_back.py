"""Handing what celeriac holds to Celery: everything goes to Celery's lists, as Celery would have published it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from celeriac.brokers.redis.dead_letters import DeadLetters
from celeriac.brokers.redis.elements import encode, eta_of
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.record import SCRIPTS
from celeriac.brokers.remarks import GivenBack
from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import envelope as envelopes
from celeriac.redis.errors import RedisRefused, ReplyError, explain_reply
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall
from celeriac.redis.scripts import load_script
from celeriac.redis.servers import Server

__all__ = ["GivingBack"]

#: Messages moved in one step, at most.
_CHUNK: Final = 200
#: Seconds that a settlement of a silent node which comes late is waited for.
_LATE: Final = 24 * 3600
_NOBODY: Final = ""


class GivingBack:
    """Moves messages; each move is one step of the server's, so that nothing is lost or doubled by an interruption."""

    def __init__(self, layout: Layout, server: Server, dead_letters: DeadLetters) -> None:
        self._layout = layout
        self._server = server
        self._dead_letters = dead_letters

    def give_back(self, queues: Sequence[str], *, dead: bool) -> GivenBack:
        """Give back what is held of these queues; in flight that of all, as nobody's messages stay there."""
        in_flight = sum(self._silent_nodes(queue) for queue in (queues if self._layout.is_cluster else [""]))
        return GivenBack(
            delayed=sum(self._delayed(queue) for queue in queues),
            in_flight=in_flight,
            dead=self._dead(set(queues)) if dead else 0,
        )

    def _delayed(self, queue: str) -> int:
        layout = self._layout
        key = layout.delayed(queue)
        keys = (key, *layout.lists(queue))
        total = 0
        while members := self._ask(key, (b"ZRANGE", key, 0, _CHUNK - 1)):
            arguments: list[Argument] = []
            moments = self._ask(key, (b"ZMSCORE", key, *members))
            for member, moment in zip(members, moments, strict=True):
                if moment is not None:
                    step, element = member.split(b":", 2)[1:]
                    place = layout.steps.index(int(step)) if int(step) in layout.steps else 0
                    arguments += (member, place, _with_eta(element, float(moment) / 1000))
            total += self._ask(key, ScriptCall(load_script(SCRIPTS, "give_back_delayed"), keys, arguments))
        return total

    def _silent_nodes(self, queue: str) -> int:
        keys = self._layout.record(_NOBODY, queue)
        call = ScriptCall(
            load_script(SCRIPTS, "give_back_silent"),
            (keys.nodes,),
            (_CHUNK, self._layout.prefix, *keys.family, _LATE),
        )
        total, is_more = 0, 1
        while is_more:
            count, is_more = self._ask(keys.nodes, call)
            total += count
        return total

    def _dead(self, queues: set[str]) -> int:
        """Give back dead letters, the oldest first as far as a task's letters allow."""
        ids: dict[str, None] = {}
        offset = 0
        while letters := self._dead_letters.newest(_CHUNK, offset):
            ids.update(dict.fromkeys(letter.id for letter in letters if letter.queue in queues))
            offset += len(letters)
        return self._dead_letters.retry(list(ids)) if ids else 0

    def _ask(self, key: str, command: Command) -> Reply:
        [reply] = self._server.scatter([(key.encode(), command)])
        if isinstance(reply, ReplyError):
            raise RedisRefused(explain_reply(self._server.location.url, str(reply)), code=reply.code)
        return reply


def _with_eta(element: bytes, moment: float) -> bytes:
    """Return the element with its moment where a Celery worker looks, if it is not there."""
    if eta_of(element) is not None:
        return element
    try:
        message = envelopes.decode(element)
    except UnreadableMessage:
        return element
    eta = datetime.fromtimestamp(moment, UTC).isoformat()
    return encode(msgspec.structs.replace(message, headers={**message.headers, "eta": eta}), time.time())
