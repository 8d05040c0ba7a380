"""The heart: tells monitors, every few seconds, that this node is there.

It has a thread and a connection of its own, so that it is in nobody's way: not when the broker is away, and not when it
is slow. What cannot be said is left unsaid; the intake's log tells of the outage.
"""

import contextlib
import os
import platform
import threading
from typing import Any, Self

from celeriac.events.dispatcher import EventDispatcher
from celeriac.exceptions import OperationalError
from celeriac.version import __version__
from celeriac.worker.status import Status

__all__ = ["DEFAULT_INTERVAL", "Heart"]

#: Seconds between two beats, as in Celery, whose monitors take a node for lost after twice as long.
DEFAULT_INTERVAL = 2.0
#: Seconds its last words may take.
_FAREWELL = 1.0


class Heart:
    """Sends ``worker-online``, ``worker-heartbeat`` and ``worker-offline`` while it is entered."""

    def __init__(self, dispatcher: EventDispatcher, status: Status, *, interval: float = DEFAULT_INTERVAL) -> None:
        self._dispatcher = dispatcher
        self._status = status
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(_FAREWELL)

    def _run(self) -> None:
        online = False
        while not self._stopping.is_set():
            online = self._say("worker-heartbeat" if online else "worker-online")
            self._stopping.wait(self._interval)
        if online:
            self._say("worker-offline")
        with contextlib.suppress(OperationalError):
            self._dispatcher.close()

    def _say(self, type_: str) -> bool:
        """Send one event; return whether it went out."""
        try:
            self._dispatcher.send(type_, **self._vitals())
        except OperationalError:
            return False
        return True

    def _vitals(self) -> dict[str, Any]:
        return {
            "freq": self._interval,
            "active": self._status.active,
            "processed": self._status.processed,
            "loadavg": [round(load, 2) for load in os.getloadavg()],
            "sw_ident": "py-celeriac",
            "sw_ver": __version__,
            "sw_sys": platform.system(),
        }
