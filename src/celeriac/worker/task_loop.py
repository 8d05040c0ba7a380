"""The loops of a child for ``def`` tasks: in its main thread, or in threads."""

import logging
import os
import queue
import threading

from celeriac.worker.frames import Work
from celeriac.worker.lane import ChildLane
from celeriac.worker.soft_limit import MainThreadLimit, ThreadLimit
from celeriac.worker.workbench import Workbench

__all__ = ["BROKEN", "run_in_main_thread", "run_in_threads"]

logger = logging.getLogger("celeriac.worker")

#: Exit status of a child that cannot go on although its node is there.
BROKEN = 70


def run_in_main_thread(lane: ChildLane, bench: Workbench) -> None:
    """Run one task after the other in this thread, until the node closes the lane."""
    limit = MainThreadLimit()
    outbox = bench.outbox
    while True:
        work = lane.next_work()
        if work is not None:
            outbox.before_task()
            bench.run(0, work, limit)
            continue
        outbox.flush()
        if lane.ended:
            return
        lane.wait()


def run_in_threads(lane: ChildLane, bench: Workbench, threads: int) -> None:
    """Run tasks in so many threads, until the node closes the lane; this thread only takes tokens for free threads."""
    free = threading.Semaphore(threads)
    works: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
    crew = [
        threading.Thread(target=_run_thread, args=(row, works, free, bench), name=f"task-{row}", daemon=True)
        for row in range(threads)
    ]
    for thread in crew:
        thread.start()
    while True:
        free.acquire()
        work = lane.next_work()
        while work is None and not lane.ended:
            lane.wait()
            work = lane.next_work()
        if work is None:
            break
        works.put(work)
    for _ in crew:
        works.put(None)
    for thread in crew:
        thread.join()
    bench.outbox.flush()


def _run_thread(row: int, works: "queue.SimpleQueue[Work | None]", free: threading.Semaphore, bench: Workbench) -> None:
    try:
        limit = ThreadLimit()
        while (work := works.get()) is not None:
            bench.outbox.before_task()
            bench.run(row, work, limit)
            free.release()
            if works.empty():
                bench.outbox.flush()
    except BaseException:  # noqa: BLE001 - whatever it is
        # Nobody would run what this thread has taken. The node learns of it by the end of the process.
        try:
            logger.critical("A thread for tasks has broken down, and its process with it.", exc_info=True)
        finally:
            os._exit(BROKEN)
