"""Checks of the broker and the result backend: a message and a result of the doctor's own go there and back."""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from celeriac import states
from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.brokers.base import Broker, Outcome, Settlement
from celeriac.cli.checks.finding import Finding, Grade
from celeriac.exceptions import CeleriacError, ImproperlyConfigured, OperationalError
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.sqlite.location import Location

__all__ = ["check_backend", "check_broker", "check_file"]

#: Seconds a probe may take.
_PATIENCE = 5.0
#: Seconds above which the broker is called slow.
_SLOW = 1.0
#: Bytes of free disk below which it is time to act.
_LITTLE = 100 * 1024 * 1024
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "afs"})


def check_broker(broker: Broker) -> Iterator[Finding]:
    """Open the broker; publish a message to a queue of the doctor's own, receive it, and delete the queue."""
    if not broker.capabilities.shared:
        yield Finding(
            Grade.WRONG,
            f"The broker {broker.url} lives inside one process and is for tests: no worker sees what others publish. "
            "Set broker_url to sqlite:///celeriac.sqlite3.",
        )
        return
    began = time.monotonic()
    try:
        broker.open()
        arrived = _probe(broker)
    except OperationalError as error:
        yield Finding(Grade.WRONG, str(error))
        return
    took = time.monotonic() - began
    if not arrived:
        yield Finding(
            Grade.WRONG,
            f"{broker.url} took a message and did not give it back within {_PATIENCE:g} s. Look at the server's log.",
        )
    elif took > _SLOW:
        yield Finding(Grade.NOTE, f"{broker.url} is slow: a message took {took:.1f} s there and back.")
    else:
        yield Finding(Grade.OK, f"{broker.url}: a message went there and back in {took * 1000:.0f} ms.")


def check_backend(backend: ResultBackend) -> Iterator[Finding]:
    """Open the result backend; store a result of the doctor's own, read it, and forget it."""
    if not backend.stores_results:
        return
    if backend.url.startswith("memory:"):
        yield Finding(
            Grade.WRONG,
            f"The result backend {backend.url} lives inside one process and is for tests: nobody else can read what a "
            "worker stores. Set result_backend to sqlite:///celeriac.sqlite3.",
        )
        return
    task_id = f"doctor-{uuid4()}"
    try:
        backend.open()
        refused = backend.store([StoredResult(task_id=task_id, state=states.SUCCESS, document=b"{}", lifetime=60.0)])
        found = backend.fetch_one(task_id)
        backend.forget([task_id])
    except OperationalError as error:
        yield Finding(Grade.WRONG, str(error))
        return
    if refused or found is None:
        yield Finding(Grade.WRONG, f"{backend.url} took a result and does not know it. Look at the server's log.")
    else:
        yield Finding(Grade.OK, f"{backend.url}: a result went there and back.")


def check_file(url: str) -> Iterator[Finding]:
    """Look at the file behind an SQLite URL: whether its disk is local and has room. Nothing for other URLs."""
    if not url.startswith("sqlite:"):
        return
    try:
        path = Location.from_url(url, {}).path
    except ImproperlyConfigured:
        return  # opening it says so
    directory = path.parent
    if not directory.is_dir():
        return
    free = shutil.disk_usage(directory).free
    if free < _LITTLE:
        yield Finding(Grade.WRONG, f"Only {free >> 20} MiB are free on the disk of {path}. Make room.")
    else:
        yield Finding(Grade.OK, f"{path}: {_size(path)}, {free >> 30} GiB of disk free.")
    system = _file_system(directory)
    if system in _NETWORK_FILE_SYSTEMS:
        yield Finding(
            Grade.WRONG,
            f"{path} is on a network file system ({system}), where SQLite cannot lock it: keep it on a local disk.",
        )
    if path.exists() and path.stat().st_uid not in {os.geteuid(), 0}:
        yield Finding(
            Grade.NOTE,
            f"{path} belongs to user {path.stat().st_uid}, and this is user {os.geteuid()}: all who use it have to be "
            "able to write it and its folder.",
        )


def _probe(broker: Broker) -> bool:
    """Say whether a message comes back; leaves no trace."""
    queue = Queue(f"celeriac-doctor-{uuid4()}")
    node = f"doctor-{os.getpid()}@{socket.gethostname()}"
    message = Message(id=str(uuid4()), queue=queue.name, headers={"task": "celeriac.doctor"}, body=b"[[], {}, {}]")
    broker.declare(queue)
    try:
        broker.publish([message], timeout=_PATIENCE)
        consumer = broker.consumer([queue], node=node)
        try:
            deliveries = consumer.receive(1, _PATIENCE)
            consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK) for delivery in deliveries])
        finally:
            consumer.close()
    finally:
        with contextlib.suppress(CeleriacError):
            broker.delete(queue.name)
    return bool(deliveries)


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
