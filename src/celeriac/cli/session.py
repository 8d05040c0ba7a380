"""What one run of the command works with: the app and the broker that its global options name."""

import importlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli import exit_codes
from celeriac.cli.app_choice import AppChoice, choose_app, no_app
from celeriac.cli.failures import Failure, app_failure
from celeriac.exceptions import OperationalError
from celeriac.settings_display import censor_url

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.brokers.base import Broker
    from celeriac.timetables.base import Timetable

__all__ = ["Session", "pass_session"]

_BROKER_VARIABLES = ("CELERIAC_BROKER_URL", "CELERY_BROKER_URL")
#: An app of default settings, for those who name a broker and no app.
_DEFAULT_APP = "celeriac.app.base:Celeriac"


@dataclass(slots=True, kw_only=True)
class Session:
    """The global options, and what they lead to, made at first use."""

    app_name: str | None
    broker_url: str | None
    result_backend: str | None
    no_color: bool
    quiet: bool
    _app: "Celeriac | None" = field(default=None, init=False)
    _knows_tasks: bool = field(default=False, init=False)
    _timetable: "Timetable | None" = field(default=None, init=False)

    def choice(self) -> AppChoice:
        """Return which app is named; fails with the cure when none is."""
        choice = choose_app(self.app_name, os.environ)
        if choice is None:
            raise Failure(no_app(_command()), exit_code=exit_codes.MISUSED)
        if choice.name.endswith(".py") or "/" in choice.name:
            module = choice.name.removesuffix(".py").strip("./").replace("/", ".")
            raise Failure(f"-A takes a module, not a file: write -A {module}.", exit_code=exit_codes.MISUSED)
        return choice

    @property
    def names_app(self) -> bool:
        """Say whether an app is named: by -A, the environment or Django's settings."""
        return choose_app(self.app_name, os.environ) is not None

    def app(self, *, tasks: bool = False) -> "Celeriac":
        """Import and return the app, with its modules of tasks if ``tasks``; without one, an app for the broker named.

        Fails with a sentence, and where in the user's code, when importing it does.
        """
        if self._app is None:
            self._app = self._load()
        if tasks and not self._knows_tasks:
            with _UsersCode(self.app_name or ""):
                self._app.import_task_modules()
                self._app.finalize()
            self._knows_tasks = True
        return self._app

    def broker(self) -> "Broker":
        """Return the broker, connected; fails with a sentence when it cannot be used by more than one process."""
        broker = self._shared_broker()
        broker.open()
        return broker

    def timetable(self) -> "Timetable":
        """Return the timetable, connected; fails with a sentence when it cannot be used by more than one process."""
        if self._timetable is None:
            self._shared_broker()
            self._timetable = self.app().timetable()
            self._timetable.open()
        return self._timetable

    def queues_to_look_at(self, broker: "Broker") -> list[str]:
        """Return the app's queues for a broker that cannot list its own; nothing for one that can."""
        return [] if broker.capabilities.lists_queues else list(self.app().queues)

    def command(self, words: str) -> str:
        """Return a command line for a person to copy: with the app and the broker that this one names."""
        options = [("-A", self.app_name), ("-b", self.broker_url and censor_url(self.broker_url))]
        named = [f"{option} {value}" for option, value in options if value]
        return " ".join([_program(), *named, words])

    def close(self) -> None:
        """Disconnect."""
        if self._timetable is not None:
            self._timetable.close()
        if self._app is not None:
            try:
                self._app.close()
            except OperationalError:
                return

    def _shared_broker(self) -> "Broker":
        broker = self.app().broker
        if not broker.capabilities.shared:
            raise Failure(
                f"The broker {broker.url} lives inside one process and is for tests: nobody else can see its queues. "
                "Set broker_url to sqlite:///celeriac.sqlite3.",
                exit_code=exit_codes.MISUSED,
            )
        return broker

    def _load(self) -> "Celeriac":
        app: Celeriac
        if self.names_app:
            choice = self.choice()
            with _UsersCode(choice.name):
                app = _call(choice.loader, choice.name)
                app.conf.override(self._overrides())
        elif self.broker_url or any(os.environ.get(variable) for variable in _BROKER_VARIABLES):
            app = _call(_DEFAULT_APP, "celeriac")
            app.conf.override(self._overrides())
        else:
            raise Failure(no_app(_command()), exit_code=exit_codes.MISUSED)
        app.set_current()
        app.set_default()
        return app

    def _overrides(self) -> dict[str, Any]:
        given: dict[str, Any] = {"result_backend": self.result_backend}
        if self.broker_url:
            given |= {"broker_url": self.broker_url, "broker_read_url": self.broker_url}
            given["broker_write_url"] = self.broker_url
        return {name: value for name, value in given.items() if value is not None}


pass_session = click.make_pass_decorator(Session)


class _UsersCode:
    """What is raised while the user's code is imported is shown as theirs."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, (OperationalError, click.ClickException)):
            return
        if isinstance(error, (Exception, SystemExit)):
            raise app_failure(self._name, error) from error


def _call(place: str, *arguments: Any) -> Any:
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments)


def _program() -> str:
    """Return what a person types to get here."""
    context = click.get_current_context(silent=True)
    name = (context.find_root().info_name if context is not None else None) or "celeriac"
    return f"python {name}" if name.startswith("manage.py ") else name


def _command() -> str:
    context = click.get_current_context(silent=True)
    return context.info_name or "" if context is not None else ""
