"""Signals: functions of yours that are called when something happens in celeriac.

::

    from celeriac.signals import task_failure

    @task_failure.connect
    def tell_somebody(sender, task_id, exception, **kwargs):
        ...

The names and their arguments are Celery's (``celery/signals.py``). Receivers take keyword arguments, one of them
``**kwargs``, so that a signal may gain arguments. They are called in the process and thread where it happens, one after
the other; an error in one is logged and returned, and hinders neither the others nor the task.

A signal nobody listens to costs one look at ``signal.receivers``.
"""

import inspect
import logging
import threading
import time
import weakref
from collections.abc import Callable, Collection, Hashable
from functools import wraps
from typing import Any, NamedTuple, TypeVar, overload

from celeriac.retries import publish_intervals

__all__ = [
    "Signal",
    "after_setup_logger",
    "after_setup_task_logger",
    "after_task_publish",
    "beat_embedded_init",
    "beat_init",
    "before_task_publish",
    "celeryd_after_setup",
    "celeryd_init",
    "eventlet_pool_apply",
    "eventlet_pool_postshutdown",
    "eventlet_pool_preshutdown",
    "eventlet_pool_started",
    "heartbeat_sent",
    "import_modules",
    "setup_logging",
    "task_failure",
    "task_internal_error",
    "task_postrun",
    "task_prerun",
    "task_received",
    "task_rejected",
    "task_retry",
    "task_revoked",
    "task_sent",
    "task_success",
    "task_unknown",
    "user_preload_options",
    "worker_before_create_process",
    "worker_init",
    "worker_process_init",
    "worker_process_shutdown",
    "worker_ready",
    "worker_shutdown",
    "worker_shutting_down",
]

logger = logging.getLogger(__name__)

Receiver = Callable[..., Any]
ReceiverType = TypeVar("ReceiverType", bound=Receiver)

#: Seconds between the calls of a receiver connected with ``retry=True``: the first, what each adds, and the longest.
RETRY_POLICY = {"max_retries": None, "interval_start": 2.0, "interval_step": 2.0, "interval_max": 30.0}


class _Connection(NamedTuple):
    """One receiver, for one sender or for all."""

    #: What makes it the same connection when it is connected again.
    key: Hashable
    #: Returns the receiver, or None when it is gone.
    receiver: Callable[[], Receiver | None]
    #: Returns the sender it listens to; None for any.
    sender: Callable[[], Any] | None

    def hears(self, sender: Any) -> bool:
        if self.sender is None:
            return True
        wanted = _behind_proxy(self.sender())
        return wanted is sender or (isinstance(wanted, str) and wanted == sender)


class Signal:
    """Something that happens, and who wants to know. Safe for use by many threads."""

    def __init__(self, name: str | None = None, providing_args: Collection[str] = ()) -> None:
        self.name = name
        #: The arguments receivers get besides ``signal`` and ``sender``. For people; nothing checks it.
        self.providing_args = frozenset(providing_args)
        #: Never changed in place, so that ``send`` needs no lock; empty when nobody listens.
        self.receivers: tuple[_Connection, ...] = ()
        # Reentrant: a receiver may be collected, and so removed, while this thread holds it.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Signal: {self.name} receivers={len(self.receivers)}>"

    @overload
    def connect(
        self,
        receiver: ReceiverType,
        sender: Any = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
        retry: bool = False,
    ) -> ReceiverType: ...

    @overload
    def connect(
        self,
        receiver: None = None,
        sender: Any = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
        retry: bool = False,
    ) -> Callable[[ReceiverType], ReceiverType]: ...

    def connect(
        self,
        receiver: Any = None,
        sender: Any = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
        retry: bool = False,
    ) -> Any:
        """Call ``receiver`` whenever this signal is sent (by ``sender``, if one is given).

        Works as a decorator with and without arguments, and returns the receiver. Connecting the same receiver (or the
        same ``dispatch_uid``) for the same sender twice changes nothing. Receivers are held weakly unless
        ``weak=False``: a lambda or a nested function that nobody else keeps would be gone at once. With ``retry=True``
        the receiver is held strongly and called again, after growing pauses, until it raises no error; the sender
        waits meanwhile. Raises ``ValueError`` for a receiver that could not be called.
        """
        if receiver is None:
            return lambda function: self.connect(
                function, sender=sender, weak=weak, dispatch_uid=dispatch_uid, retry=retry
            )
        _check_receiver(receiver)
        key = _connection_key(receiver, sender, dispatch_uid)
        if retry:
            reference: Callable[[], Receiver | None] = _strong(_until_it_succeeds(receiver))
        elif weak:
            reference = _weak(receiver, self._forget)
        else:
            reference = _strong(receiver)
        connection = _Connection(key, reference, None if sender is None else _sender_reference(sender))
        with self._lock:
            alive = tuple(known for known in self.receivers if known.receiver() is not None)
            if all(known.key != key for known in alive):
                alive += (connection,)
            self.receivers = alive
        return receiver

    def disconnect(
        self,
        receiver: Receiver | None = None,
        sender: Any = None,
        weak: bool | None = None,
        dispatch_uid: Hashable = None,
    ) -> bool:
        """Call the receiver no more; say whether it was connected for this sender. Safe to call twice.

        ``weak`` has no effect, as in Celery.
        """
        key = _connection_key(receiver, sender, dispatch_uid)
        with self._lock:
            before = len(self.receivers)
            self.receivers = tuple(known for known in self.receivers if known.key != key)
            return len(self.receivers) < before

    def has_listeners(self, sender: Any = None) -> bool:
        """Say whether anybody listens to this sender."""
        return any(True for _ in self._listening_to(sender))

    def send(self, sender: Any, **named: Any) -> list[tuple[Receiver, Any]]:
        """Call every receiver; return each with what it returned, or with the error it raised (which is logged)."""
        responses: list[tuple[Receiver, Any]] = []
        if not self.receivers:
            return responses
        for receiver in self._listening_to(sender):
            try:
                response = receiver(signal=self, sender=sender, **named)
            except Exception as error:
                logger.exception("The receiver %r of the signal %s failed.", receiver, self.name)
                response = error
            responses.append((receiver, response))
        return responses

    send_robust = send

    def _listening_to(self, sender: Any) -> list[Receiver]:
        sender = _behind_proxy(sender)
        connections = [connection for connection in self.receivers if connection.hears(sender)]
        return [receiver for connection in connections if (receiver := connection.receiver()) is not None]

    def _forget(self, reference: Any) -> None:
        with self._lock:
            self.receivers = tuple(known for known in self.receivers if known.receiver is not reference)


def _check_receiver(receiver: Any) -> None:
    if not callable(receiver):
        raise ValueError(  # noqa: TRY004 - Celery's kind of error for every unfit receiver
            f"{receiver!r} cannot receive a signal because it cannot be called."
        )
    if inspect.iscoroutinefunction(receiver):
        raise ValueError(
            f"{receiver!r} cannot receive a signal because it is a coroutine function: nobody would await it; "
            "use a plain function."
        )
    try:
        parameters = inspect.signature(receiver).parameters.values()
    except (TypeError, ValueError):  # some built-in functions tell nothing of themselves
        return
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        raise ValueError(f"{receiver!r} cannot receive a signal: add **kwargs to its parameters.")


def _connection_key(receiver: Receiver | None, sender: Any, dispatch_uid: Hashable) -> Hashable:
    sender_key = sender if isinstance(sender, str) else id(_behind_proxy(sender))
    if dispatch_uid is not None:
        return ("uid", dispatch_uid, sender_key)
    owner = getattr(receiver, "__self__", None)
    function = getattr(receiver, "__func__", receiver)
    return (id(owner), id(function), sender_key)


def _behind_proxy(value: Any) -> Any:
    """Return the object a lazy proxy stands for, and any other object itself."""
    resolve = getattr(type(value), "_get_current_object", None)
    return value if resolve is None else resolve(value)


def _strong(value: Any) -> Callable[[], Any]:
    return lambda: value


def _weak(receiver: Receiver, forget: Callable[[Any], None]) -> Callable[[], Receiver | None]:
    if inspect.ismethod(receiver):
        return weakref.WeakMethod(receiver, forget)
    return weakref.ref(receiver, forget)


def _sender_reference(sender: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(sender)
    except TypeError:  # text, numbers and most proxies cannot be referred to weakly
        return _strong(sender)


def _until_it_succeeds(receiver: Receiver) -> Receiver:
    @wraps(receiver)
    def call(*args: Any, **kwargs: Any) -> Any:
        for pause in publish_intervals(RETRY_POLICY):
            try:
                return receiver(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - whatever it is, the receiver asked to be called again
                logger.error("The signal receiver %r raised %r; next try in %s s.", receiver, error, pause)
            time.sleep(pause)
        return None

    return call


# Tasks: in the process that publishes.
before_task_publish = Signal(
    "before_task_publish",
    {"body", "exchange", "routing_key", "headers", "properties", "declare", "retry_policy"},
)
after_task_publish = Signal("after_task_publish", {"body", "exchange", "routing_key", "headers"})
#: Celery's old name of ``after_task_publish``; never sent.
task_sent = Signal("task_sent", {"task_id", "task", "args", "kwargs", "eta", "taskset"})

# Tasks: in the worker.
task_received = Signal("task_received", {"request"})
task_prerun = Signal("task_prerun", {"task_id", "task", "args", "kwargs"})
task_postrun = Signal("task_postrun", {"task_id", "task", "args", "kwargs", "retval", "state"})
task_success = Signal("task_success", {"result", "runtime"})
task_retry = Signal("task_retry", {"request", "reason", "einfo"})
task_failure = Signal("task_failure", {"task_id", "exception", "args", "kwargs", "traceback", "einfo"})
task_internal_error = Signal(
    "task_internal_error", {"task_id", "args", "kwargs", "request", "exception", "traceback", "einfo"}
)
task_revoked = Signal("task_revoked", {"request", "terminated", "signum", "expired"})
task_rejected = Signal("task_rejected", {"message", "exc"})
task_unknown = Signal("task_unknown", {"message", "exc", "name", "id"})

# The worker.
celeryd_init = Signal("celeryd_init", {"instance", "conf", "options"})
celeryd_after_setup = Signal("celeryd_after_setup", {"instance", "conf"})
import_modules = Signal("import_modules")
worker_init = Signal("worker_init")
worker_before_create_process = Signal("worker_before_create_process")
worker_process_init = Signal("worker_process_init")
worker_process_shutdown = Signal("worker_process_shutdown", {"pid", "exitcode"})
worker_ready = Signal("worker_ready")
worker_shutdown = Signal("worker_shutdown")
worker_shutting_down = Signal("worker_shutting_down", {"sig", "how", "exitcode"})
heartbeat_sent = Signal("heartbeat_sent")

# Logging.
setup_logging = Signal("setup_logging", {"loglevel", "logfile", "format", "colorize"})
after_setup_logger = Signal("after_setup_logger", {"logger", "loglevel", "logfile", "format", "colorize"})
after_setup_task_logger = Signal("after_setup_task_logger", {"logger", "loglevel", "logfile", "format", "colorize"})

# The scheduler.
beat_init = Signal("beat_init")
beat_embedded_init = Signal("beat_embedded_init")

# Never sent, as celeriac has no such pool; here so that importing them does not fail.
eventlet_pool_started = Signal("eventlet_pool_started")
eventlet_pool_preshutdown = Signal("eventlet_pool_preshutdown")
eventlet_pool_postshutdown = Signal("eventlet_pool_postshutdown")
eventlet_pool_apply = Signal("eventlet_pool_apply", {"target", "args", "kwargs"})

# The command line.
user_preload_options = Signal("user_preload_options", {"app", "options"})
