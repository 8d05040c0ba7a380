"""Running a beat: by itself (``run_beat``), or beside something else in a thread of its own (``BeatThread``)."""

import logging
import os
import signal
import socket
import threading
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from celeriac import signals
from celeriac.app.periodic import CodeEntry, code_entries, require_own_scheduler
from celeriac.beat.beat import Beat
from celeriac.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.timetables.base import Timetable

__all__ = ["BeatThread", "Service", "beside_developed_node", "beside_node", "run_beat"]

logger = logging.getLogger("celeriac.beat")

#: Seconds a thread may take to end.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What receivers of ``beat_init`` and ``beat_embedded_init`` get as their sender."""

    app: "Celeriac"
    #: The scheduler's name, unique among all of them.
    name: str
    timetable: "Timetable"


def scheduler_name() -> str:
    """Return a name that no other scheduler has."""
    return f"beat@{socket.gethostname()}:{os.getpid()}"


def run_beat(app: "Celeriac", *, max_interval: float | None = None) -> None:
    """Be a scheduler until SIGTERM or SIGINT. Raises ``ImproperlyConfigured`` for entries that cannot be."""
    entries = code_entries(app)
    timetable = app.timetable()
    beat = _beat(app, timetable, max_interval)

    def stop(_number: int, _frame: FrameType | None) -> None:
        beat.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        signals.beat_init.send(sender=Service(app=app, name=scheduler_name(), timetable=timetable))
        logger.info("The scheduler is ready: %d entries in the code, timetable at %s.", len(entries), timetable.url)
        beat.run(entries)
        logger.info("The scheduler has stopped.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        timetable.close()


class BeatThread:
    """A scheduler in a thread of its own."""

    def __init__(self, app: "Celeriac", entries: list[CodeEntry]) -> None:
        self._timetable = app.timetable()
        self._beat = _beat(app, self._timetable, None)
        self._entries = entries
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
        self._service = Service(app=app, name=scheduler_name(), timetable=self._timetable)

    def start(self) -> None:
        """Begin."""
        signals.beat_embedded_init.send(sender=self._service)
        self._thread.start()

    def close(self) -> None:
        """End it; others may lead at once. Safe to call twice."""
        self._beat.stop()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        try:
            self._beat.run(self._entries)
        except Exception:
            # Nothing else would tell. The app process is replaced, and the scheduler begins anew in the next one.
            logger.exception("The scheduler has failed; its process is replaced.")
            os._exit(1)
        finally:
            self._timetable.close()


def beside_node(app: "Celeriac") -> BeatThread:
    """Return a scheduler for the app process of a node (``ChildBoot.companions``).

    Raises ``ImproperlyConfigured`` for entries that cannot be.
    """
    return BeatThread(app, code_entries(app))


def beside_developed_node(app: "Celeriac") -> "BeatThread | Absence":
    """Return a scheduler for the app process of a node in development.

    With entries that cannot be there is none, and a line in the log: tasks run all the same.
    """
    try:
        return beside_node(app)
    except ImproperlyConfigured as error:
        return Absence(str(error))


class Absence:
    """No scheduler, in the place of one."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def start(self) -> None:
        """Say why."""
        logger.warning("No periodic task runs. %s", self._reason)

    def close(self) -> None:
        """There is nothing to end."""


def _beat(app: "Celeriac", timetable: "Timetable", max_interval: float | None) -> Beat:
    require_own_scheduler(app.conf)
    interval = app.conf.beat_max_loop_interval if max_interval is None else max_interval
    return Beat(app, timetable, name=scheduler_name(), max_interval=interval or 0.0)
