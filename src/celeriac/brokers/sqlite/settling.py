"""The end of deliveries, in a transaction."""

import json
import sqlite3
import time
from collections.abc import Sequence

from celeriac.brokers.base import Outcome, Settlement
from celeriac.brokers.dead_letters import read_label
from celeriac.brokers.sqlite.messages import MessageRow, insert_messages, ring_queues, to_row, to_rows
from celeriac.sqlite.group_commit import Transaction
from celeriac.sqlite.queries import QUERIES
from celeriac.sqlite.results import store_results

__all__ = ["Plan", "make_tag", "pick_ours"]


def make_tag(number: int, execution: int) -> str:
    """Return a delivery's tag: the row alone would name every receipt of the message, and is used again for others."""
    return f"{number}-{execution}"


def _number(settlement: Settlement) -> int:
    """Return the row that a settlement is about."""
    return int(str(settlement.delivery.tag).partition("-")[0])


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
        ours = pick_ours(transaction.connection, self._settlements)
        self._end(transaction, ours)
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
        ours = pick_ours(transaction.connection, self._settlements)
        self._end(transaction, ours)
        return self._all_but(ours)

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
            connection.execute(QUERIES["delete_messages"], (json.dumps(gone),))
        if back:
            connection.execute(QUERIES["requeue"], (json.dumps(back),))
            ring_queues(transaction, back_to, own_bell=self._own_bell)

    def _replace(self, transaction: Transaction, settlement: Settlement) -> None:
        row = self._replacements[id(settlement)]
        transaction.connection.execute(QUERIES["declare_queue"], (row.queue,))
        transaction.connection.execute(QUERIES["replace"], (*row, _number(settlement)))
        ring_queues(transaction, (row.queue,), own_bell=self._own_bell)

    def _bury(self, connection: sqlite3.Connection, settlement: Settlement) -> None:
        delivery = settlement.delivery
        label = read_label(delivery.envelope)
        connection.execute(
            QUERIES["insert_dead_letter"],
            (label.task_id, delivery.queue, label.task, settlement.reason, time.time(), delivery.envelope),
        )
