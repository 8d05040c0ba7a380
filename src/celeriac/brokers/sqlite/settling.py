"""The end of deliveries, in a transaction."""

import json
import sqlite3
import time
from collections.abc import Sequence

from celeriac.brokers.base import Delivery, Outcome, Settlement
from celeriac.brokers.dead_letters import read_label
from celeriac.brokers.sqlite.messages import (
    MessageRow,
    delete_messages,
    insert_messages,
    ring_queues,
    to_row,
    to_rows,
)
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES
from celeriac.sqlite.results import store_results

__all__ = ["Plan", "RowDelivery", "make_delivery", "pick_ours"]


class RowDelivery(Delivery, frozen=True, kw_only=True):
    """A delivery that knows its row."""

    number: int


def make_delivery(number: int, queue: str, envelope: bytes, *, execution: int, redelivered: bool) -> RowDelivery:
    """Return a delivery. Its tag has both numbers: the row alone would name every receipt of the message."""
    return RowDelivery(
        tag=f"{number}-{execution}",
        queue=queue,
        envelope=envelope,
        execution=execution,
        redelivered=redelivered,
        number=number,
    )


def _number(settlement: Settlement) -> int:
    """Return the row that a settlement is about."""
    delivery = settlement.delivery
    assert isinstance(delivery, RowDelivery)
    return delivery.number


def pick_ours(connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> list[Settlement]:
    """Return those whose message nobody has taken since, each delivery once."""
    numbers = [_number(settlement) for settlement in settlements]
    executions = dict(connection.execute(QUERIES["executions"], (json.dumps(numbers),)).fetchall())
    return [
        settlement
        for number, settlement in zip(numbers, settlements, strict=True)
        if executions.pop(number, 0) == settlement.delivery.execution
    ]


class Plan:
    """Settlements and the rows they need, made before the transaction begins, which shall be short."""

    def __init__(self, settlements: Sequence[Settlement], *, own_bell: str) -> None:
        self._settlements = settlements
        self._own_bell = own_bell
        #: Rows by the number of their take, when all that is to be done with messages is to delete them.
        self._acks = _group_acks(settlements)
        now = time.time()
        self._replacements: dict[int, MessageRow] = {}
        self._follow_ups: dict[int, list[MessageRow]] = {}
        for settlement in settlements:
            if settlement.outcome is Outcome.REPLACE:
                assert settlement.replacement is not None
                self._replacements[id(settlement)] = to_row(settlement.replacement, now)
            if settlement.follow_ups:
                self._follow_ups[id(settlement)] = to_rows(settlement.follow_ups)

    def settle(self, transaction: Transaction, *, with_results: bool) -> list[Settlement]:
        """Do all of it; return those refused, of which nothing is done."""
        ours = self._end_ours(transaction)
        if with_results:
            results = [settlement.result for settlement in ours if settlement.result is not None]
            if results:
                store_results(transaction, results)
        if self._follow_ups:
            rows = [row for settlement in ours for row in self._follow_ups.get(id(settlement), ())]
            if rows:
                insert_messages(transaction, rows, own_bell=self._own_bell)
        return self._all_but(ours)

    def end(self, transaction: Transaction) -> list[Settlement]:
        """Only end the deliveries; return those refused."""
        ours = self._end_ours(transaction)
        return self._all_but(ours)

    def _end_ours(self, transaction: Transaction) -> Sequence[Settlement]:
        """End the deliveries that are ours still; return them."""
        if self._acks and self._delete_all(transaction.connection):
            return self._settlements
        ours = pick_ours(transaction.connection, self._settlements)
        self._end(transaction, ours)
        return ours

    def _delete_all(self, connection: sqlite3.Connection) -> bool:
        """Delete the messages if every one is ours still; else delete none and return False."""
        connection.execute("SAVEPOINT acks")
        for execution, numbers in self._acks.items():
            encoded = json.dumps(numbers)
            if connection.execute(QUERIES["delete_taken_places"], (encoded, execution)).rowcount != len(numbers):
                connection.execute("ROLLBACK TO acks")
                connection.execute("RELEASE acks")
                return False
            connection.execute(QUERIES["delete_messages"], (encoded,))
        connection.execute("RELEASE acks")
        return True

    def _all_but(self, ours: Sequence[Settlement]) -> list[Settlement]:
        if len(ours) == len(self._settlements):
            return []
        accepted = {id(settlement) for settlement in ours}
        return [settlement for settlement in self._settlements if id(settlement) not in accepted]

    def _end(self, transaction: Transaction, ours: Sequence[Settlement]) -> None:
        connection = transaction.connection
        gone: list[int] = []
        back: list[int] = []
        back_to: set[str] = set()
        for settlement in ours:
            match settlement.outcome:
                case Outcome.ACK:
                    gone.append(_number(settlement))
                case Outcome.REQUEUE:
                    back.append(_number(settlement))
                    back_to.add(settlement.delivery.queue)
                case Outcome.REJECT:
                    self._bury(connection, settlement)
                    gone.append(_number(settlement))
                case Outcome.REPLACE:
                    self._replace(transaction, settlement)
        if gone:
            delete_messages(connection, gone)
        if back:
            connection.execute(QUERIES["requeue"], (json.dumps(back),))
            ring_queues(transaction, back_to, own_bell=self._own_bell)

    def _replace(self, transaction: Transaction, settlement: Settlement) -> None:
        row, number, connection = self._replacements[id(settlement)], _number(settlement), transaction.connection
        connection.execute(QUERIES["declare_queue"], (row.queue,))
        connection.execute(QUERIES["replace_envelope"], (row.envelope, number))
        connection.execute(QUERIES["replace_place"], (row.queue, row.urgency, row.not_before, number))
        ring_queues(transaction, (row.queue,), own_bell=self._own_bell)

    def _bury(self, connection: sqlite3.Connection, settlement: Settlement) -> None:
        delivery = settlement.delivery
        label = read_label(delivery.envelope)
        connection.execute(
            QUERIES["insert_dead_letter"],
            (label.task_id, delivery.queue, label.task, settlement.reason, time.time(), delivery.envelope),
        )


def _group_acks(settlements: Sequence[Settlement]) -> dict[int, list[int]]:
    """Return the rows of settlements by the number of their take; nothing unless all of them are acks."""
    groups: dict[int, list[int]] = {}
    for settlement in settlements:
        if settlement.outcome is not Outcome.ACK:
            return {}
        groups.setdefault(settlement.delivery.execution, []).append(_number(settlement))
    return groups
