"""A node's session: its row, its lease, its lock file and its bell; and what it finds out about other nodes.

Two signs of life. The lock file tells at once that a process is gone; its deliveries wait one more second, in which
its children end, so that no task runs beside itself. The lease tells that a process is stopped: then its lock is held,
but nobody renews. Its deliveries go to others only on the word of a node that has itself renewed for one whole lease
without a break, because otherwise it may have been this machine that stood still.
"""

import contextlib
import secrets
import sqlite3
import time
from collections.abc import Iterable
from typing import NamedTuple

from celeriac.brokers.base import NodeRecord
from celeriac.brokers.lease import Lease
from celeriac.brokers.sqlite.messages import queue_topic, ring_queues
from celeriac.exceptions import OperationalError
from celeriac.sqlite.database import Database
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.locks import Holder, look_at
from celeriac.sqlite.queries import QUERIES

__all__ = ["Session", "read_nodes"]

#: Seconds that a lock must have been seen free before the deliveries go to others: the node's children end meanwhile.
GRACE = 1.0
#: Seconds between two searches for bells whose owners are gone.
_SWEEP_INTERVAL = 60.0


class _Node(NamedTuple):
    """A row of ``nodes``."""

    id: int
    session: str
    name: str
    lease_until: float
    status: bytes


class Session:
    """This consumer as the others know it. Used by one thread."""

    def __init__(self, database: Database, *, name: str, lease: float, queues: Iterable[str]) -> None:
        self._database = database
        self._name = name
        self._queues = set(queues)
        self._key = secrets.token_hex(8)
        database.open()
        self._lock = database.lock_session(self._key)
        self.bell = database.make_bell()
        self.lease = Lease(lease, time.time())
        #: The lease had ended and ``renew`` has not told yet.
        self._has_lapsed = False
        self._gone_since: dict[str, float] = {}
        self._swept_at = time.monotonic()
        self.node = 0
        self.generation = -1
        try:
            self._database.write(self._register)
        except BaseException:
            self._lock.close()
            self.bell.close()
            raise

    def keep_up(self, transaction: Transaction) -> None:
        """Make sure that this node is registered and its lease good, in a transaction that takes something."""
        if self.generation != self._database.generation:
            self._has_lapsed = True
            self.lease.break_off(time.time())
            self._register(transaction)
        elif time.time() > self.lease.until:
            self._renew_row(transaction, None)

    def renew(self, status: bytes) -> bool:
        """Extend the lease; return False if it had ended since the last call."""
        if not (self._lock.is_in_place and self.bell.is_in_place):
            self._move_in_again()
        self._database.write(lambda transaction: self._renew_row(transaction, status))
        kept, self._has_lapsed = not self._has_lapsed, False
        return kept

    def recover(self) -> int:
        """Give dead nodes' deliveries back; return how many."""
        nodes = self._database.read(_select_nodes)
        others = [node for node in nodes if node.id != self.node]
        self._gone_since = {
            node.session: self._gone_since.get(node.session, time.monotonic())
            for node in others
            if self._look_at(node) is Holder.GONE
        }
        for_certain = [node for node in others if self._is_dead(node)]
        silent = [node for node in others if node not in for_certain and self._is_silent(node)]
        orphans = self._database.read(lambda connection: connection.execute(QUERIES["orphans"]).fetchall())
        count = 0
        if for_certain or silent or orphans:
            numbers = [node.id for node in for_certain + silent] + [number for (number,) in orphans]
            count = self._database.write(lambda transaction: self._give_back(transaction, numbers, for_certain))
        for node in for_certain:
            with contextlib.suppress(OSError):
                (self._database.location.live_directory / f"{node.session}.lock").unlink()
        if for_certain or time.monotonic() - self._swept_at > _SWEEP_INTERVAL:
            self._sweep_bells()
        return count

    def add_queue(self, queue: str) -> None:
        """Be rung for this queue too."""
        self._queues.add(queue)
        self._database.write(lambda transaction: self._listen(transaction, [queue]))

    def cancel_queue(self, queue: str) -> None:
        """Be rung for this queue no more."""
        self._queues.discard(queue)
        arguments = (queue_topic(queue), self.bell.name)
        self._database.write(lambda transaction: transaction.connection.execute(QUERIES["delete_listener"], arguments))

    def close(self) -> None:
        """Give everything back and leave. Safe to call twice."""

        def leave(transaction: Transaction) -> None:
            if self.generation == self._database.generation:
                _give_back(transaction, self.node)
                transaction.connection.execute(QUERIES["delete_node"], (self.node,))
            transaction.connection.execute(QUERIES["forget_bell_of_listener"], (self.bell.name,))

        try:
            if self.node:
                self._database.write(leave)
                self.node = 0
        finally:
            # The lock goes last: while it is held nobody else gives these deliveries back.
            self.bell.close()
            self._lock.close()

    def _register(self, transaction: Transaction) -> None:
        cursor = transaction.connection.execute(QUERIES["insert_node"], (self._key, self._name, self.lease.until))
        assert cursor.lastrowid is not None
        self.node = cursor.lastrowid
        self.generation = self._database.generation
        self._listen(transaction, self._queues)

    def _listen(self, transaction: Transaction, queues: Iterable[str]) -> None:
        for queue in queues:
            transaction.connection.execute(QUERIES["declare_queue"], (queue,))
            if self.bell.can_ring:
                transaction.connection.execute(QUERIES["insert_listener"], (queue_topic(queue), self.bell.name))

    def _renew_row(self, transaction: Transaction, status: bytes | None) -> None:
        now = time.time()
        unbroken = self.lease.renew(now)
        changed = transaction.connection.execute(QUERIES["renew_node"], (self.lease.until, status, self.node)).rowcount
        if self.generation != self._database.generation or not changed:
            # The row is gone, and its deliveries with it or back on their queues.
            unbroken = False
            self.lease.break_off(now)
            self._register(transaction)
        self._has_lapsed = self._has_lapsed or not unbroken

    def _move_in_again(self) -> None:
        """Put lock file and bell back where somebody has removed them."""
        if not self._lock.is_in_place:
            self._lock.close()
            self._lock = self._database.lock_session(self._key)
        self.bell.hang()

    def _look_at(self, node: _Node) -> Holder:
        return look_at(self._database.location.live_directory / f"{node.session}.lock")

    def _is_dead(self, node: _Node) -> bool:
        since = self._gone_since.get(node.session)
        return since is not None and time.monotonic() - since >= GRACE

    def _is_silent(self, node: _Node) -> bool:
        now = time.time()
        if node.session in self._gone_since or node.lease_until >= now or not self.lease.may_judge_others(now):
            return False
        found = self._database.read(
            lambda connection: connection.execute(QUERIES["node_with_deliveries"], (node.id,)).fetchone()
        )
        return found is not None

    def _give_back(self, transaction: Transaction, numbers: list[int], dead: list[_Node]) -> int:
        count = sum(_give_back(transaction, number) for number in numbers)
        for node in dead:
            transaction.connection.execute(QUERIES["delete_node"], (node.id,))
        return count

    def _sweep_bells(self) -> None:
        self._swept_at = time.monotonic()
        bells = self._database.read(lambda connection: connection.execute(QUERIES["known_bells"]).fetchall())
        unheard = [bell for (bell,) in bells if not self._database.ringer.is_heard(bell)]
        if unheard:
            with contextlib.suppress(OperationalError):
                self._database.forget_bells(unheard)


def read_nodes(database: Database) -> list[NodeRecord]:
    """Return every node that has a row."""
    directory = database.location.live_directory
    return [
        NodeRecord(
            name=node.name,
            lease_until=node.lease_until,
            status=node.status,
            gone=look_at(directory / f"{node.session}.lock") is Holder.GONE,
        )
        for node in database.read(_select_nodes)
    ]


def _select_nodes(connection: sqlite3.Connection) -> list[_Node]:
    return [_Node(*row) for row in connection.execute(QUERIES["nodes"])]


def _give_back(transaction: Transaction, node: int) -> int:
    queues = [queue for (queue,) in transaction.connection.execute(QUERIES["queues_in_flight"], (node,))]
    count = transaction.connection.execute(QUERIES["give_back"], (node,)).rowcount
    ring_queues(transaction, queues)
    return count
