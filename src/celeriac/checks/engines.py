"""Checks of the broker and the result backend that an app's settings name; nothing is connected to."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from celeriac.app.engine_options import portable
from celeriac.checks.finding import Finding, Grade
from celeriac.exceptions import ImproperlyConfigured
from celeriac.sqlite.location import Location

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["check_access", "check_file", "check_loneliness", "check_urls"]

#: Bytes of free disk below which it is time to act.
_LITTLE = 100 * 1024 * 1024
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "afs"})


def check_urls(app: "Celeriac") -> Iterator[Finding]:
    """Make the broker and the result backend, which fails for URLs that lead nowhere."""
    try:
        broker = app.broker
    except ImproperlyConfigured as error:
        yield Finding(Grade.WRONG, str(error), "E001")
        return
    try:
        backend = app.backend
    except ImproperlyConfigured as error:
        yield Finding(Grade.WRONG, str(error), "E002")
        return
    yield from check_loneliness(broker.url)
    yield from check_loneliness(backend.url, results=True)
    for options, setting in (
        (app.broker_options, "broker_transport_options"),
        (app.backend_options, "result_backend_transport_options"),
    ):
        try:
            portable(options, setting)
        except ImproperlyConfigured as error:
            yield Finding(Grade.WRONG, str(error), "E013")


def check_loneliness(url: str, *, results: bool = False) -> Iterator[Finding]:
    """Find a broker, or a result backend, that nobody but its own process can see."""
    if not url.startswith("memory:"):
        return
    if results:
        yield Finding(
            Grade.WRONG,
            f"The result backend {url} lives inside one process and is for tests: nobody else can read what a worker "
            "stores. Set result_backend to sqlite:///celeriac.sqlite3.",
            "W002",
        )
    else:
        yield Finding(
            Grade.WRONG,
            f"The broker {url} lives inside one process and is for tests: no worker sees what others publish. "
            "Set broker_url to sqlite:///celeriac.sqlite3.",
            "W001",
        )


def check_file(url: str) -> Iterator[Finding]:
    """Look at the file behind an SQLite URL: whether its disk is local and has room. Nothing for other URLs."""
    path = _path_of(url)
    if path is None or not _is_directory(path.parent):
        return
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE:
        yield Finding(Grade.WRONG, f"Only {free >> 20} MiB are free on the disk of {path}. Make room.", "W004")
    else:
        yield Finding(Grade.OK, f"{path}: {_size(path)}, {free >> 30} GiB of disk free.")
    system = _file_system(path.parent)
    if system in _NETWORK_FILE_SYSTEMS:
        yield Finding(
            Grade.WRONG,
            f"{path} is on a network file system ({system}), where SQLite cannot lock it: keep it on a local disk.",
            "E003",
        )
    owner = path.stat().st_uid if os.access(path, os.F_OK) else 0
    if owner not in {os.geteuid(), 0}:
        yield Finding(
            Grade.NOTE,
            f"{path} belongs to user {owner}, and this is user {os.geteuid()}: all who use it have to be "
            "able to write it and its folder.",
        )


def check_access(url: str) -> Iterator[Finding]:
    """Say, without opening it, whether this user can use the file behind an SQLite URL. Nothing for other URLs."""
    path = _path_of(url)
    if path is None:
        return
    if not _is_directory(path.parent):
        yield Finding(
            Grade.WRONG,
            f"The directory {path.parent} of {path.name} does not exist, or this user (id {os.geteuid()}) may not "
            "enter it. Create it, or give the right to.",
            "W003",
        )
        return
    for place in (path.parent, path):
        if os.access(place, os.F_OK) and not os.access(place, os.W_OK):
            yield Finding(
                Grade.WRONG,
                f"This user (id {os.geteuid()}) may not write {place}, so nothing it publishes arrives. All who use "
                f"{path.name} have to be able to write it and its directory.",
                "W003",
            )
            return


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except PermissionError:  # one above it may not be entered
        return False


def _path_of(url: str) -> Path | None:
    if not url.startswith("sqlite:"):
        return None
    try:
        return Location.from_url(url, {}).path
    except ImproperlyConfigured:
        return None  # making the engine says so


def _size(path: Path) -> str:
    try:
        size = path.stat().st_size
    except OSError:
        return "not made yet"
    return f"{size / 1024:.0f} KiB" if size < 1 << 20 else f"{size / (1 << 20):.1f} MiB"


def _file_system(directory: Path) -> str:
    """Return the kind of file system a directory is on, where the system tells (Linux); else nothing."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    resolved = directory.resolve()
    best, kind = -1, ""
    for line in mounts:
        _, point, found, *_ = line.split(" ")
        if resolved.is_relative_to(point) and len(point) > best:
            best, kind = len(point), found
    return kind
