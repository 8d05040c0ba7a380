"""Taking deliveries and ending them."""

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Consumer, Delivery, Settlement
from celeriac.brokers.settling import settle_in_order
from celeriac.brokers.sqlite.messages import insert_messages, line_up, to_rows
from celeriac.brokers.sqlite.session import Session
from celeriac.brokers.sqlite.settling import Plan, make_delivery, pick_ours
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.sqlite.database import Database
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES

__all__ = ["SqliteConsumer"]

#: Delayed messages that become ready in one transaction, at most.
_RIPEN_LIMIT = 1000
#: Seconds after which a busy consumer looks again whether delayed messages are due.
_RIPEN_INTERVAL = 0.02
#: Queues that one take comes to while they have enough, at least; and messages from each, where it comes to more of
#: them. What is published to one queue together lies side by side, seven to a page, and a page that is written for one
#: message costs as much as for seven.
_BREADTH, _RUN = 8, 32


class _Row(NamedTuple):
    """A row of ``first_ready``."""

    id: int
    urgency: int
    queue: str
    envelope: bytes
    deliveries: int


class SqliteConsumer(Consumer):
    """A node's claim on queues of a file.

    An idle consumer sleeps on its bell and writes nothing. It looks without taking the lock, and begins a transaction
    only when there is something to take; while batches come in full it does not look first.
    """

    def __init__(
        self,
        database: Database,
        queues: Sequence[Queue],
        *,
        node: str,
        results: ResultBackend | None,
        is_atomic: bool,
        lease: float,
    ) -> None:
        self._database = database
        self._results = results
        self._is_atomic = is_atomic
        self._queues = list(dict.fromkeys(queue.name for queue in queues))
        self._session = Session(database, name=node, lease=lease, queues=self._queues)
        self._is_woken = False
        self._confirmed: set[int | str] = set()
        #: The last batch was full: there is more, as far as one can tell without looking.
        self._is_busy = False
        #: Unix time at which the first delayed message is due, when last looked at; None if there was none.
        self._next_due: float | None = None
        #: Monotonic time of the next look for delayed messages.
        self._ripen_at = 0.0
        self._turn = 0

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        if limit <= 0:
            return []
        deadline = time.monotonic() + timeout
        bell = self._session.bell
        while True:
            bell.drain()
            was_busy, pause = self._is_busy, deadline - time.monotonic()
            if was_busy or self._is_something_due():
                deliveries = self._database.write(lambda transaction: self._take(transaction, limit))
                self._is_busy = len(deliveries) == limit
                if deliveries:
                    self._is_woken = False
                    return deliveries
                if was_busy or not (self._is_woken or time.monotonic() >= deadline):
                    # Others were faster, or what came is delayed and the time when it is due can be seen now.
                    continue
            if self._next_due is not None:
                pause = min(pause, self._next_due - time.time())
            if self._is_woken or time.monotonic() >= deadline:
                self._is_woken = False
                return []
            bell.wait(min(pause, bell.patience))

    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        if not settlements:
            return []
        own_bell = self._session.bell.name
        if not self._is_atomic:
            return settle_in_order(
                settlements,
                self._results,
                still_ours=lambda batch: self._database.read(lambda connection: pick_ours(connection, batch)),
                publish=self._publish,
                end=lambda batch: self._database.write(Plan(batch, own_bell=own_bell).end) if batch else [],
                confirmed=self._confirmed,
            )
        plan = Plan(settlements, own_bell=own_bell)
        with_results = self._results is not None
        return self._database.write(lambda transaction: plan.settle(transaction, with_results=with_results))

    def renew(self, status: bytes = b"") -> bool:
        return self._session.renew(status)

    def recover(self) -> int:
        return self._session.recover()

    def add_queue(self, queue: Queue) -> None:
        self._session.add_queue(queue.name)
        if queue.name not in self._queues:
            self._queues.append(queue.name)

    def cancel_queue(self, name: str) -> None:
        if name in self._queues:
            self._queues.remove(name)
            self._session.cancel_queue(name)

    def wake(self) -> None:
        self._is_woken = True
        self._session.bell.wake()

    def close(self) -> None:
        self._session.close()

    def _publish(self, messages: Sequence[Message]) -> None:
        rows = to_rows(messages)
        own_bell = self._session.bell.name
        self._database.write(lambda transaction: insert_messages(transaction, rows, own_bell=own_bell))

    def _is_something_due(self) -> bool:
        """Look without taking the lock."""
        queues = json.dumps(self._queues)

        def look(connection: sqlite3.Connection) -> bool:
            (self._next_due,) = connection.execute(QUERIES["next_due"], (queues,)).fetchone()
            if connection.execute(QUERIES["any_without_place"], (queues,)).fetchone() is not None:
                return True
            return connection.execute(QUERIES["ready_queues"], (queues, 1)).fetchone() is not None

        has_ready = self._database.read(look)
        if self._next_due is not None and self._next_due <= time.time():
            self._ripen_at = 0.0
            return True
        return has_ready

    def _take(self, transaction: Transaction, limit: int) -> list[Delivery]:
        connection = transaction.connection
        self._session.keep_up(transaction)
        line_up(connection)
        if time.monotonic() >= self._ripen_at:
            connection.execute(QUERIES["ripen"], (json.dumps(self._queues), time.time(), _RIPEN_LIMIT))
            self._ripen_at = time.monotonic() + _RIPEN_INTERVAL
        rows = self._choose(connection, limit)
        if not rows:
            return []
        connection.execute(QUERIES["next_execution"])
        (execution,) = connection.execute(QUERIES["current_execution"]).fetchone()
        connection.execute(QUERIES["take"], (self._session.node, execution, json.dumps([row[0] for row in rows])))
        return [
            make_delivery(number, queue, envelope, execution=execution, redelivered=deliveries > 0)
            for number, _, queue, envelope, deliveries in rows
        ]

    def _choose(self, connection: sqlite3.Connection, limit: int) -> list[_Row]:
        """Select what to take: an equal share of each queue, of some of them in turn if they are many."""
        if len(self._queues) == 1:
            return connection.execute(QUERIES["first_ready"], (self._queues[0], limit)).fetchall()
        self._turn += 1
        breadth = max(_BREADTH, limit // _RUN)
        chosen: list[_Row] = []
        ahead = self._queues
        is_more = True
        while is_more and (missing := limit - len(chosen)):
            wanted = min(breadth, missing)
            places = connection.execute(QUERIES["ready_queues"], (json.dumps(ahead), wanted)).fetchall()
            is_more = len(places) == wanted
            if places:
                start = self._turn % len(places)
                names = [ahead[place] for (place,) in places[start:] + places[:start]]
                ahead = ahead[places[-1][0] + 1 :]
                chosen += _deal(self._offer(connection, names, missing), missing)
        # The next take begins where this one has ended.
        self._queues = ahead + self._queues[: len(self._queues) - len(ahead)]
        return sorted(chosen, key=lambda row: row[1])

    def _offer(self, connection: sqlite3.Connection, names: Sequence[str], limit: int) -> list[list[_Row]]:
        """Select each queue's share of the limit, and more from some where others have too little."""
        share = -(-limit // len(names))
        hands = [connection.execute(QUERIES["first_ready"], (name, share)).fetchall() for name in names]
        missing = limit - sum(len(hand) for hand in hands)
        for place, name in enumerate(names):
            if missing > 0 and len(hands[place]) == share:
                hands[place] = connection.execute(QUERIES["first_ready"], (name, share + missing)).fetchall()
                missing -= len(hands[place]) - share
        return hands


def _deal(hands: list[list[_Row]], limit: int) -> list[_Row]:
    """Return up to ``limit`` rows, taken from the lists in turn."""
    dealt: list[_Row] = []
    place = 0
    while len(dealt) < limit and hands:
        hands = [hand for hand in hands if len(hand) > place]
        dealt.extend(hand[place] for hand in hands[: limit - len(dealt)])
        place += 1
    return dealt
