"""The main function of a child: import the app, say so, run what comes, end."""

import os
import traceback

import msgspec

from celeriac import signals
from celeriac.worker import forked
from celeriac.worker.async_loop import AsyncLoop
from celeriac.worker.board import Board
from celeriac.worker.frames import BootFailed, Ready
from celeriac.worker.lane import ChildLane
from celeriac.worker.loading import load_app
from celeriac.worker.memory import keep_freed_memory
from celeriac.worker.options import ChildBoot
from celeriac.worker.outbox import Outbox
from celeriac.worker.process_log import set_up_log
from celeriac.worker.task_loop import run_in_main_thread, run_in_threads
from celeriac.worker.workbench import Workbench

__all__ = ["main"]


def main(argument: bytes, descriptors: list[int]) -> None:
    """Be a child. The descriptors are those of the two lanes and the board, as ``worker.child`` passes them."""
    forked.watch()
    keep_freed_memory()
    boot = msgspec.msgpack.decode(argument, type=ChildBoot)
    lane = ChildLane(descriptors[0], descriptors[1])
    async_lane = ChildLane(descriptors[2], descriptors[3])
    board = Board(descriptors[4], boot.slots + boot.async_slots)
    try:
        app = load_app(boot)
    except BaseException as error:
        lane.send([BootFailed(_sentence(error), traceback.format_exc())])
        raise SystemExit(1) from error
    set_up_log(app, boot)
    signals.worker_process_init.send(sender=boot.hostname)
    # Their modules are imported now, so that the first task need not wait for that; nothing connects yet, and what that
    # takes is imported by the first task that publishes.
    _ = app.broker, app.backend
    app.publisher.presume(queue.name for queue in app.queues.select(boot.queues, boot.exclude_queues))
    outbox, async_outbox = Outbox(lane.send), Outbox(async_lane.send)
    async_loop = None
    if boot.async_slots:
        bench = Workbench(app, hostname=boot.hostname, board=board, outbox=async_outbox)
        async_loop = AsyncLoop(async_lane, bench, first_row=boot.slots, slots=boot.async_slots)
        async_loop.start()
    lane.send([Ready(os.getpid(), async_loop is not None)])
    bench = Workbench(app, hostname=boot.hostname, board=board, outbox=outbox)
    if boot.executor == "threads":
        run_in_threads(lane, bench, boot.slots)
    else:
        run_in_main_thread(lane, bench)
    if async_loop is not None:
        async_loop.join()
    signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
    app.close()


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
