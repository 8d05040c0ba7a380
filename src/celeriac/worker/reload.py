"""Reloading in development: watch Python files, and have the node replace its children when one changes.

A thread of the node's process sends the node ``SIGHUP``, the signal that has each child finish what it runs and make
place for one that imports the code as it is now. Files are watched by ``watchfiles`` where that is installed; else
their times are looked at once a second.
"""

import importlib.util
import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

__all__ = ["CodeWatcher"]

logger = logging.getLogger("celeriac.worker.reload")

#: Seconds between two looks at the files' times.
_EVERY = 1.0
#: Folders that hold no code of the project's, besides hidden ones and virtual environments.
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


class CodeWatcher:
    """Watches all Python files below some folders from ``start`` until ``stop``. Also a context manager."""

    def __init__(self, folders: Iterable[Path], *, polls: bool | None = None) -> None:
        """``polls`` chooses how to watch; None: as what is installed allows."""
        self._folders = _without_subfolders(folders)
        self._polls = importlib.util.find_spec("watchfiles") is None if polls is None else polls
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
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
            # Before the node handles the signal, it would end the process.
            while signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
                if self._stopping.wait(_EVERY):
                    return
            names = ", ".join(sorted(path.name for path in changed)[:5])
            logger.warning("Changed: %s.", names)
            os.kill(os.getpid(), signal.SIGHUP)

    def _watch(self) -> Iterator[set[Path]]:
        from watchfiles import PythonFilter, watch

        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it would say the same once more
        changes = watch(
            *self._folders,
            watch_filter=PythonFilter(),
            stop_event=self._stopping,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        for change in changes:
            yield {Path(path) for _, path in change}

    def _poll(self) -> Iterator[set[Path]]:
        before = dict(_times(self._folders))
        while not self._stopping.wait(_EVERY):
            now = dict(_times(self._folders))
            if now != before:
                yield {path for path in now.keys() | before.keys() if now.get(path) != before.get(path)}
                before = now


def _without_subfolders(folders: Iterable[Path]) -> list[Path]:
    chosen = {folder.resolve() for folder in folders}
    return sorted(folder for folder in chosen if not chosen & set(folder.parents))


def _times(folders: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """Yield each Python file and when it was written."""
    for folder in folders:
        for directory, subfolders, files in os.walk(folder):
            subfolders[:] = [name for name in subfolders if _holds_code(Path(directory, name))]
            for name in files:
                if name.endswith(".py"):
                    path = Path(directory, name)
                    try:
                        yield path, path.stat().st_mtime_ns
                    except OSError:
                        continue  # removed in this moment


def _holds_code(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED:
        return False
    return not (folder / "pyvenv.cfg").exists()
