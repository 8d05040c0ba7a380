"""A node's record in Redis: its lease, and what it has taken and not settled.

A record belongs to an incarnation, not to a name: a restarted node does not own what its predecessor took. All times
are the server's, in milliseconds.
"""

from collections.abc import Iterable
from typing import Final

from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.line import Line
from celeriac.redis.packing import ScriptCall
from celeriac.redis.scripts import load_script

__all__ = ["SCRIPTS", "Record"]

#: The package with the scripts.
SCRIPTS: Final = "celeriac.brokers.redis"
#: Messages given back in one step, at most, so that the server stays free for others.
_CHUNK: Final = 500
#: Seconds that a settlement which comes late is waited for.
_LATE: Final = 24 * 3600
#: Milliseconds after which a silent node is no node any more.
_FORGOTTEN: Final = 3600 * 1000


class Record:
    """The claims of one incarnation. Used by one thread."""

    def __init__(
        self, layout: Layout, line: Line, *, incarnation: str, name: str, lease: float, queue: str = ""
    ) -> None:
        self._layout = layout
        #: The way to it.
        self.line = line
        self._name = name
        self._status = b""
        self.keys = layout.record(incarnation, queue)
        self.incarnation = incarnation
        self.lease = round(lease * 1000)
        self._held_since = 0
        #: The lease had ended and ``renew`` has not told yet.
        self._has_lapsed = False
        #: The tags of deliveries that were handed out and are not settled.
        self.handed: set[str] = set()
        #: The tag of what a parked take may bring, or may have brought without our having read it.
        self.awaited = ""
        #: The record may hold more than was handed out.
        self.is_in_doubt = False

    def register(self) -> None:
        """Take up the lease."""
        self.renew(b"")
        self._has_lapsed = False

    def renew(self, status: bytes | None = None) -> bool:
        """Extend the lease; return False if it had ended since the last call."""
        if status is not None:
            self._status = status
        [now, was_held, count] = self.line.connection.run(
            ScriptCall(
                load_script(SCRIPTS, "renew"),
                (self.keys.nodes, self.keys.node, self.keys.in_flight),
                (self.incarnation, self.lease, self._name, self._status),
            )
        )
        if not was_held:
            self.lapsed(now)
        if count > len(self.handed):
            self.is_in_doubt = True
        kept, self._has_lapsed = not self._has_lapsed, False
        return kept

    def lapsed(self, now: int) -> None:
        """Note that the lease had ended and begins anew."""
        self._held_since = now
        self._has_lapsed = True

    def keep_name(self) -> None:
        """Write down again who this is, after somebody else may have forgotten it; ``renew`` still tells the lapse."""
        self.renew()
        self._has_lapsed = True

    def recover(self) -> int:
        """Give the messages of silent nodes back; return how many."""
        call = ScriptCall(
            load_script(SCRIPTS, "recover"),
            (self.keys.nodes,),
            (
                self.incarnation,
                self._held_since,
                self.lease,
                _CHUNK,
                self._layout.prefix,
                *self.keys.family,
                _LATE,
                _FORGOTTEN,
            ),
        )
        total, is_more = 0, 1
        while is_more:
            [count, is_more] = self.line.connection.run(call)
            total += max(count, 0)
        return total

    def unheard(self, limit: int) -> tuple[int, list[tuple[str, bytes]]]:
        """Return what the record holds that was never handed out, up to a limit, with the first execution's number.

        The answer to a take may have been lost on its way; whoever it was meant for is alive, so nobody else gives
        these messages back.
        """
        receipts = [receipt.decode() for receipt in self.line.connection.call(b"HKEYS", self.keys.in_flight)]
        missing = sorted(set(receipts) - self.handed - {self.awaited}, key=_number)
        self.is_in_doubt = len(missing) > limit
        del missing[limit:]
        if not missing:
            return 0, []
        [execution, *elements] = self.line.connection.run(
            ScriptCall(load_script(SCRIPTS, "found"), (self.keys.in_flight, self.keys.executions), missing)
        )
        pairs = zip(missing, elements, strict=True)
        return execution, [(receipt, element) for receipt, element in pairs if element is not None]

    def leave(self) -> None:
        """Give everything back, and the lease."""
        keys = self.keys
        call = ScriptCall(
            load_script(SCRIPTS, "leave"),
            (keys.nodes, keys.node, keys.in_flight, keys.returned, keys.settled),
            (self.incarnation, _CHUNK, self._layout.prefix),
        )
        while self.line.connection.run(call):
            pass
        self.handed.clear()

    def disown(self, tag: str) -> None:
        """Note that a delivery was not handed out after all: it will be found in the record, if it is still there."""
        self.handed.discard(tag)
        self.is_in_doubt = True

    def forget(self, tags: Iterable[str]) -> None:
        """Note that these deliveries have ended."""
        self.handed.difference_update(tags)


def _number(receipt: str) -> int:
    return int(receipt.partition(":")[0])
