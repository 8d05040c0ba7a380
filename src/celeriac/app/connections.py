"""An app's broker and result backend: which they are, and when they are made."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Broker
from celeriac.engines import backend_from_url, broker_from_url, default_broker_url
from celeriac.exceptions import ImproperlyConfigured
from celeriac.result_waiter import ResultWaiter
from celeriac.settings import Settings
from celeriac.stand_ins import stand_ins

__all__ = ["Connections", "creator_directory"]

_DISABLED = frozenset({"", "disabled", "disabled://"})
_PACKAGE = str(Path(__file__).parents[1])

Value = TypeVar("Value")


class Connections:
    """The engines that an app's settings name. Made at first use, and anew when the settings name others."""

    def __init__(self, settings: Callable[[], Settings], directory: Callable[[], Path]) -> None:
        self._settings = settings
        self._directory = directory
        self._lock = threading.RLock()
        self._broker: tuple[str, Broker] | None = None
        self._backend: tuple[str, ResultBackend] | None = None
        self._waiters: dict[int, tuple[ResultBackend, ResultWaiter]] = {}
        self._revision = -1

    @property
    def broker_url(self) -> str:
        """The broker's URL: as the settings say, else the file beside the app."""
        url = _first_url(self._settings().broker_write_url)
        return url or default_broker_url(self._directory())

    @property
    def result_backend_url(self) -> str | None:
        """The result backend's URL; None when results are off.

        Without settings results are kept beside the messages; with a broker of one's own they are off, as in Celery.
        """
        settings = self._settings()
        url: str | None = settings.result_backend
        if url is not None:
            return None if url in _DISABLED else url
        return None if _first_url(settings.broker_write_url) else default_broker_url(self._directory())

    @property
    def broker(self) -> Broker:
        """The broker, not connected before its first use."""
        self._look_again()
        if self._broker is None:
            with self._lock:
                if self._broker is None:
                    url = self.broker_url
                    self._broker = url, self._make_broker(url)
        return self._broker[1]

    @property
    def backend(self) -> ResultBackend:
        """The result backend, not connected before its first use."""
        self._look_again()
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    url = self.result_backend_url
                    self._backend = url or "", self._make_backend(url)
        return self._backend[1]

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

    def _make_broker(self, url: str) -> Broker:
        instead = stand_ins()
        if instead is not None:
            return instead.broker(url)
        return broker_from_url(url, options=self._settings().broker_transport_options)

    def _make_backend(self, url: str | None) -> ResultBackend:
        instead = stand_ins()
        if instead is not None:
            return instead.backend(url, self.broker)
        return backend_from_url(url, broker=self.broker, options=self._settings().result_backend_transport_options)

    def _look_again(self) -> None:
        """Drop what was made for other settings than those of now."""
        revision = self._settings().revision
        if revision == self._revision:
            return
        with self._lock:
            if self._broker is not None and self._broker[0] != self.broker_url:
                self._broker[1].close()
                self._broker = self._backend = None
            if self._backend is not None and self._backend[0] != (self.result_backend_url or ""):
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


def _first_url(urls: Any) -> str | None:
    """Return the first of a list of URLs, or of a text of several; None for none."""
    if isinstance(urls, (list, tuple)):
        urls = urls[0] if urls else None
    if urls is not None and not isinstance(urls, str):
        raise ImproperlyConfigured(f"broker_url must be a URL, not {urls!r}.")
    return urls.split(";")[0] if urls else None
