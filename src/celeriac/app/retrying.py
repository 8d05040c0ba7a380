"""How a task makes itself run again, or hands over to another task."""

import random
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from celeriac.app.task_core import TaskCore
from celeriac.canvas import Signature, as_list
from celeriac.exceptions import Ignore, ImproperlyConfigured, MaxRetriesExceededError, OperationalError, Retry
from celeriac.local import current_frame
from celeriac.request import Context
from celeriac.retries import backoff_interval

__all__ = ["RetryingTask"]


class RetryingTask(TaskCore):
    """What a running task can do with its own call. Nothing here publishes: that is done when the call is settled."""

    MaxRetriesExceededError = MaxRetriesExceededError
    OperationalError = OperationalError

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """Have the task run again, in ``countdown`` seconds, at ``eta``, or after ``default_retry_delay``.

        Write ``raise self.retry(exc=error)``. Raises ``Retry``, which ends this execution (with ``throw=False`` it is
        returned instead, and the task goes on). When there have been ``max_retries`` retries it raises ``exc``, or
        ``MaxRetriesExceededError``. A task called as a function raises ``exc`` at once. ``args``, ``kwargs`` and
        ``options`` replace those of the call; the id, the parent, the queue, the priority and the moment it expires
        stay the same.
        """
        request = self.request
        if request.called_directly:
            _raise_caused(exc or Retry("The task can be tried again", None))
        if max_retries is not None:
            request.update(_max_retries=max_retries)
        else:
            max_retries = self.max_retries
        if not eta and countdown is None:
            countdown = self.default_retry_delay
        retries = request.retries + 1
        signature = self.signature_from_request(
            request, args, kwargs, countdown=countdown, eta=eta, retries=retries, **options
        )
        if max_retries is not None and retries > max_retries:
            if exc is not None:
                _raise_caused(exc)
            raise self.MaxRetriesExceededError(
                f"Can't retry {self.name}[{request.id}]: it has been retried {request.retries} times "
                f"(args: {signature.args!r} kwargs: {signature.kwargs!r}).",
                task_args=signature.args,
                task_kwargs=signature.kwargs,
            )
        frame = current_frame()
        if frame is not None and frame.follow_ups is not None:
            frame.follow_ups.append(
                self.app.publisher.follow_up(
                    self.name, signature.args, signature.kwargs, dict(signature.options), task=None, is_child=False
                )
            )
        retry = Retry(exc=exc, when=eta or countdown, is_eager=request.is_eager, sig=signature)
        if throw:
            raise retry
        return retry

    def autoretry(self, error: BaseException) -> Retry:
        """Return the retry that follows this error by itself; raises the error when there have been enough."""
        request = self.request
        arguments = dict(self.retry_kwargs)
        if self.retry_backoff:
            arguments["countdown"] = backoff_interval(
                request.retries,
                factor=int(max(1.0, float(self.retry_backoff))),
                maximum=int(self.retry_backoff_max),
                choose_below=random.randrange if self.retry_jitter else None,
            )
        said = request.get("_max_retries")
        if said is not None:
            arguments["max_retries"] = said
        return self.retry(exc=error, throw=False, **arguments)

    def signature_from_request(
        self,
        request: Context | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: Any = None,
        **extra_options: Any,
    ) -> Signature[Any]:
        """Return the signature of the same call again, to the same queue."""
        request = self.request if request is None else request
        options = {**request.as_execution_options(), "ignore_result": request.ignore_result, **extra_options}
        info = request.delivery_info or {}
        if info.get("priority") is not None:
            options.setdefault("priority", info["priority"])
        if queue:
            options["queue"] = queue
        elif info.get("exchange"):
            options.update(exchange=info["exchange"], routing_key=info.get("routing_key"))
        elif info.get("routing_key"):
            options.setdefault("queue", info["routing_key"])
        args, kwargs = self._arguments_again(request, args, kwargs)
        return Signature(self.name, args, kwargs, options, type=self, app=self.app)  # type: ignore[arg-type]

    subtask_from_request = signature_from_request

    def replace(self, sig: Signature[Any]) -> Any:
        """End this execution and let ``sig`` run in its place: with its id, its callbacks, and what comes after it.

        Write ``raise self.replace(sig)`` or ``return self.replace(sig)``. Raises ``Ignore``; eagerly it runs ``sig``
        and returns its value.
        """
        request = self.request
        if "chord" in sig.options:
            raise ImproperlyConfigured("A signature that replaces a task must not be part of a chord.")
        for callback in as_list(request.callbacks):
            sig.link(callback)
        for errback in as_list(request.errbacks):
            sig.link_error(errback)
        sig.options.pop("task_id", None)
        sig.freeze(request.id)
        sig.set(
            chord=request.chord,
            chain=request.chain,
            group_id=request.group,
            group_index=request.group_index,
            root_id=request.root_id,
            parent_id=request.parent_id,
            replaced_task_nesting=request.replaced_task_nesting + 1,
        )
        return self.on_replace(sig)

    def on_replace(self, sig: Signature[Any]) -> Any:
        """Called by ``replace`` with the finished signature."""
        frame = current_frame()
        if frame is None or frame.follow_ups is None:
            return sig.apply().get()
        frame.follow_ups += sig.messages((), {}, is_child=False)
        raise Ignore("Replaced by new task")

    def _arguments_again(
        self, request: Context, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Return the arguments of a retry, where those given win over those of the call that they clash with."""
        if args is not None and kwargs is None:
            taken = self.plan.arity.names[: len(args)]
            return args, {name: value for name, value in (request.kwargs or {}).items() if name not in taken}
        if kwargs is not None and args is None:
            return self.plan.arity.rearranged(request.args or (), kwargs)
        return (request.args or ()) if args is None else args, (request.kwargs or {}) if kwargs is None else kwargs


def _raise_caused(error: BaseException) -> NoReturn:
    """Raise an error; the one being handled, if any, is its cause."""
    handled = sys.exc_info()[1]
    if handled is None or handled is error:
        raise error
    raise error from handled
