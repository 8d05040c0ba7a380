"""Importing the user's modules in the fork server, and refusing those that make forking unsafe."""

import importlib
import threading
import time
from contextlib import suppress
from pathlib import Path

from celeriac.exceptions import ImproperlyConfigured

__all__ = ["preload"]

#: Seconds a thread that is about to end is given for it.
_PATIENCE = 0.5
_PROBE_INTERVAL = 0.01

_TASKS = Path("/proc/self/task")
_DESCRIPTORS = Path("/proc/self/fd")


def preload(entries: list[str]) -> None:
    """Import each entry: ``"module"``, or ``"module:function"`` to call the function too.

    Raises ``ImproperlyConfigured`` when one leaves threads or sockets behind: a forked child would get sockets that it
    shares with its siblings, and locks that nobody will ever release. Raises it too, with the cause, when an import
    fails.
    """
    for entry in entries:
        sockets = _open_sockets()
        try:
            _load(entry)
        except BaseException as error:
            raise ImproperlyConfigured(f"{entry!r} cannot be preloaded: {type(error).__name__}: {error}.") from error
        if leftovers := _leftovers(sockets):
            raise ImproperlyConfigured(
                f"{entry!r} cannot be preloaded: it leaves {' and '.join(leftovers)} open after import, which forked"
                " children would break or share. Open them later, at first use, or do not preload it."
            )


def _load(entry: str) -> None:
    module, _, function = entry.partition(":")
    imported = importlib.import_module(module)
    if function:
        getattr(imported, function)()


def _leftovers(sockets_before: set[str]) -> list[str]:
    deadline = time.monotonic() + _PATIENCE
    while True:
        leftovers = _threads()
        if sockets := _open_sockets() - sockets_before:
            leftovers.append(f"{len(sockets)} socket{'s' if len(sockets) > 1 else ''}")
        if not leftovers or time.monotonic() > deadline:
            return leftovers
        time.sleep(_PROBE_INTERVAL)


def _threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    if names:
        return [f"the thread{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"]
    native = len(list(_TASKS.iterdir())) - 1 if _TASKS.is_dir() else 0
    if native:
        return [
            f"{native} thread{'s' if native > 1 else ''} of a C library (numpy's: set OPENBLAS_NUM_THREADS=1)",
        ]
    return []


def _open_sockets() -> set[str]:
    """Return the names of this process's sockets; none where the system does not list them."""
    found: set[str] = set()
    for descriptor in _DESCRIPTORS.iterdir() if _DESCRIPTORS.is_dir() else ():
        with suppress(OSError):  # The descriptor of the directory itself.
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith("socket:")}
