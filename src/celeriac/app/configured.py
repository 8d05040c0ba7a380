"""The part of an app that comes from its settings: the settings themselves, and what is made of them."""

import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from celeriac import clock
from celeriac.app.connections import Connections
from celeriac.async_result import AsyncResult as Result  # the class has a method of that name
from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Broker
from celeriac.config_loading import config_module, load_settings, module_in_variable
from celeriac.dotted_name import import_dotted_name
from celeriac.exceptions import ImproperlyConfigured
from celeriac.protocol.serialization import content_type_of
from celeriac.publishing import Publisher
from celeriac.queues import Queues
from celeriac.result_format import ResultFormat
from celeriac.result_waiter import ResultWaiter
from celeriac.routing import Router
from celeriac.settings import Settings
from celeriac.signals import Signal
from celeriac.timetables.base import Timetable

__all__ = ["ConfiguredApp"]

Value = TypeVar("Value")


class ConfiguredApp:
    """Settings, read when first looked at, and everything made of them, made anew when they change."""

    #: The name of the module of tasks, with which automatic names begin in a script.
    main: str | None
    #: Where the default broker's file is.
    default_directory: Path

    def __init__(self, changes: Mapping[str, Any], source: Any, namespace: str | None) -> None:
        #: Sent when the settings are about to be read, and when they have been.
        self.on_configure = Signal("app.on_configure")
        self.on_after_configure = Signal("app.on_after_configure")
        self._changes = dict(changes)
        self._source = source
        self._namespace = namespace
        self._silent = False
        self._conf: Settings | None = None
        self._conf_lock = threading.RLock()
        self._made: dict[str, tuple[int, Any]] = {}
        self._connections = Connections(lambda: self.conf, lambda: self.default_directory)
        self.publisher = Publisher(self)  # type: ignore[arg-type]  # it will be a whole app

    # Settings.

    @property
    def conf(self) -> Settings:
        """The settings."""
        return self._conf if self._conf is not None else self._load()

    @property
    def configured(self) -> bool:
        """The settings have been read."""
        return self._conf is not None

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> None:
        """Take the settings from a module, class, object or dict, or the dotted name of one.

        It is read when settings are first needed, or now with ``force``. With ``namespace="CELERY"`` only names that
        begin with ``CELERY_`` count. ``silent``: a module that cannot be imported is no error.
        """
        with self._conf_lock:
            self._source, self._silent, self._namespace = obj, silent, namespace
            if self._conf is not None:
                load_settings(self._conf, obj, namespace=namespace, silent=silent)
            elif force:
                self._load()

    def config_from_envvar(self, variable_name: str, silent: bool = False, force: bool = False) -> None:
        """Take the settings from the module that an environment variable names."""
        module = module_in_variable(variable_name, os.environ, silent=silent)
        if module:
            self.config_from_object(module, silent=silent, force=force)

    def add_defaults(self, values: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Add settings that count where nobody says otherwise."""
        self.conf.add_defaults(values() if callable(values) else values)

    def _load(self) -> Settings:
        with self._conf_lock:
            if self._conf is not None:
                return self._conf
            self.on_configure.send(sender=self)
            conf = Settings()
            source = self._source if self._source is not None else config_module(os.environ)
            if source is not None:
                load_settings(conf, source, namespace=self._namespace, silent=self._silent)
            conf.update(self._changes)
            conf.apply_environment(os.environ)
            self._conf = conf
        self.on_after_configure.send(sender=self, source=conf)
        return conf

    # What is made of them.

    @property
    def queues(self) -> Queues:
        """The queues this app knows."""
        return self._from_settings("queues", Queues.from_settings)

    @property
    def router(self) -> Router:
        """What finds the queue of a call."""
        return self._from_settings("router", self._make_router)

    @property
    def result_format(self) -> ResultFormat:
        """How results are written and read."""
        return self._from_settings("result_format", ResultFormat)

    @property
    def accepted_content(self) -> frozenset[str]:
        """Content types of messages that are read."""
        return self._from_settings("accepted_content", _accepted_content)

    @property
    def reply_address(self) -> str | None:
        """Where results are sent to, for backends that send them; another one after a fork."""
        return self._connections.backend.reply_address()

    @property
    def timezone(self) -> tzinfo:
        """The zone of moments given without one."""
        return self._from_settings("timezone", _timezone)

    def now(self) -> datetime:
        """Return the time, in the app's zone."""
        return datetime.fromtimestamp(clock.now(), self.timezone)

    def _make_router(self, conf: Settings) -> Router:
        return Router.from_settings(conf, import_name=import_dotted_name, queues=self.queues)

    def _from_settings(self, name: str, make: Callable[[Settings], Value]) -> Value:
        conf = self._conf if self._conf is not None else self._load()
        revision, value = self._made.get(name, (-1, None))
        if revision != conf.revision:
            value = make(conf)
            self._made[name] = conf.revision, value
        return value  # type: ignore[no-any-return]

    # Engines.

    @property
    def broker_url(self) -> str:
        """The broker's URL; without any setting a file in ``default_directory``."""
        return self._connections.broker_url

    @property
    def worker_url(self) -> str:
        """Where a worker takes messages from: ``broker_url``, unless ``broker_read_url`` says otherwise."""
        return self._connections.worker_url

    @property
    def broker_options(self) -> dict[str, Any]:
        """What the settings say to the broker's engine, as one mapping."""
        return self._connections.broker_options

    @property
    def backend_options(self) -> dict[str, Any]:
        """What the settings say to the result backend's engine, as one mapping."""
        return self._connections.backend_options

    @property
    def result_backend_url(self) -> str | None:
        """The result backend's URL; None when results are off."""
        return self._connections.result_backend_url

    @property
    def broker(self) -> Broker:
        """The broker; connects at its first use."""
        return self._connections.broker

    def timetable(self) -> Timetable:
        """Return a new way to where schedule entries and their next runs are kept, not connected yet."""
        return self._connections.timetable()

    @property
    def backend(self) -> ResultBackend:
        """The result backend; connects at its first use."""
        return self._connections.backend

    def result_waiter(self, backend: ResultBackend | None = None) -> ResultWaiter:
        """Return what waits for results on behalf of coroutines."""
        return self._connections.waiter(backend or self.backend)

    def close(self) -> None:
        """Disconnect from broker and result backend. Safe to call twice; the next use connects again."""
        self._connections.close()

    def AsyncResult(  # noqa: N802 - Celery's name
        self,
        id: str,
        backend: ResultBackend | None = None,
        task_name: str | None = None,
        parent: Result[Any] | None = None,
        **_: Any,
    ) -> Result[Any]:
        """Return the result of the task call with this id."""
        return Result(id, backend, task_name, self, parent)  # type: ignore[arg-type]  # it is a whole app


def _accepted_content(conf: Settings) -> frozenset[str]:
    return frozenset(content_type_of(name) for name in conf.accept_content)


def _timezone(conf: Settings) -> tzinfo:
    zone = conf.timezone
    if isinstance(zone, tzinfo):
        return zone
    if not zone:
        return UTC if conf.enable_utc else datetime.now(UTC).astimezone().tzinfo or UTC
    try:
        return ZoneInfo(str(zone))
    except (KeyError, ValueError, OSError) as error:
        raise ImproperlyConfigured(
            f"There is no time zone {zone!r} (setting timezone); write it as 'Europe/Berlin'."
        ) from error
