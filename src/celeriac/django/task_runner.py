"""How a worker runs a task of Django's framework: its context, its return value, its signals."""

import contextvars
import functools
import inspect
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connections

from celeriac import clock, states
from celeriac.app.task import Task
from celeriac.django.task_package import Task as TaskOfDjango
from celeriac.django.task_package import TaskContext, TaskResult, normalize_json, signals
from celeriac.django.task_results import as_called, make_result
from celeriac.local import get_current_task
from celeriac.record import Record
from celeriac.request import Context

if TYPE_CHECKING:
    from celeriac.einfo import ExceptionInfo

__all__ = ["DjangoTask", "make_runner", "tell"]


class DjangoTask(Task[..., Any]):
    """The celeriac task of a task of Django's framework: keeps its record, and sends the framework's signals."""

    abstract = True
    keeps_record = True
    ignore_result = False
    track_started = False

    #: As it was declared.
    django_task: TaskOfDjango

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Send ``task_started``."""
        self._tell(signals.task_started, _result_now(self.django_task, self.request, states.STARTED))

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Send ``task_finished``."""
        self._tell(signals.task_finished, _result_now(self.django_task, self.request, states.SUCCESS, value=retval))

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: "ExceptionInfo") -> None:
        """Send ``task_finished``."""
        self._tell(signals.task_finished, _result_now(self.django_task, self.request, states.FAILURE), exc)

    def _tell(self, signal: Any, result: TaskResult, error: BaseException | None = None) -> None:
        if self.is_async:
            _in_thread(functools.partial(tell, signal, result, error))
        else:
            tell(signal, result, error)


def make_runner(task: TaskOfDjango) -> Callable[..., Any]:
    """Return the function that the celeriac task of a task runs: with its context, and to a value that JSON has."""
    function = task.func

    def run(*args: Any, **kwargs: Any) -> Any:
        return normalize_json(function(*_context(task), *args, **kwargs))

    async def run_async(*args: Any, **kwargs: Any) -> Any:
        return normalize_json(await function(*_context(task), *args, **kwargs))

    runner: Any = run_async if inspect.iscoroutinefunction(function) else run
    functools.update_wrapper(runner, function)
    if task.takes_context:
        signature = inspect.signature(function)
        _, *parameters = signature.parameters.values()
        # What callers give: the context is not theirs to give.
        runner.__signature__ = signature.replace(parameters=parameters)
    return runner  # type: ignore[no-any-return]


def tell(signal: Any, result: TaskResult, error: BaseException | None = None) -> None:
    """Send one of the framework's signals; what a receiver raises is logged, and changes nothing.

    The receivers are called where ``error`` is being handled: Django's own logs what ``sys.exc_info`` says.
    """
    backend = type(result.task.get_backend())
    if error is None:
        signal.send_robust(sender=backend, task_result=result)
        return
    traceback = error.__traceback__
    try:
        raise error
    except BaseException:  # noqa: BLE001 - it is the task's
        error.__traceback__ = traceback
        signal.send_robust(sender=backend, task_result=result)


def _context(task: TaskOfDjango) -> tuple[TaskContext, ...]:
    """Return what a task that takes its context is given before its arguments."""
    if not task.takes_context:
        return ()
    running = get_current_task()
    request = Context(task=task.module_path) if running is None else running.request
    return (TaskContext(task_result=_result_now(task, request, states.STARTED)),)


def _result_now(task: TaskOfDjango, request: Context, state: str, *, value: Any = None) -> TaskResult:
    record = request.call_record or Record.of_request(request)
    finished_at = datetime.fromtimestamp(clock.now(), UTC) if state in states.READY_STATES else None
    called = as_called(task, record)
    return make_result(called, record, id=request.id or "", state=state, value=value, finished_at=finished_at)


def _in_thread(work: Callable[[], None]) -> None:
    """Do it in a thread of its own: receivers are plain functions, whose ORM calls a thread with a loop refuses."""
    context = contextvars.copy_context()

    def run() -> None:
        try:
            context.run(work)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="celeriac-task-signal")
    thread.start()
    thread.join()
