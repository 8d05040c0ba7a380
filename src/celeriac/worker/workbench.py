"""From work to its end inside a child: decode, execute, report. Shared by the loops for ``def`` and ``async def``."""

import asyncio
import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from celeriac.exceptions import CeleriacError, OperationalError, TaskRevokedError, UnreadableMessage
from celeriac.execution import Execution, Report, refuse
from celeriac.protocol import envelope
from celeriac.protocol.message import Message
from celeriac.worker import forked
from celeriac.worker.board import Board
from celeriac.worker.execution_log import log_begin, log_end
from celeriac.worker.frames import Done, Started, Work
from celeriac.worker.outbox import Outbox
from celeriac.worker.soft_limit import SoftLimit

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["Workbench"]

logger = logging.getLogger("celeriac.worker")

#: Stands for a message whose envelope cannot be read.
_NOBODY = Message(id="", queue="", headers={})


class Workbench:
    """What running work needs, for one lane."""

    def __init__(self, app: "Celeriac", *, hostname: str, board: Board, outbox: Outbox) -> None:
        self.outbox = outbox
        self._app = app
        self._hostname = hostname
        self._board = board

    def prepare(self, work: Work) -> Execution | Report:
        """Decode the work; a report is its end already: unreadable, unknown, or with a verdict."""
        try:
            execution = Execution.from_envelope(
                self._app,
                work.envelope,
                ordinal=work.execution,
                redelivered=work.redelivered,
                hostname=self._hostname,
            )
        except CeleriacError as problem:
            return self._refuse(work, problem)
        except Exception as problem:  # noqa: BLE001 - whatever decoding it led to, the message must not end the child
            return self._refuse(work, UnreadableMessage(f"Reading the message failed with {problem!r}."))
        if work.verdict is not None:
            error = work.verdict.as_error()
            if isinstance(error, TaskRevokedError):
                signum = work.verdict.signum
                return execution.revoke(error, terminated=signum is not None, signum=signum)
            return execution.fail(error)
        return execution

    def _refuse(self, work: Work, error: CeleriacError) -> Report:
        message = _NOBODY
        with contextlib.suppress(UnreadableMessage):
            message = envelope.decode(work.envelope)
        return refuse(self._app, message, error, ordinal=work.execution, hostname=self._hostname)

    def take(self, row: int, work: Work) -> float:
        """Write on the board that this work is being run, before anything of it is touched; return the time."""
        began = time.monotonic()
        self._board.begin(row, work.sequence, began, 0.0)
        return began

    def begin(self, row: int, work: Work, execution: Execution, began: float) -> None:
        """Write its hard limit on the board, and tell its STARTED state if that is wanted."""
        limit = execution.time_limit
        if limit:
            self._board.begin(row, work.sequence, began, began + limit)
        log_begin(execution)
        started = execution.started_result()
        if started is not None:
            self.outbox.put(Started(work.sequence, started))
            self.outbox.flush()

    def end(self, row: int, work: Work, report: Report, began: float) -> None:
        """Put its end into the outbox, and clear its row."""
        if forked.is_copy:
            # The task has forked and this is its copy of the process, which must not go on as if it were the child.
            os._exit(0)
        log_end(report)
        self.outbox.put(
            Done(
                work.sequence,
                report.task_name,
                time.monotonic() - began,
                report.outcome.value,
                report.state,
                report.result,
                report.follow_ups,
                report.replacement,
                report.reason,
            )
        )
        self._board.end(row)

    def must_declare(self, report: Report) -> bool:
        """Say whether the node is going to publish to queues that may not be there; costs nothing."""
        follow_ups = report.follow_ups
        return bool(follow_ups) and not forked.is_copy and not self._app.publisher.has_declared(follow_ups)

    def declare(self, report: Report) -> None:
        """Declare these queues: only the app knows them. Takes as long as a connection does."""
        try:
            self._app.publisher.declare(report.follow_ups)
        except OperationalError:
            return  # the node, which says so, waits for the broker
        except CeleriacError as error:
            logger.warning("A queue that task %s publishes to cannot be made. %s", report.task_name, error)

    def run(self, row: int, work: Work, limit: SoftLimit) -> None:
        """Run a ``def`` task from its work to its end."""
        began = self.take(row, work)
        prepared = self.prepare(work)
        if isinstance(prepared, Execution):
            self.begin(row, work, prepared, began)
            if prepared.soft_time_limit:
                prepared.guard = limit.of(prepared.soft_time_limit)
            report = _run(prepared)
        else:
            report = prepared
        if self.must_declare(report):
            self.declare(report)
        self.end(row, work, report, began)


def _run(execution: Execution) -> Report:
    try:
        if execution.is_async:
            # Its message does not say so in its head, or the code has changed since the node asked.
            return asyncio.run(execution.arun())
        return execution.run()
    except BaseException as error:  # noqa: BLE001 - a soft limit that fell due a moment too late, for one
        return execution.fail(error)
