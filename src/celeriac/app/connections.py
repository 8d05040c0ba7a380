"""An app's broker and result backend: which they are, and when they are made."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from celeriac.app.engine_options import backend_options, broker_options
from celeriac.app.engine_urls import producer_url, results_url, worker_url
from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Broker
from celeriac.engines import backend_from_url, broker_from_url, default_broker_url
from celeriac.result_waiter import ResultWaiter
from celeriac.settings import Settings
from celeriac.stand_ins import stand_ins
from celeriac.timetables.base import Timetable
from celeriac.timetables.choice import timetable_for

__all__ = ["Connections", "creator_directory"]

_PACKAGE = str(Path(__file__).parents[1])

Value = TypeVar("Value")


class Connections:
    """The engines that an app's settings name. Made at first use, and anew when the settings name others."""

    def __init__(self, settings: Callable[[], Settings], directory: Callable[[], Path]) -> None:
        self._settings = settings
        self._directory = directory
        #: The settings, once they have been read: they stay the same object.
        self._known: Settings | None = None
        self._lock = threading.RLock()
        #: Each with the URL and the options it was made from.
        self._broker: tuple[tuple[str, dict[str, Any]], Broker] | None = None
        self._backend: tuple[tuple[str | None, dict[str, Any]], ResultBackend] | None = None
        self._waiters: dict[int, tuple[ResultBackend, ResultWaiter]] = {}
        self._revision = -1

    @property
    def broker_url(self) -> str:
        """Where messages are published: as the settings say, else the file beside the app."""
        return producer_url(self._settings()) or self._default_url()

    @property
    def worker_url(self) -> str:
        """Where a worker takes messages from; ``broker_url``, unless ``broker_read_url`` says otherwise."""
        return worker_url(self._settings()) or self._default_url()

    @property
    def result_backend_url(self) -> str | None:
        """The result backend's URL; None when results are off."""
        return results_url(self._settings(), self._default_url())

    @property
    def broker_options(self) -> dict[str, Any]:
        """What the settings say to the broker's engine."""
        return broker_options(self._settings())

    @property
    def backend_options(self) -> dict[str, Any]:
        """What the settings say to the result backend's engine."""
        return backend_options(self._settings(), self.result_backend_url)

    @property
    def broker(self) -> Broker:
        """The broker, not connected before its first use."""
        settings = self._known
        if settings is None or settings.revision != self._revision:
            self._look_again()
        if self._broker is None:
            with self._lock:
                if self._broker is None:
                    origin = self.broker_url, self.broker_options
                    self._broker = origin, self._make_broker(*origin)
        return self._broker[1]

    @property
    def backend(self) -> ResultBackend:
        """The result backend, not connected before its first use."""
        settings = self._known
        if settings is None or settings.revision != self._revision:
            self._look_again()
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    origin = self.result_backend_url, self.backend_options
                    self._backend = origin, self._make_backend(*origin)
        return self._backend[1]

    def timetable(self) -> Timetable:
        """Return a new timetable, not connected yet, in the store that these engines lead to."""
        return timetable_for(self.broker, self.backend, file=Path(self._settings().beat_schedule_filename))

    def waiter(self, backend: ResultBackend) -> ResultWaiter:
        """Return what waits for results of this backend on behalf of coroutines."""
        with self._lock:
            _, waiter = self._waiters.setdefault(id(backend), (backend, ResultWaiter(backend)))
        return waiter

    def close(self) -> None:
        """Disconnect. Safe to call twice; the next use connects again."""
        with self._lock:
            broker, self._broker = self._broker, None
            backend, self._backend = self._backend, None
            self._waiters.clear()
        if backend is not None:
            backend[1].close()
        if broker is not None:
            broker[1].close()

    def _default_url(self) -> str:
        return default_broker_url(self._directory())

    def _make_broker(self, url: str, options: dict[str, Any]) -> Broker:
        instead = stand_ins()
        return broker_from_url(url, options=options) if instead is None else instead.broker(url)

    def _make_backend(self, url: str | None, options: dict[str, Any]) -> ResultBackend:
        instead = stand_ins()
        if instead is not None:
            return instead.backend(url, self.broker)
        return backend_from_url(url, broker=self.broker, options=options)

    def _look_again(self) -> None:
        """Drop what was made for other settings than those of now."""
        settings = self._known = self._settings()
        revision = settings.revision
        with self._lock:
            if self._broker is not None and self._broker[0] != (self.broker_url, self.broker_options):
                self._broker[1].close()
                self._broker = self._backend = None
            if self._backend is not None and self._backend[0] != (self.result_backend_url, self.backend_options):
                self._backend[1].close()
                self._backend = None
            self._revision = revision


def creator_directory() -> Path:
    """Return the directory of the module that is calling into celeriac; the current one where there is no file."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the way to a caller
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    file = frame.f_globals.get("__file__") if frame is not None else None
    return Path(file).absolute().parent if file else Path(os.getcwd())  # noqa: PTH109 - not resolved
