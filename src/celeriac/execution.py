"""One execution of one message: a pipeline of named steps.

::

    from_message   read the call, find the task            NotRegistered, UnreadableMessage, InvalidTaskError …
    from_envelope
    run / arun     due?  expired?                          → replaced, revoked
                   begin:     current task, before_start, prerun
                   call:      the task's own code
                   conclude:  succeeded, retried, ignored, rejected, failed: one method each, the only place that
                              decides what the outcome means: result, follow-ups, handlers, signals
                   end:       after_return, postrun
    fail           a verdict reached outside: the same ``failed``
    revoke         another run has taken its place         → revoked

An execution publishes and stores nothing itself. What is to be published and stored is in its ``Report``, which the
node settles as one step.
"""

import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from contextvars import Token
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from celeriac import clock, signals, states
from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Outcome
from celeriac.canvas import Signature, maybe_signature
from celeriac.einfo import ExceptionInfo, let_go_of_frames, own_part
from celeriac.event_loops import asyncio
from celeriac.exceptions import (
    EncodeError,
    Ignore,
    InvalidTaskError,
    NotRegistered,
    Reject,
    Retry,
    TaskRevokedError,
)
from celeriac.local import Frame, frame_variable
from celeriac.protocol import envelope
from celeriac.protocol.message import REPLACEABLE, Message
from celeriac.protocol.plain_call import read_plain
from celeriac.protocol.representation import represent
from celeriac.protocol.task_call import decode_task
from celeriac.record import RecordKeeper
from celeriac.report import Report, refuse
from celeriac.request import Context
from celeriac.task_logging import CURRENT_TASK, TaskInfo

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.app.task import Task

__all__ = ["Execution", "Report", "refuse"]

logger = logging.getLogger(__name__)


class Execution:
    """One run of one task call. Used once, by one thread or coroutine."""

    def __init__(
        self,
        task: "Task[..., Any]",
        request: Context,
        *,
        message: Message | None = None,
        ordinal: int = 0,
        throw: bool = False,
    ) -> None:
        self.task = task
        self.request = request
        #: Entered around the call of a ``def`` task, to end it when its soft time limit has passed.
        self.guard: AbstractContextManager[None] | None = None
        #: Given the coroutine of an ``async def`` task, returns what to await in its place; for the same purpose.
        self.limit_coroutine: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] | None = None
        self._app: Celeriac = task.app
        self._plan = task.plan
        self._id: str = request.id or ""
        self._message = message
        self._ordinal = ordinal
        #: Eager with ``throw``: errors of the task are raised instead of reported.
        self._throw = throw
        self._follow_ups: list[Message] = []
        self._began = 0.0
        self._runtime = 0.0
        self._keeper: RecordKeeper | None = None
        if self._plan.keeps_record:
            stores = not request.is_eager and self._app.backend.stores_results
            self._keeper = RecordKeeper(self._app, request, ordinal=ordinal, stores=stores)

    @classmethod
    def from_message(
        cls, app: "Celeriac", message: Message, *, ordinal: int, redelivered: bool, hostname: str
    ) -> "Execution":
        """Return the execution of a received message.

        Raises ``UnreadableMessage``, ``ContentDisallowed``, ``InvalidTaskError`` and ``NotRegistered``: ``refuse`` says
        what is to be done then.
        """
        call = decode_task(message, app.accepted_content)
        task = _find_task(app, call.task)
        if call.chord is not None:
            raise InvalidTaskError(
                f"The task {call.task} is part of a chord, whose body would never be called, as celeriac has no chords "
                "yet. Its message is kept as a dead letter; send chords to queues that only Celery's workers take from."
            )
        request = Context.from_call(call, message, hostname=hostname, redelivered=redelivered)
        return cls(task, request, message=message, ordinal=ordinal)

    @classmethod
    def from_envelope(
        cls, app: "Celeriac", data: bytes, *, ordinal: int, redelivered: bool, hostname: str
    ) -> "Execution":
        """Return the execution of a message still in its envelope: the quicker way, for what is plain.

        Raises what ``from_message`` raises.
        """
        plain = read_plain(data, app.accepted_content)
        if plain is None:
            message = envelope.decode(data)
            return cls.from_message(app, message, ordinal=ordinal, redelivered=redelivered, hostname=hostname)
        task = _find_task(app, plain.headers.task)
        # It has no moment to wait for, so nothing has to be done with its message again.
        return cls(task, Context.from_plain(plain, hostname=hostname, redelivered=redelivered), ordinal=ordinal)

    @property
    def is_async(self) -> bool:
        """``arun`` is to be used, not ``run``."""
        return self._plan.is_async

    @property
    def time_limit(self) -> float | None:
        """The hard limit in seconds: the call's, else the task's, else the settings'."""
        limit = self.request.time_limit
        return self._plan.time_limit if limit is None else limit

    @property
    def soft_time_limit(self) -> float | None:
        """The soft limit in seconds: the call's, else the task's, else the settings'."""
        limit = self.request.soft_time_limit
        return self._plan.soft_time_limit if limit is None else limit

    # Running.

    def run(self) -> Report:
        """Run a ``def`` task. Raises nothing, whatever the task does (eagerly, Ctrl-C and the like go through)."""
        tokens = self._enter()
        try:
            report = self._turned_away()
            if report is None:
                if self._keeper is not None:
                    self._keeper.begin()
                try:
                    self._begin()
                    if self.guard is None:
                        retval = self._plan.runner(*self.request.args, **self.request.kwargs)
                    else:
                        with self.guard:
                            retval = self._plan.runner(*self.request.args, **self.request.kwargs)
                except BaseException as error:  # noqa: BLE001 - a task must not be able to end its child
                    report = self._conclude_error(error)
                else:
                    report = self._conclude_value(retval)
                self._end(report)
            return report
        except BaseException as problem:  # noqa: BLE001 - nor a handler, nor an error of ours
            return self._broken(problem)
        finally:
            self._leave(tokens)

    async def arun(self) -> Report:
        """Run an ``async def`` task. Raises nothing, except ``CancelledError`` when this coroutine is cancelled."""
        tokens = self._enter()
        try:
            report = self._turned_away()
            if report is None:
                if self._keeper is not None:
                    await asyncio.to_thread(self._keeper.begin)
                try:
                    self._begin()
                    coroutine = self._plan.runner(*self.request.args, **self.request.kwargs)
                    retval = await (coroutine if self.limit_coroutine is None else self.limit_coroutine(coroutine))
                except BaseException as error:
                    if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                        raise
                    report = self._conclude_error(error)
                else:
                    report = self._conclude_value(retval)
                self._end(report)
            return report
        except BaseException as problem:
            if isinstance(problem, asyncio.CancelledError):
                raise
            return self._broken(problem)
        finally:
            self._leave(tokens)

    def fail(self, error: BaseException) -> Report:
        """Report a failure that was decided outside: a hard time limit, a lost child, poison."""
        tokens = self._enter()
        try:
            report = self._failed(error)
            self._end(report)
            return report
        except BaseException as problem:  # noqa: BLE001 - as in run
            return self._broken(problem)
        finally:
            self._leave(tokens)

    def revoke(self, error: TaskRevokedError, *, terminated: bool, signum: int | None = None) -> Report:
        """Report that another run has taken this one's place; that is its result already, so it has none of its own."""
        tokens = self._enter()
        try:
            self._follow_ups.clear()
            signals.task_revoked.send(
                sender=self.task, request=self.request, terminated=terminated, signum=signum, expired=False
            )
            report = self._report(states.REVOKED, Outcome.ACK, exception=error)
            if self._began:
                self._end(report)
            return report
        except BaseException as problem:  # noqa: BLE001 - as in run
            return self._broken(problem)
        finally:
            self._leave(tokens)

    def started_result(self) -> StoredResult | None:
        """Return the STARTED result to be stored now, if the task is tracked. One with a record stores its own."""
        if not self._plan.track_started or self._keeper is not None or self._ignores_result() or self._is_expired():
            return None
        info = {"pid": os.getpid(), "hostname": self.request.hostname}
        return self._app.result_format.write(self.request, states.STARTED, info, execution=self._ordinal)

    # Before.

    def _turned_away(self) -> Report | None:
        request = self.request
        if self._is_expired():
            return self._revoked()
        if request.eta is not None and self._message is not None and self._message.not_before is None:
            moment = _unix_time(request.eta)
            if moment > clock.now():
                # Protocol 1 has its eta in the body, where no broker looks.
                headers = {"eta": request.eta} | self._message.headers
                replacement = msgspec.structs.replace(self._message, not_before=moment, headers=headers)
                return self._report(states.PENDING, Outcome.REPLACE, replacement=replacement)
        return None

    def _is_expired(self) -> bool:
        request = self.request
        return request.expires is not None and not request.is_eager and _unix_time(request.expires) < clock.now()

    def _enter(self) -> tuple[Token[Frame | None], Token[TaskInfo | None]]:
        """Make this the running task of the thread or coroutine."""
        frame = Frame(
            self.task, self.request, frame_variable.get(), None if self.request.is_eager else self._follow_ups
        )
        frame.entered = not self._plan.has_own_call
        return frame_variable.set(frame), CURRENT_TASK.set(TaskInfo(self.task.name, self._id))

    @staticmethod
    def _leave(tokens: tuple[Token[Frame | None], Token[TaskInfo | None]]) -> None:
        frame_variable.reset(tokens[0])
        CURRENT_TASK.reset(tokens[1])

    def _begin(self) -> None:
        request, task = self.request, self.task
        self._began = time.perf_counter()
        if signals.task_prerun.receivers:
            signals.task_prerun.send(sender=task, task_id=self._id, task=task, args=request.args, kwargs=request.kwargs)
        if self._plan.has_before_start:
            task.before_start(self._id, request.args, request.kwargs)

    # What became of it.

    def _conclude_value(self, retval: Any) -> Report:
        self._runtime = time.perf_counter() - self._began
        published = len(self._follow_ups)
        try:
            return self._succeeded(retval)
        except Exception as error:
            # The result cannot be written, or a callback not be addressed: the task is not lost, it has failed.
            if self.request.is_eager and not isinstance(error, EncodeError):
                raise
            del self._follow_ups[published:]
            return self._failed(error)

    def _conclude_error(self, error: BaseException) -> Report:
        self._runtime = time.perf_counter() - self._began
        if self.request.is_eager and not isinstance(error, Exception):
            raise error
        error.__traceback__ = own_part(error.__traceback__)
        if isinstance(error, self._plan.autoretry_for) and not isinstance(error, self._plan.dont_autoretry_for):
            error = self._autoretry(error)
        match error:
            case Retry():
                return self._retried(error)
            case Ignore():
                result = self._last_word(states.IGNORED)
                return self._report(states.IGNORED, Outcome.ACK, exception=error, result=result)
            case Reject():
                return self._rejected(error)
            case _:
                return self._failed(error)

    def _succeeded(self, retval: Any) -> Report:
        request, task = self.request, self.task
        self._follow(request.callbacks, request.chain, retval)
        if self._keeper is not None:
            self._keeper.load()
        result = None
        if self._stores_results() and not self._ignores_result():
            result = self._app.result_format.write(request, states.SUCCESS, retval, execution=self._ordinal)
        if self._plan.has_on_success:
            self._handle(task.on_success, retval, self._id, request.args, request.kwargs)
        if signals.task_success.receivers:
            signals.task_success.send(sender=task, result=retval, runtime=self._runtime)
        if self._plan.has_after_return:
            self._handle(task.after_return, states.SUCCESS, retval, self._id, request.args, request.kwargs, None)
        return self._report(states.SUCCESS, Outcome.ACK, result=result, retval=retval)

    def _failed(self, error: BaseException) -> Report:
        request, task = self.request, self.task
        if self._throw:
            raise error
        info = ExceptionInfo(error)
        self._note(error)
        result = None
        if self._stores_results() and (not self._ignores_result() or self._plan.always_stores_errors):
            result = self._write_failure(states.FAILURE, error, info.traceback)
        self._call_errbacks(error, info)
        if self._plan.has_on_failure:
            self._handle(task.on_failure, error, self._id, request.args, request.kwargs, info)
        if signals.task_failure.receivers:
            signals.task_failure.send(
                sender=task,
                task_id=self._id,
                exception=error,
                args=request.args,
                kwargs=request.kwargs,
                traceback=info.tb,
                einfo=info,
            )
        if self._plan.has_after_return:
            self._handle(task.after_return, states.FAILURE, error, self._id, request.args, request.kwargs, info)
        keeps = task.acks_after(error)
        return self._report(
            states.FAILURE,
            Outcome.ACK if keeps else Outcome.REJECT,
            result=result,
            reason="" if keeps else f"The task failed and is set to keep its message then: {represent(error)}.",
            exception=error,
            traceback=info.traceback,
            expected=isinstance(error, self._plan.throws),
        )

    def _retried(self, error: Retry) -> Report:
        request, task = self.request, self.task
        if error.sig is None:
            # Raised by hand: it shall mean what it says.
            try:
                error = task.retry(exc=error.exc, throw=False, **_when(error.when))
            except Exception as exhausted:  # noqa: BLE001 - no more retries: that is the failure
                return self._failed(exhausted)
        info = ExceptionInfo(error)
        self._note(error.exc or error)
        result = None
        if self._stores_results() and not self._ignores_result():
            result = self._write_failure(states.RETRY, error.exc, info.traceback)
        if self._plan.has_on_retry:
            self._handle(task.on_retry, error.exc, self._id, request.args, request.kwargs, info)
        if signals.task_retry.receivers:
            signals.task_retry.send(sender=task, request=request, reason=error, einfo=info)
        return self._report(states.RETRY, Outcome.ACK, result=result, exception=error, traceback=info.traceback)

    def _rejected(self, error: Reject) -> Report:
        if error.requeue:
            result = self._last_word(states.REJECTED)
            return self._report(states.REJECTED, Outcome.REQUEUE, exception=error, result=result)
        reason = f"The task rejected its message: {_text(error.reason)}." if error.reason else "The task rejected it."
        result = self._last_word(states.FAILURE, error)
        return self._report(states.REJECTED, Outcome.REJECT, exception=error, reason=reason, result=result)

    def _revoked(self) -> Report:
        error = TaskRevokedError("expired")
        self._note(error)
        result = None
        if self._stores_results() and not self._ignores_result():
            result = self._app.result_format.write(self.request, states.REVOKED, error, execution=self._ordinal)
        signals.task_revoked.send(sender=self.task, request=self.request, terminated=False, signum=None, expired=True)
        return self._report(states.REVOKED, Outcome.ACK, result=result, exception=error)

    def _end(self, report: Report) -> None:
        if signals.task_postrun.receivers:
            request = self.request
            signals.task_postrun.send(
                sender=self.task,
                task_id=self._id,
                task=self.task,
                args=request.args,
                kwargs=request.kwargs,
                retval=report.retval if report.exception is None else report.exception,
                state=report.state,
            )
        if report.exception is not None and not self.request.is_eager:
            let_go_of_frames(report.exception)
            if isinstance(report.exception, Retry) and report.exception.exc is not None:
                let_go_of_frames(report.exception.exc)

    def _broken(self, problem: BaseException) -> Report:
        """Report that not the task but what surrounds it failed: its message is kept for a person."""
        if self.request.is_eager:
            raise problem
        info = ExceptionInfo(problem)
        info.internal = True
        logger.critical(
            "Task %s[%s] could not be executed.", self.task.name, self._id, exc_info=(info.type, problem, info.tb)
        )
        signals.task_internal_error.send(
            sender=self.task,
            task_id=self._id,
            args=self.request.args,
            kwargs=self.request.kwargs,
            request=self.request,
            exception=problem,
            traceback=info.tb,
            einfo=info,
        )
        self._follow_ups.clear()
        result = None
        with contextlib.suppress(Exception):
            self._note(problem)
            if self._stores_results() and not self._ignores_result():
                result = self._write_failure(states.FAILURE, problem, info.traceback)
        reason = f"The task could not be executed: {represent(problem)}."
        return self._report(
            states.FAILURE, Outcome.REJECT, result=result, exception=problem, traceback=info.traceback, reason=reason
        )

    # Parts.

    def _report(self, state: str, outcome: Outcome, **parts: Any) -> Report:
        return Report(
            task_id=self._id,
            task_name=self.task.name,
            state=state,
            outcome=outcome,
            follow_ups=self._published() if self._follow_ups and outcome is not Outcome.REQUEUE else (),
            runtime=self._runtime,
            **parts,
        )

    def _published(self) -> tuple[Message, ...]:
        """Return the follow-ups. What goes on with the id of a run that another may replace is replaced with it."""
        if self._message is None or REPLACEABLE not in self._message.headers:
            return tuple(self._follow_ups)
        return tuple(
            msgspec.structs.replace(each, headers={**each.headers, REPLACEABLE: True}) if each.id == self._id else each
            for each in self._follow_ups
        )

    def _stores_results(self) -> bool:
        if self.request.is_eager:
            return self.task.store_eager_result
        return self._app.backend.stores_results

    def _ignores_result(self) -> bool:
        said = self.request.ignore_result
        return self._plan.ignore_result if said is None else said

    def _note(self, error: BaseException) -> None:
        if self._keeper is not None:
            self._keeper.note(error)

    def _last_word(self, state: str, error: BaseException | None = None) -> StoredResult | None:
        """Return the result where Celery stores none: a record must not say for ever that its task is running."""
        if self._keeper is None or not self._stores_results() or self._ignores_result():
            return None
        if error is None:
            self._keeper.load()
            return self._app.result_format.write(self.request, state, None, execution=self._ordinal)
        self._keeper.note(error)
        return self._write_failure(state, error, ExceptionInfo(error).traceback)

    def _write_failure(self, state: str, error: BaseException | None, traceback: str) -> StoredResult:
        write = self._app.result_format.write
        try:
            return write(self.request, state, error, traceback=traceback, execution=self._ordinal)
        except EncodeError as problem:
            return write(self.request, state, problem, traceback=traceback, execution=self._ordinal)

    def _autoretry(self, error: BaseException) -> BaseException:
        try:
            return self.task.autoretry(error)
        except Exception as exhausted:  # noqa: BLE001 - no more retries: that is the failure
            exhausted.__traceback__ = own_part(exhausted.__traceback__)
            return exhausted

    def _follow(self, callbacks: Any, chain: Any, retval: Any) -> None:
        """Add what comes after a success: the callbacks, and the next task of the chain."""
        for callback in callbacks or ():
            self._add(maybe_signature(callback, app=self._app), (retval,))
        if chain:
            self._add(maybe_signature(chain[-1], app=self._app), (retval,), chain=list(chain[:-1]))

    def _add(self, follower: Signature[Any], args: tuple[Any, ...], *, is_child: bool = True, **options: Any) -> None:
        """Have it published with the end of this task; a child is named in its result."""
        request = self.request
        options = {**options, "parent_id": self._id, "root_id": request.root_id or request.id}
        if request.is_eager:
            follower.apply_async(args, **options)
            return
        messages = follower.messages(args, options)
        self._follow_ups += messages
        if is_child:
            for message in messages:
                self.task.add_trail(self._app.AsyncResult(message.id))

    def _call_errbacks(self, error: BaseException, info: ExceptionInfo) -> None:
        """Call errbacks that take the request and the error here; publish the others with the task's id."""
        for item in self.request.errbacks or ():
            errback = maybe_signature(item, app=self._app)
            task = errback.registered_task()
            try:
                if task is not None and not task.is_async and task.takes_error_details(errback):
                    errback(self.request, error, info.tb)
                elif self.request.is_eager and task is not None:
                    errback.apply((self._id,))
                else:
                    self._add(errback, (self._id,), is_child=False)
            except Exception:
                logger.exception("The errback %s of task %s failed.", errback.task, self._id)

    def _handle(self, handler: Callable[..., Any], *args: Any) -> None:
        """Call a handler of the task; its error is logged and changes nothing, as the outcome stands."""
        try:
            handler(*args)
        except BaseException:
            if self.request.is_eager:
                raise
            logger.exception("%s of task %s[%s] failed.", handler.__name__, self.task.name, self._id)


def _find_task(app: "Celeriac", name: str) -> "Task[..., Any]":
    task = app.tasks.get(name) or app.missing_task(name)
    if task is None:
        raise NotRegistered(
            f"There is no task {name!r} in this app: import the module that defines it (settings include or imports, "
            "or autodiscover_tasks), and check that producer and worker agree on its name."
        )
    return task


def _unix_time(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else represent(value)


def _when(moment: Any) -> dict[str, Any]:
    if moment is None:
        return {}
    return {"countdown": moment} if isinstance(moment, (int, float)) else {"eta": moment}


def _is_being_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
