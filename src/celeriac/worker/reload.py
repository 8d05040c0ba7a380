"""Reloading in development: watch files, and have the node take up what changes.

A thread of the node's process sends the node ``SIGHUP``, the signal that has the code imported as it is now. Files are
watched by ``watchfiles`` where that is installed; else their times are looked at once a second.

Watched are Python files below the folders of the code, and every file in the folders of resources.
"""

import importlib.util
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

__all__ = ["CodeWatcher", "code_folders"]

logger = logging.getLogger("celeriac.worker.reload")

#: Seconds between two looks at the files' times.
_EVERY = 1.0
#: Seconds between two looks whether the node is there to be told.
_MOMENT = 0.1
#: Folders that hold no code of the project's, besides hidden ones and virtual environments.
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
#: Files beside resources that nothing reads: sources of translations, compiled code, an editor's copies.
_UNREAD = (".po", ".pot", ".pyc", ".swp", ".swx", ".tmp", "~")


def code_folders(app: str) -> list[Path]:
    """Return where the code of an app is, named as for ``-A``: the current directory and the app's package."""
    package = importlib.util.find_spec(app.partition(":")[0].partition(".")[0])
    elsewhere = (package.submodule_search_locations if package is not None else None) or ()
    return [Path.cwd(), *map(Path, elsewhere)]


class CodeWatcher:
    """Watches from ``start`` until ``stop``. Also a context manager."""

    def __init__(
        self,
        folders: Iterable[Path],
        *,
        polls: bool | None = None,
        on_change: Callable[[set[Path]], None] | None = None,
    ) -> None:
        """``polls`` chooses how to watch; None: as what is installed allows.

        ``on_change`` is called in the watcher's thread; without it the node in this process is told.
        """
        self._on_change = self._tell_node if on_change is None else on_change
        self._folders = _without_subfolders(folders)
        self._resources: tuple[Path, ...] = ()
        self._polls = importlib.util.find_spec("watchfiles") is None if polls is None else polls
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, *, resources: Iterable[str] = ()) -> None:
        """Begin to watch, in these folders all files that are read. Nothing happens when called again."""
        if self._thread is None:
            self._resources = tuple(folder for each in resources if (folder := Path(each).resolve()).is_dir())
            self._folders = _without_subfolders([*self._folders, *self._resources])
            self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, within about a second. Safe to call twice."""
        self._stopping.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        for changed in self._poll() if self._polls else self._watch():
            self._on_change(changed)

    def _tell_node(self, changed: set[Path]) -> None:
        # Before the node handles the signal, it would end the process.
        while signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            if self._stopping.wait(_MOMENT):
                return
        names = ", ".join(sorted(path.name for path in changed)[:5])
        logger.warning("Changed: %s.", names)
        os.kill(os.getpid(), signal.SIGHUP)

    def _watch(self) -> Iterator[set[Path]]:
        from watchfiles import DefaultFilter, watch

        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it would say the same once more
        leaves_out = DefaultFilter()
        changes = watch(
            *self._folders,
            watch_filter=lambda change, path: leaves_out(change, path) and self._is_read(Path(path)),
            stop_event=self._stopping,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        for change in changes:
            yield {Path(path) for _, path in change}

    def _poll(self) -> Iterator[set[Path]]:
        before = dict(self._times())
        while not self._stopping.wait(_EVERY):
            now = dict(self._times())
            if now != before:
                yield {path for path in now.keys() | before.keys() if now.get(path) != before.get(path)}
                before = now

    def _times(self) -> Iterator[tuple[Path, int]]:
        """Yield each file that matters and when it was written."""
        for folder in self._folders:
            for directory, subfolders, files in os.walk(folder):
                subfolders[:] = [name for name in subfolders if _holds_code(Path(directory, name))]
                for path in (Path(directory, name) for name in files):
                    if self._is_read(path):
                        try:
                            yield path, path.stat().st_mtime_ns
                        except OSError:
                            continue  # removed in this moment

    def _is_read(self, path: Path) -> bool:
        if path.suffix == ".py":
            return True
        if path.name.startswith(".") or path.name.endswith(_UNREAD):
            return False
        return any(folder in path.parents for folder in self._resources)


def _without_subfolders(folders: Iterable[Path]) -> list[Path]:
    chosen = {folder.resolve() for folder in folders}
    return sorted(folder for folder in chosen if not chosen & set(folder.parents))


def _holds_code(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED:
        return False
    return not (folder / "pyvenv.cfg").exists()
