"""Delayed messages of queues that no node of ours takes from.

Those of its own queues a consumer moves when it takes. Others are left to whoever is alive: a queue may be served by
Celery's workers alone, and what celeriac delays for it has to appear in its list all the same.
"""

import time
from collections.abc import Collection
from typing import Final

from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.record import SCRIPTS
from celeriac.redis.errors import RedisRefused, ReplyError
from celeriac.redis.packing import ScriptCall
from celeriac.redis.scripts import load_script
from celeriac.redis.servers import Server

__all__ = ["Ripening"]

#: Seconds between two looks, so by so much are they late at the most.
_INTERVAL: Final = 2.0
#: Messages of a queue that are moved at once, at most.
_CHUNK: Final = 1000


class Ripening:
    """Moves what is due, now and then. Used by one thread."""

    def __init__(self, layout: Layout, server: Server) -> None:
        self._layout = layout
        self._server = server
        self._looked_at = time.monotonic()

    def look(self, own: Collection[str]) -> None:
        """Move due messages of all queues but our own, if it is time to look."""
        if time.monotonic() - self._looked_at < _INTERVAL:
            return
        self._looked_at = time.monotonic()
        layout = self._layout
        known = self._server.scatter([(layout.queues.encode(), (b"SMEMBERS", layout.queues))])[0]
        if isinstance(known, ReplyError):
            raise RedisRefused(str(known), code=known.code)
        others = sorted({queue.decode() for queue in known} - {*own})
        script = load_script(SCRIPTS, "ripen")
        calls = [
            (key.encode(), ScriptCall(script, (key, layout.list(queue)), (_CHUNK, layout.separator)))
            for queue in others
            for key in (layout.delayed(queue),)
        ]
        if calls:
            self._server.scatter(calls)
