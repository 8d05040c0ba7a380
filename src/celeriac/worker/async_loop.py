"""The loop of a child for ``async def`` tasks: an event loop in a thread of its own, beside the ``def`` tasks."""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any

from celeriac.exceptions import SoftTimeLimitExceeded, TaskRevokedError
from celeriac.execution import Execution, Report
from celeriac.worker import forked
from celeriac.worker.frames import Work
from celeriac.worker.lane import ChildLane
from celeriac.worker.task_loop import BROKEN
from celeriac.worker.workbench import Workbench

__all__ = ["AsyncLoop"]

logger = logging.getLogger("celeriac.worker")


class AsyncLoop:
    """Runs up to so many coroutines at once, until the node closes the lane."""

    def __init__(self, lane: ChildLane, bench: Workbench, *, first_row: int, slots: int) -> None:
        self._lane = lane
        self._bench = bench
        self._free_rows = list(range(first_row, first_row + slots))
        #: What runs, with the number of its work.
        self._tasks: dict[asyncio.Task[None], int] = {}
        #: Works that others have replaced.
        self._replaced: set[int] = set()
        self._is_taking = False
        self._flush_planned = False
        self._thread = threading.Thread(target=self._guard, name="celeriac-async", daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the lane is closed and the last coroutine has ended."""
        self._thread.join()

    def _guard(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody would run what this loop has taken
            _break_down(error)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            # A future, not a task: a coroutine of the user's may cancel all tasks of the loop.
            self._ended = self._loop.create_future()
            os.register_at_fork(after_in_child=self._disable)
            self._loop.call_soon(self._begin)
            while not self._ended.done():
                try:
                    self._loop.run_until_complete(self._ended)
                except BaseException:
                    _end_copy()
                    # sys.exit in a task of the user's own making, or loop.stop(). Whoever awaits it is told; we go on.
                    logger.exception("A coroutine has stopped the event loop, which goes on.")
        self._bench.outbox.flush()

    def _disable(self) -> None:
        """In a copy that a task has forked: end it where it would go on as if it were the child.

        The copy shares the selector, the wake-up socket and the lane with the child, so its first look at any of them
        could take what is the child's; and what is ready would run twice. asyncio has no public way to stop that.
        """
        ready, selector = getattr(self._loop, "_ready", None), getattr(self._loop, "_selector", None)
        if ready is not None and selector is not None:
            ready.clear()
            # The selector lives on in the child. Whatever the loop does next in the copy raises, and ``_run`` ends it.
            selector.close()

    def _end_if_idle(self) -> None:
        if self._lane.ended and not self._tasks and not self._ended.done():
            self._ended.set_result(None)

    def _begin(self) -> None:
        self._loop.add_reader(self._lane.stream.fileno(), self._on_stream)
        self._read_on()

    def _read_on(self) -> None:
        if not self._is_taking and not self._lane.ended:
            self._is_taking = True
            self._loop.add_reader(self._lane.token_descriptor, self._on_tokens)

    def _read_no_more(self) -> None:
        self._is_taking = False
        self._loop.remove_reader(self._lane.token_descriptor)
        self._loop.remove_reader(self._lane.stream.fileno())

    def _on_stream(self) -> None:
        _end_copy()
        self._lane.receive_ready()
        if self._lane.cancelled:
            self._cancel_replaced()
        if self._lane.ended:
            self._read_no_more()
            self._end_if_idle()

    def _on_tokens(self) -> None:
        _end_copy()
        # One at a time, so that each coroutine takes its first step before the next token is taken: if that step blocks
        # the loop, the node can still take back all that lies behind.
        work = self._lane.next_work()
        if self._lane.cancelled:
            self._cancel_replaced()
        if work is None:
            if self._lane.ended:
                self._read_no_more()
                self._end_if_idle()
            return
        task = self._loop.create_task(self._run_work(self._free_rows.pop(), work))
        self._tasks[task] = work.sequence
        task.add_done_callback(self._forget)
        if not self._free_rows:
            # The stream is read on: it may tell what to cancel.
            self._is_taking = False
            self._loop.remove_reader(self._lane.token_descriptor)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._replaced.discard(self._tasks.pop(task))
        if task.cancelled() or task.exception() is not None:
            # Its work would stay begun for ever. The node learns of it by the end of the process.
            _break_down(asyncio.CancelledError() if task.cancelled() else task.exception())
        self._end_if_idle()

    def _cancel_replaced(self) -> None:
        while self._lane.cancelled:
            sequence = self._lane.cancelled.pop()
            for task, running in self._tasks.items():
                if running == sequence:
                    self._replaced.add(sequence)
                    task.cancel()

    async def _run_work(self, row: int, work: Work) -> None:
        bench = self._bench
        began = bench.take(row, work)
        prepared = bench.prepare(work)
        if isinstance(prepared, Execution):
            bench.begin(row, work, prepared, began)
            bench.outbox.before_task()
            report = await self._run_execution(work.sequence, prepared)
            _uncancel()
        else:
            report = prepared
        if bench.must_declare(report):
            with contextlib.suppress(asyncio.CancelledError):  # some task of the user's cancels whatever it finds
                await asyncio.to_thread(bench.declare, report)
            _uncancel()
        bench.end(row, work, report, began)
        self._free_rows.append(row)
        self._read_on()
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    async def _run_execution(self, sequence: int, execution: Execution) -> Report:
        if execution.soft_time_limit:
            execution.limit_coroutine = CoroutineLimit(execution.soft_time_limit)
        try:
            if not execution.is_async:
                # The code has changed since the node asked what is async.
                return await asyncio.to_thread(execution.run)
            return await execution.arun()
        except BaseException as error:  # noqa: BLE001 - a failure of the pipeline's own is the task's failure too
            if sequence in self._replaced:
                return execution.revoke(
                    TaskRevokedError("cancelled, as a later run has taken its place"), terminated=True
                )
            # So is its cancellation: only code of the user's can have asked for that.
            return execution.fail(error)

    def _flush(self) -> None:
        self._flush_planned = False
        self._bench.outbox.flush()


def _uncancel() -> None:
    """Forget that the current task was to be cancelled: the coroutine it ran has ended, and its end is to be told."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def _end_copy() -> None:
    """End a copy whose coroutine has forked and awaits: it must not take the child's work."""
    if forked.is_copy:
        os._exit(0)


def _break_down(error: BaseException | None) -> None:
    _end_copy()
    try:
        logger.critical("The event loop for tasks has broken down, and its process with it.", exc_info=error)
    finally:
        os._exit(BROKEN)


class CoroutineLimit:
    """Wraps a coroutine so that ``SoftTimeLimitExceeded`` is raised at its await when its time is up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_up = False

    def __call__(self, coroutine: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
        """Return what to await instead of the coroutine."""
        return self._limited(coroutine)

    async def _limited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        timer = asyncio.get_running_loop().call_later(self._seconds, self._interrupt, task)
        try:
            return await _Driven(coroutine, self)
        finally:
            timer.cancel()

    def _interrupt(self, task: "asyncio.Task[Any]") -> None:
        self._is_up = True
        task.cancel()

    def translate(self, error: BaseException) -> BaseException:
        """Return what to throw into the coroutine in place of what was thrown at it."""
        if not self._is_up or not isinstance(error, asyncio.CancelledError):
            return error
        self._is_up = False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return SoftTimeLimitExceeded(self._seconds)


class _Driven:
    """Drives a coroutine step by step, so that the exception thrown into it can be another one."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], limit: CoroutineLimit) -> None:
        self._coroutine = coroutine
        self._limit = limit

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine = self._coroutine
        error: BaseException | None = None
        value: Any = None
        while True:
            try:
                awaited = coroutine.send(value) if error is None else coroutine.throw(error)
            except StopIteration as end:
                return end.value
            error = None
            try:
                value = yield awaited
            except BaseException as caught:  # noqa: BLE001 - whatever it is, it is the coroutine's to handle
                error = self._limit.translate(caught)
