"""The drain: runs what a test has published, in this process, as a worker would.

Each message is taken from its broker as bytes, decoded, run through celeriac's own pipeline and settled with its result
and follow-ups. Only limits of time are not kept, and nothing runs beside anything else.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from celeriac import clock, signals, states
from celeriac.app.base import Celeriac
from celeriac.app.shared import apps
from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Consumer, Delivery, Settlement
from celeriac.exceptions import CeleriacError
from celeriac.execution import Execution, Report, refuse
from celeriac.local import get_current_app
from celeriac.protocol import envelope
from celeriac.routing import Queue
from celeriac.testing.recording_engines import RecordingBroker
from celeriac.testing.surroundings import Surroundings

__all__ = ["MOST_RUNS", "Drain", "TaskRun"]

#: Runs after which it is taken for granted that they will never end.
MOST_RUNS = 10_000
_HOST = "test@celeriac"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One run of a task and what came of it. A task that was retried has several."""

    task: str
    id: str
    args: list[Any]
    kwargs: dict[str, Any]
    #: How often it had been tried before.
    retries: int
    #: SUCCESS, FAILURE, RETRY, REVOKED (it had expired), IGNORED or REJECTED.
    state: str
    #: What it returned.
    value: Any = None
    #: What it raised.
    exception: BaseException | None = None


class Drain:
    """Runs the messages of some brokers, until nothing is due. Used once, by one thread."""

    def __init__(
        self, brokers: Mapping[str, RecordingBroker], results: ResultBackend, surroundings: Surroundings
    ) -> None:
        self._brokers = brokers
        self._results = results
        self._surroundings = surroundings
        self._consumers: dict[str, Consumer] = {}
        self._tracebacks: dict[str, TracebackType | None] = {}

    def run(
        self, *, raises: bool, limit: int, until: float | None = None, move: Callable[[float], None]
    ) -> list[TaskRun]:
        """Run what is due, and what becomes due until a moment (unix time), to which ``move`` sets the clock.

        Raises the error of a task that failed, when it is settled, unless ``raises`` is false; and ``AssertionError``
        after so many runs.
        """
        runs: list[TaskRun] = []
        with self._taking_part():
            while True:
                for app, url, delivery in self._deliveries():
                    if len(runs) >= limit:
                        raise AssertionError(_endless(limit, runs[-1]))
                    run, report = self._run_one(app, url, delivery)
                    if report.state != states.PENDING:
                        runs.append(run)
                    if raises and report.state == states.FAILURE and report.exception is not None:
                        raise self._with_place(report.exception, run)
                due = self._next_moment()
                if until is None or due is None or due > until:
                    return runs
                move(due)

    @contextmanager
    def _taking_part(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(self._surroundings.during_run())
            stack.callback(self._close)
            signals.task_failure.connect(self._note_traceback)
            stack.callback(signals.task_failure.disconnect, self._note_traceback)
            yield

    def _close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()

    def _deliveries(self) -> Iterator[tuple[Celeriac, str, Delivery]]:
        """Take one message after the other, until none is due; tasks publish more meanwhile."""
        found = True
        while found:
            found = False
            for url, broker in list(self._brokers.items()):
                for delivery in self._consumer(url, broker).receive(1, 0.0):
                    found = True
                    yield _app_for(url, delivery), url, delivery

    def _consumer(self, url: str, broker: RecordingBroker) -> Consumer:
        consumer = self._consumers.get(url)
        if consumer is None:
            consumer = self._consumers[url] = broker.consumer([], node=_HOST, results=self._results)
        for name in broker.queues():
            consumer.add_queue(Queue(name))
        return consumer

    def _next_moment(self) -> float | None:
        """Return the first moment at which something is due."""
        moments = [
            message.not_before
            for broker in list(self._brokers.values())
            for queue in broker.queues()
            for message in broker.peek(queue, broker.size(queue).waiting)
            if message.not_before is not None and message.not_before > clock.now()
        ]
        return min(moments, default=None)

    def _run_one(self, app: Celeriac, url: str, delivery: Delivery) -> tuple[TaskRun, Report]:
        prepared = self._prepare(app, delivery)
        report = self._execute(prepared) if isinstance(prepared, Execution) else prepared
        self._consumers[url].settle(
            [
                Settlement(
                    delivery=delivery,
                    outcome=report.outcome,
                    result=report.result,
                    follow_ups=report.follow_ups,
                    replacement=report.replacement,
                    reason=report.reason,
                )
            ]
        )
        request = prepared.request if isinstance(prepared, Execution) else None
        run = TaskRun(
            task=report.task_name,
            id=report.task_id,
            args=list(request.args) if request else [],
            kwargs=dict(request.kwargs) if request else {},
            retries=request.retries if request else 0,
            state=report.state,
            value=report.retval,
            exception=report.exception,
        )
        return run, report

    def _prepare(self, app: Celeriac, delivery: Delivery) -> Execution | Report:
        try:
            return Execution.from_envelope(
                app,
                delivery.envelope,
                ordinal=delivery.execution,
                redelivered=delivery.redelivered,
                hostname=_HOST,
            )
        except CeleriacError as error:
            return refuse(app, envelope.decode(delivery.envelope), error, ordinal=delivery.execution, hostname=_HOST)

    def _execute(self, execution: Execution) -> Report:
        started = execution.started_result()
        if started is not None:
            self._results.store([started])
        if execution.is_async:
            return self._surroundings.run_coroutine(execution.arun)
        return execution.run()

    def _note_traceback(self, *, task_id: str, traceback: TracebackType | None, **_: object) -> None:
        self._tracebacks[task_id] = traceback

    def _with_place(self, error: BaseException, run: TaskRun) -> BaseException:
        """Return the error with its way through the task, which it has lost, and with the call."""
        words = ", ".join([*map(repr, run.args), *(f"{name}={value!r}" for name, value in run.kwargs.items())])
        error.add_note(f"Raised by the task {run.task}({words}), which this test ran.")
        return error.with_traceback(self._tracebacks.get(run.id))


def _app_for(url: str, delivery: Delivery) -> Celeriac:
    """Return the app that runs a message: one of those that use this broker, if possible one that knows the task."""
    current = get_current_app()
    candidates = sorted(
        (app for app in list(apps) if app.configured and app.broker_url == url), key=lambda app: app is not current
    )
    name = envelope.decode_head(delivery.envelope).task_name
    for app in candidates:
        if name in app.tasks:
            return app
    for app in candidates:
        app.import_task_modules()  # as a worker does when it starts
        if name in app.tasks:
            return app
    return candidates[0] if candidates else current


def _endless(limit: int, last: TaskRun) -> str:
    return (
        f"After {limit:,} runs there are still tasks to run, the last was {last.task}: does it publish itself again "
        "and again? If so many are meant, say so with limit=…."
    )
