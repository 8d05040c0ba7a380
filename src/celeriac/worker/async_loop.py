"""The loop of a child for ``async def`` tasks: an event loop in a thread of its own, beside the ``def`` tasks."""

import asyncio
import threading

from celeriac.exceptions import SoftTimeLimitExceeded
from celeriac.execution import Execution, Report
from celeriac.worker.frames import Work
from celeriac.worker.lane import ChildLane
from celeriac.worker.workbench import Workbench

__all__ = ["AsyncLoop"]


class AsyncLoop:
    """Runs up to so many coroutines at once, until the node closes the lane."""

    def __init__(self, lane: ChildLane, bench: Workbench, *, first_row: int, slots: int) -> None:
        self._lane = lane
        self._bench = bench
        self._free_rows = list(range(first_row, first_row + slots))
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = False
        self._flush_planned = False
        self._thread = threading.Thread(target=self._run, name="celeriac-async", daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the lane is closed and the last coroutine has ended."""
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._read_on()
        await self._ended.wait()
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._bench.outbox.flush()

    def _read_on(self) -> None:
        if not self._reading and not self._lane.ended:
            self._reading = True
            self._loop.add_reader(self._lane.token_descriptor, self._on_tokens)

    def _read_no_more(self) -> None:
        self._reading = False
        self._loop.remove_reader(self._lane.token_descriptor)

    def _on_tokens(self) -> None:
        while self._free_rows:
            work = self._lane.next_work()
            if work is None:
                if self._lane.ended:
                    self._read_no_more()
                    self._ended.set()
                return
            task = self._loop.create_task(self._run_work(self._free_rows.pop(), work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._read_no_more()

    async def _run_work(self, row: int, work: Work) -> None:
        bench = self._bench
        began = bench.take(row, work)
        prepared = bench.prepare(work)
        if isinstance(prepared, Execution):
            bench.begin(row, work, prepared, began)
            prepared = await self._run_limited(prepared)
        bench.end(row, work, prepared, began)
        self._free_rows.append(row)
        self._read_on()
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    async def _run_limited(self, execution: Execution) -> Report:
        limit = execution.soft_time_limit
        running = asyncio.current_task()
        if not limit or running is None:
            return await execution.arun()
        timer = self._loop.call_later(limit, execution.interrupt, SoftTimeLimitExceeded(limit), running)
        try:
            return await execution.arun()
        finally:
            timer.cancel()

    def _flush(self) -> None:
        self._flush_planned = False
        self._bench.outbox.flush()
