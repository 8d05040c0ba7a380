"""From work to its end inside a child: decode, execute, report. Shared by the loops for ``def`` and ``async def``."""

import time
from typing import TYPE_CHECKING

from celeriac import exceptions
from celeriac.exceptions import CeleriacError
from celeriac.execution import Execution, Report, refuse
from celeriac.protocol import envelope
from celeriac.worker.board import Board
from celeriac.worker.frames import Done, Started, Verdict, Work
from celeriac.worker.outbox import Outbox
from celeriac.worker.soft_limit import SoftLimit

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["Workbench"]


class Workbench:
    """What running work needs, for one lane."""

    def __init__(self, app: "Celeriac", *, hostname: str, board: Board, outbox: Outbox) -> None:
        self.outbox = outbox
        self._app = app
        self._hostname = hostname
        self._board = board

    def prepare(self, work: Work) -> Execution | Report:
        """Decode the work; a report is its end already: unreadable, unknown, or with a verdict."""
        message = envelope.decode(work.envelope)
        try:
            execution = Execution.from_message(
                self._app,
                message,
                ordinal=work.execution,
                redelivered=work.redelivered,
                hostname=self._hostname,
            )
        except CeleriacError as error:
            return refuse(self._app, message, error, ordinal=work.execution, hostname=self._hostname)
        if work.verdict is not None:
            return execution.fail(error_of(work.verdict))
        return execution

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
        started = execution.started_result()
        if started is not None:
            self.outbox.put(Started(work.sequence, started))
            self.outbox.flush()

    def end(self, row: int, work: Work, report: Report, began: float) -> None:
        """Put its end into the outbox, and clear its row."""
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

    def run(self, row: int, work: Work, limit: SoftLimit) -> None:
        """Run a ``def`` task from its work to its end."""
        began = self.take(row, work)
        prepared = self.prepare(work)
        if isinstance(prepared, Execution):
            self.begin(row, work, prepared, began)
            if prepared.soft_time_limit:
                prepared.guard = limit.of(prepared.soft_time_limit)
            prepared = prepared.run()
        self.end(row, work, prepared, began)


def error_of(verdict: Verdict) -> BaseException:
    """Return the error a verdict names."""
    error: BaseException = getattr(exceptions, verdict.error)(*verdict.arguments)
    return error
