"""The main function of the app process: import the app, tell the node about it, announce the node's moments.

What Celery runs of the user's in its main process runs here: the handlers of the worker signals.
"""

import contextlib
import os
import socket
import traceback
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from celeriac import signals
from celeriac.app.development import Development
from celeriac.app.engine_options import portable
from celeriac.dotted_name import import_dotted_name
from celeriac.worker import forked
from celeriac.worker.frames import BootFailed, Facts, Frame, Lifecycle, Ping, Pong, TaskFacts, pack, read_blocking
from celeriac.worker.loading import load_app
from celeriac.worker.options import ChildBoot
from celeriac.worker.process_log import set_up_log

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSender:
    """What receivers of the worker's signals get as their sender: what they want of Celery's objects there."""

    hostname: str
    app: "Celeriac"


def main(argument: bytes, descriptors: list[int]) -> None:
    """Be the app process. The descriptor is a stream socket to the node."""
    forked.watch()
    boot = msgspec.msgpack.decode(argument, type=ChildBoot)
    stream = socket.socket(fileno=descriptors[0])
    stream.setblocking(True)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            app = load_app(boot)
            app.check()
            companions = [import_dotted_name(name)(app) for name in boot.companions]
        facts = facts_of(app, boot, [f"{each.category.__name__}: {each.message}" for each in caught])
    except BaseException as error:
        _send(stream, BootFailed(f"{type(error).__name__}: {error}", traceback.format_exc()))
        raise SystemExit(1) from error
    set_up_log(app, boot)
    worker = WorkerSender(hostname=boot.hostname, app=app)
    signals.celeryd_init.send(sender=boot.hostname, instance=worker, conf=app.conf, options={})
    signals.worker_init.send(sender=worker)
    _send(stream, facts)
    with contextlib.ExitStack() as running:
        for companion in companions:
            companion.start()
            running.callback(companion.close)
        try:
            while True:
                for frame in read_blocking(stream):
                    _answer(stream, frame, worker)
        except (EOFError, OSError):
            # The node has closed the stream: that is the order to end.
            pass
    app.close()


def _answer(stream: socket.socket, frame: Frame, worker: WorkerSender) -> None:
    if isinstance(frame, Ping):
        _send(stream, Pong())
    elif isinstance(frame, Lifecycle):
        moment = getattr(signals, frame.moment)
        if frame.moment == "worker_shutting_down":
            moment.send(sender=worker.hostname, sig="SIGTERM", how="warm", exitcode=0)
        else:
            moment.send(sender=worker)


def _send(stream: socket.socket, frame: Frame) -> None:
    stream.sendall(pack([frame]))


def facts_of(app: "Celeriac", boot: ChildBoot, caught: list[str]) -> Facts:
    """Gather what a node needs to know of an app, as plain values."""
    development = app.development() if boot.reloads else Development()
    return Facts(
        settings=app.conf.plain(),
        tasks={
            name: TaskFacts(
                is_async=bool(task.is_async),
                acks_late=bool(task.acks_late),
                reject_on_worker_lost=task.reject_on_worker_lost,
            )
            for name, task in app.tasks.items()
        },
        queues=app.queues.select(boot.queues, boot.exclude_queues),
        broker_url=app.worker_url,
        broker_options=portable(app.broker_options, "broker_transport_options"),
        result_backend_url=app.result_backend_url,
        backend_options=portable(app.backend_options, "result_backend_transport_options"),
        app_name=str(app.main),
        time_zone=os.environ.get("TZ"),
        warnings=caught,
        in_production=development.is_on is False,
        resources=list(development.resources),
    )
