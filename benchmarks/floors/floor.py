"""A floor: a row of the table which is no queue, but what one of its client libraries does in a bare loop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stores import Store

__all__ = ["CELERYS", "OWN", "Floor", "timed"]

#: Bytes of a message: about those of a small call's, in celeriac's own envelope and in Celery's.
OWN = b"x" * 490
CELERYS = b"x" * 800

#: What was found, by the name of the measure and of the column.
Found = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """One client library on one engine."""

    name: str
    engine: str
    #: What the loops do; shown below the table.
    settings: str
    #: Runs the loops with so many messages one by one and so many in bulk.
    look: Callable[[Store, int, int], Found]


def timed(store: Store, count: int, action: Callable[[], object], prefix: str = "") -> dict[str, float]:
    """Run an action that deals with so many messages; return its columns."""
    server, began, cpu = store.cpu(), time.monotonic(), time.process_time()
    action()
    seconds, used, server_after = time.monotonic() - began, time.process_time() - cpu, store.cpu()
    found = {f"{prefix}rate": count / seconds, f"{prefix}cpu": used / count * 1e6}
    if server is not None and server_after is not None:
        found[f"{prefix}server"] = (server_after - server) / count * 1e6
    return found


def file_of(store: Store) -> Path:
    """Return the path in an SQLite store's URL."""
    return Path(store.urls()[0].removeprefix("sqlite:///"))
