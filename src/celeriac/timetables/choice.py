"""Which timetable an app has. An engine's module is imported only when its store is used."""

import importlib
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Broker
from celeriac.engines import backend_from_url, suggested_backend
from celeriac.timetables.base import Timetable

__all__ = ["TIMETABLES", "own_file", "timetable_for"]

_log = logging.getLogger("celeriac.beat")

#: What an engine names as its ``timetable_engine`` to module and class, which has the class method ``beside``.
TIMETABLES: dict[str, str] = {
    "memory": "celeriac.timetables.memory:MemoryTimetable",
    "sqlite": "celeriac.timetables.sqlite:SqliteTimetable",
    "redis": "celeriac.timetables.redis:RedisTimetable",
}


def timetable_for(broker: Broker, backend: ResultBackend, *, file: Path) -> Timetable:
    """Return the timetable of an app with these engines, not connected yet.

    It is where the messages are, so that a claim publishes; else where the results are; else in an SQLite file of its
    own: ``file``, with another ending if it has none, since the file of that very name may be Celery's.
    """
    path = own_file(broker, backend, file=file)
    if path is None:
        return _beside(broker if broker.timetable_engine is not None else backend, broker)
    _log.warning(
        "The timetable is in the file %s, for schedulers on this machine only: neither the broker nor a result backend "
        "can keep it. With schedulers on several machines each of them would publish every run; set result_backend %s.",
        path,
        suggested_backend(broker.url),
    )
    return _beside(backend_from_url("sqlite:///" + quote(str(path))), broker)


def own_file(broker: Broker, backend: ResultBackend, *, file: Path) -> Path | None:
    """Return the file that the timetable has for itself; None where the broker or the backend keeps it."""
    if broker.timetable_engine is not None or backend.timetable_engine is not None:
        return None
    return file.absolute() if file.suffix else file.absolute().with_name(f"{file.name}.sqlite3")


def _beside(engine: Any, broker: Broker) -> Timetable:
    module, _, name = TIMETABLES[engine.timetable_engine].partition(":")
    timetable = getattr(importlib.import_module(module), name).beside(engine, broker)
    assert isinstance(timetable, Timetable)
    return timetable
