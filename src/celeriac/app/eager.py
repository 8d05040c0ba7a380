"""Running a task here and now, as a worker would: ``Task.apply`` and ``task_always_eager``."""

import contextvars
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celeriac import states
from celeriac.canvas import as_list
from celeriac.eager_result import EagerResult
from celeriac.event_loops import asyncio
from celeriac.exceptions import Retry
from celeriac.execution import Execution, Report
from celeriac.identifiers import gethostname, uuid
from celeriac.local import get_current_worker_task
from celeriac.protocol import serialization
from celeriac.request import Context

if TYPE_CHECKING:
    from celeriac.app.task import Task

__all__ = ["run_eagerly", "run_eagerly_async", "through_serializer"]


def run_eagerly(
    task: "Task[..., Any]",
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    *,
    throw: bool | None = None,
) -> EagerResult[Any]:
    """Run a task in this thread, again as often as it wants to be retried, and return its result."""
    execution = _execution(task, args, kwargs, options, throw)
    report = _run_loop(execution) if execution.is_async else execution.run()
    again = _retry_of(report)
    if again is not None:
        result = again.apply(retries=execution.request.retries + 1, throw=throw)
        assert isinstance(result, EagerResult)
        return result
    return _result(execution, report)


async def run_eagerly_async(
    task: "Task[..., Any]",
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    *,
    throw: bool | None = None,
) -> EagerResult[Any]:
    """Do what ``run_eagerly`` does, in this event loop."""
    execution = _execution(task, args, kwargs, options, throw)
    report = await execution.arun() if execution.is_async else execution.run()
    again = _retry_of(report)
    if again is not None:
        args, kwargs, options = again.merged(options={"retries": execution.request.retries + 1})
        return await run_eagerly_async(task, args, kwargs, options, throw=throw)
    return _result(execution, report)


def through_serializer(
    task: "Task[..., Any]",
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the arguments as a worker would get them; raises ``EncodeError`` for those it would not get."""
    serializer = options.get("serializer") or task.app.conf.task_serializer
    encoded = serialization.dumps((list(args or ()), dict(kwargs or {})), serializer)
    args, kwargs = serialization.loads(
        encoded.data, encoded.content_type, encoded.content_encoding, [encoded.content_type]
    )
    return args or (), kwargs or {}


def _execution(
    task: "Task[..., Any]",
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    throw: bool | None,
) -> Execution:
    get = options.get
    task_id = get("task_id") or uuid()
    parent = get_current_worker_task()
    stamped = as_list(get("stamped_headers"))
    limits = (get("time_limit", task.time_limit), get("soft_time_limit", task.soft_time_limit))
    request = Context(
        id=task_id,
        task=task.name,
        args=args or (),
        kwargs=kwargs or {},
        called_directly=False,
        is_eager=True,
        retries=get("retries") or 0,
        hostname=gethostname(),
        parent_id=get("parent_id") or (None if parent is None else parent.request.id),
        root_id=get("root_id") or (task_id if parent is None else parent.request.root_id or task_id),
        callbacks=as_list(get("link")) or None,
        errbacks=as_list(get("link_error")) or None,
        chain=get("chain"),
        chord=get("chord"),
        group=get("group_id"),
        group_index=get("group_index"),
        headers=get("headers"),
        shadow=get("shadow"),
        correlation_id=task_id,
        logfile=get("logfile"),
        loglevel=get("loglevel") or 0,
        timelimit=None if limits == (None, None) else list(limits),
        ignore_result=get("ignore_result"),
        delivery_info={
            "is_eager": True,
            "exchange": get("exchange"),
            "routing_key": get("routing_key") or get("queue"),
            "priority": get("priority"),
            "redelivered": False,
        },
        stamped_headers=stamped or None,
        stamps={stamp: as_list(get(stamp)) for stamp in stamped} or None,
    )
    request.update(get("headers") or {})
    wants_errors = task.app.conf.task_eager_propagates if throw is None else throw
    return Execution(task, request, throw=wants_errors)


def _run_loop(execution: Execution) -> Report:
    """Run a coroutine's execution in an event loop of its own; in a thread of its own, if there is a loop here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(execution.arun())
    reports: list[Report | BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            reports.append(context.run(asyncio.run, execution.arun()))
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that called
            reports.append(error)

    thread = threading.Thread(target=run, name="celeriac-eager")
    thread.start()
    thread.join()
    if isinstance(reports[0], BaseException):
        raise reports[0]
    return reports[0]


def _retry_of(report: Report) -> Any:
    error = report.exception
    return error.sig if report.state == states.RETRY and isinstance(error, Retry) else None


def _result(execution: Execution, report: Report) -> EagerResult[Any]:
    task = execution.task
    if report.result is not None:
        task.backend.store([report.result])
    value = report.retval if report.exception is None else report.exception
    return EagerResult(report.task_id, value, report.state, traceback=report.traceback, name=task.name)
