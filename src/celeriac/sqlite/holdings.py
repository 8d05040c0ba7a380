"""Who holds which runs, in a transaction."""

import json
import sqlite3
import time
from collections.abc import Sequence

from celeriac.backends.base import ENDED_FOR, Holding
from celeriac.sqlite.queries import QUERIES

__all__ = ["end_runs", "hold_runs", "let_go_of_runs", "prune_holdings"]


def hold_runs(
    connection: sqlite3.Connection, task_ids: Sequence[str], holder: str, seconds: float
) -> dict[str, Holding]:
    """Do what ``ResultBackend.hold`` says, and drop some holdings that are over."""
    now = time.time()
    prune_holdings(connection, 2 * len(task_ids))
    return {task_id: _hold(connection, task_id, holder, now, seconds) for task_id in task_ids}


def let_go_of_runs(connection: sqlite3.Connection, task_ids: Sequence[str], holder: str) -> None:
    """Do what ``ResultBackend.let_go`` says."""
    connection.execute(QUERIES["let_go_of_runs"], (holder, json.dumps(list(task_ids))))


def end_runs(connection: sqlite3.Connection, task_ids: Sequence[str]) -> None:
    """Do what ``ResultBackend.end_runs`` says."""
    until = time.time() + ENDED_FOR
    connection.executemany(QUERIES["end_run"], [(task_id, until) for task_id in task_ids])


def prune_holdings(connection: sqlite3.Connection, limit: int) -> None:
    """Drop up to ``limit`` holdings that are over."""
    connection.execute(QUERIES["prune_holdings"], (time.time(), limit))


def _hold(connection: sqlite3.Connection, task_id: str, holder: str, now: float, seconds: float) -> Holding:
    if connection.execute(QUERIES["hold_run"], (task_id, holder, now + seconds, now)).rowcount == 1:
        return Holding.OURS
    has_ended = connection.execute(QUERIES["run_has_ended"], (task_id, now)).fetchone() is not None
    return Holding.ENDED if has_ended else Holding.TAKEN
