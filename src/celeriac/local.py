"""Where code finds the app and the running task without being handed them.

Two facts are kept: which app is current in this process, and, per context (thread or coroutine), which task is running.
A ``Proxy`` is an object that stands for whatever a function returns at the moment it is used.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from celeriac.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.app.task import Task
    from celeriac.app.task_core import TaskCore
    from celeriac.protocol.message import Message
    from celeriac.request import Context

__all__ = [
    "Frame",
    "Proxy",
    "allow_join_result",
    "current_app",
    "current_frame",
    "current_task",
    "denied_join_result",
    "frame_variable",
    "get_current_app",
    "get_current_task",
    "get_current_worker_task",
    "joining_is_denied",
    "known_app",
    "maybe_evaluate",
    "set_current_app",
    "set_default_app_factory",
]


class Frame:
    """One running task: the task, its request, and the frame of the task (if any) that called it.

    ``follow_ups`` takes the messages that are published when the execution is settled; None where nobody settles.
    """

    __slots__ = ("entered", "follow_ups", "outer", "request", "task")

    def __init__(
        self,
        task: "TaskCore",
        request: "Context",
        outer: "Frame | None",
        follow_ups: "list[Message] | None" = None,
    ) -> None:
        #: The task's code has been reached: calling the task from here is another call.
        self.entered = True
        self.task = task
        self.request = request
        self.outer = outer
        self.follow_ups = follow_ups


#: The innermost running task of this thread or coroutine.
frame_variable: ContextVar[Frame | None] = ContextVar("celeriac_frame", default=None)

#: None: waiting for a result is refused inside a task and allowed outside; else what was said explicitly.
_joining: ContextVar[bool | None] = ContextVar("celeriac_joining", default=None)


class _Apps:
    """The process's current app, and how one is made when nobody has made one."""

    def __init__(self) -> None:
        self.current: Celeriac | None = None
        #: Nobody has made it himself.
        self.is_default = False
        self.make_default: Callable[[], Celeriac] | None = None


_apps = _Apps()


def get_current_app() -> "Celeriac":
    """Return the current app, making one with default settings if there is none yet."""
    app = _apps.current
    if app is None:
        if _apps.make_default is None:
            raise ImproperlyConfigured("There is no app yet: create one with celeriac.Celeriac('name').")
        app = _apps.current = _apps.make_default()
        _apps.is_default = True
    return app


def known_app() -> "Celeriac | None":
    """Return the current app, or None if there is none yet; makes none."""
    return _apps.current


def set_current_app(app: "Celeriac | None") -> None:
    """Make ``app`` the one that ``current_app`` stands for, in the whole process; None forgets it."""
    _apps.current = app
    _apps.is_default = False


def set_default_app_factory(factory: "Callable[[], Celeriac]") -> None:
    """Say how to make the app that is used when nobody has made one.

    One that another factory has made is forgotten: somebody has looked too early.
    """
    if _apps.is_default and factory is not _apps.make_default:
        set_current_app(None)
    _apps.make_default = factory


def current_frame() -> Frame | None:
    """Return the innermost running task's frame, or None outside of tasks."""
    return frame_variable.get()


def get_current_task() -> "Task[..., Any] | None":
    """Return the innermost running task, or None."""
    frame = frame_variable.get()
    return None if frame is None else cast("Task[..., Any]", frame.task)


def get_current_worker_task() -> "Task[..., Any] | None":
    """Return the task that a worker (or ``apply``) is running, whatever tasks it calls as functions; or None."""
    frame = frame_variable.get()
    while frame is not None and frame.request.called_directly:
        frame = frame.outer
    return None if frame is None else cast("Task[..., Any]", frame.task)


def joining_is_denied() -> bool:
    """Say whether waiting for another task's result is refused here."""
    allowed = _joining.get()
    if allowed is not None:
        return not allowed
    frame = frame_variable.get()
    while frame is not None:
        if not frame.request.called_directly and not frame.request.is_eager:
            return True
        frame = frame.outer
    return False


@contextmanager
def allow_join_result() -> Iterator[None]:
    """Allow ``result.get()`` inside a task, which then blocks a slot that the other may need: beware of deadlocks."""
    token = _joining.set(True)
    try:
        yield
    finally:
        _joining.reset(token)


@contextmanager
def denied_join_result() -> Iterator[None]:
    """Refuse ``result.get()`` here."""
    token = _joining.set(False)
    try:
        yield
    finally:
        _joining.reset(token)


class Proxy:
    """Stands for what ``local()`` returns: every access asks again.

    ``isinstance`` answers for the object stood for. A proxy of None is false.
    """

    __slots__ = ("_Proxy__local", "__weakref__")

    def __init__(
        self, local: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> None:
        object.__setattr__(self, "_Proxy__local", (local, args, kwargs or {}))

    def _get_current_object(self) -> Any:
        """Return the object stood for."""
        local, args, kwargs = object.__getattribute__(self, "_Proxy__local")
        return local(*args, **kwargs)

    @property
    def __class__(self) -> Any:
        return self._get_current_object().__class__

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise TypeError("The class of a proxy is that of the object it stands for; it cannot be set.")

    @property
    def __wrapped__(self) -> Any:
        return self._get_current_object().__wrapped__

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._get_current_object().__doc__  # type: ignore[no-any-return]

    @property
    def __module__(self) -> str:  # type: ignore[override]
        return self._get_current_object().__module__  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._get_current_object(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._get_current_object()(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self._get_current_object())

    def __str__(self) -> str:
        return str(self._get_current_object())

    def __bool__(self) -> bool:
        return bool(self._get_current_object())

    def __dir__(self) -> list[str]:
        return dir(self._get_current_object())

    def __eq__(self, other: object) -> bool:
        return bool(self._get_current_object() == maybe_evaluate(other))

    def __hash__(self) -> int:
        return hash(self._get_current_object())

    def __or__(self, other: Any) -> Any:
        return self._get_current_object() | other

    def __reduce__(self) -> Any:
        return self._get_current_object().__reduce__()


def maybe_evaluate(value: Any) -> Any:
    """Return what a proxy stands for; anything else as it is."""
    return value._get_current_object() if type(value) is Proxy else value  # noqa: SLF001 - its own class's method


#: The app made last in this process, or one with default settings.
current_app: "Celeriac" = Proxy(get_current_app)  # type: ignore[assignment]
#: The innermost running task; stands for None outside of tasks.
current_task: "Task[..., Any]" = Proxy(get_current_task)  # type: ignore[assignment]
