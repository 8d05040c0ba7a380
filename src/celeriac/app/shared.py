"""Shared tasks: defined without an app, and part of every app."""

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from celeriac.local import Proxy, get_current_app

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["apps", "connect_on_app_finalize", "current_apps_task", "each_finalizer", "share"]

#: Every app that is in use.
apps: "weakref.WeakSet[Celeriac]" = weakref.WeakSet()

_lock = threading.Lock()
_finalizers: list[Callable[["Celeriac"], Any]] = []


def connect_on_app_finalize(callback: Callable[["Celeriac"], Any]) -> Callable[["Celeriac"], Any]:
    """Call back with every app that is finalized from now on."""
    with _lock:
        _finalizers.append(callback)
    return callback


def each_finalizer() -> list[Callable[["Celeriac"], Any]]:
    """Return what is to be called with an app that is being finalized."""
    with _lock:
        return list(_finalizers)


def share(function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Make a task of every app: of those that are in use, and of those to come."""

    def add_to(app: "Celeriac") -> None:
        name = options.get("name") or app.gen_task_name(function.__name__, function.__module__)
        if name in app.own_tasks:
            app.note_conflict(function, name)  # a task of the app's own keeps its name
        else:
            app.task_from_function(function, **options)

    connect_on_app_finalize(add_to)
    for app in list(apps):
        if app.finalized:
            add_to(app)


def current_apps_task(function: Callable[..., Any], name: str | None) -> Any:
    """Return a proxy that stands for the current app's task of this function."""

    def current() -> Any:
        app = get_current_app()
        return app.tasks[name or app.gen_task_name(function.__name__, function.__module__)]

    return Proxy(current)
