"""The core of a task: the app it belongs to, the code it runs, the request it sees."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from celeriac.app.arity import Arity
from celeriac.app.task_options import CALL_OPTIONS, FromSettings, TaskOptions
from celeriac.backends.base import ResultBackend
from celeriac.canvas import Signature
from celeriac.exceptions import TaskPredicate, TimeLimitExceeded
from celeriac.local import Frame, frame_variable, get_current_app
from celeriac.protocol.call_form import CallForm
from celeriac.request import Context

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["TaskCore", "TaskPlan"]


class TaskPlan:
    """What of a task is looked at in every call or execution, worked out once."""

    __slots__ = (
        "always_stores_errors",
        "arity",
        "autoretry_for",
        "dont_autoretry_for",
        "form",
        "has_after_return",
        "has_before_start",
        "has_on_failure",
        "has_on_retry",
        "has_on_success",
        "has_own_call",
        "has_shadow_name",
        "ignore_result",
        "is_async",
        "keeps_record",
        "options",
        "revision",
        "runner",
        "soft_time_limit",
        "throws",
        "time_limit",
        "track_started",
    )

    def __init__(self, task: "TaskCore") -> None:
        self.arity = Arity(task.run)
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(task.run)) or inspect.iscoroutinefunction(task.run)
        self.has_own_call = type(task).__call__ is not TaskCore.__call__
        #: What an execution calls: ``run``, or the task itself if it has a ``__call__`` of its own.
        self.runner: Callable[..., Any] = task if self.has_own_call else task.run
        self.has_before_start = task.overrides("before_start")
        self.has_on_success = task.overrides("on_success")
        self.has_on_failure = task.overrides("on_failure")
        self.has_on_retry = task.overrides("on_retry")
        self.has_after_return = task.overrides("after_return")
        self.has_shadow_name = task.overrides("shadow_name")
        self.autoretry_for = _as_tuple(task.autoretry_for)
        self.dont_autoretry_for: tuple[type[BaseException], ...] = (TaskPredicate, *_as_tuple(task.dont_autoretry_for))
        self.throws = _as_tuple(task.throws)
        self.ignore_result: bool = task.ignore_result
        self.always_stores_errors: bool = task.store_errors_even_if_ignored
        self.track_started: bool = task.track_started
        self.keeps_record: bool = task.keeps_record
        self.time_limit: float | None = task.time_limit
        self.soft_time_limit: float | None = task.soft_time_limit
        #: Of calls that have no options of their own; None before the first one, and where there is none.
        self.form: CallForm | None = None
        #: Of the settings it was worked out from.
        self.revision = task.app.conf.revision
        #: Options of each call that the task itself sets.
        self.options: dict[str, Any] = {}
        for name in CALL_OPTIONS:
            value = inspect.getattr_static(task, name, None)
            if value is not None and not isinstance(value, FromSettings):
                self.options[name] = getattr(task, name)


class TaskCore(TaskOptions):
    """A task's identity and its place in what runs now."""

    _app: "Celeriac | None" = None
    _backend: ResultBackend | None = None
    _plan: TaskPlan | None = None
    _default_request: Context | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            # None says: as the settings say.
            if value is None and isinstance(inspect.getattr_static(TaskOptions, name, None), FromSettings):
                delattr(cls, name)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "_plan":
            self._plan = None

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._plan = None

    # The app.

    @property
    def app(self) -> "Celeriac":  # type: ignore[override]
        """The app this task belongs to; the current one for a task that belongs to none."""
        return self._app if self._app is not None else get_current_app()

    @property
    def backend(self) -> ResultBackend:
        """Where its results are kept: the app's backend, unless it was given one of its own."""
        return self._backend if self._backend is not None else self.app.backend

    @backend.setter
    def backend(self, value: ResultBackend) -> None:
        self._backend = value

    def bind(self, app: "Celeriac") -> "Celeriac":
        """Make this task the app's."""
        self._app = app
        self.on_bound(app)
        return app

    def annotate(self, annotations: Mapping[str, Any]) -> None:
        """Apply what ``task_annotations`` says: attributes; names that begin with ``@`` wrap a method."""
        for name, value in annotations.items():
            if name.startswith("@"):
                self.add_around(name[1:], value)
            else:
                setattr(self, name, value)

    def add_around(self, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace a method by what ``around`` makes of it."""
        setattr(self, name, around(getattr(self, name)))

    @property
    def plan(self) -> TaskPlan:
        """What is looked at in every call, worked out at the first look after a change of the task or the settings."""
        plan = self._plan
        if plan is None or plan.revision != self.app.conf.revision:
            plan = self._plan = TaskPlan(self)
        return plan

    # The code.

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The body of the task."""
        raise NotImplementedError(f"The task class {type(self).__name__} must define the method run.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task as a function, here and now."""
        frame = frame_variable.get()
        if frame is not None and frame.task is self and not frame.entered:
            # A __call__ of the user's has come here, within an execution.
            frame.entered = True
            return self.run(*args, **kwargs)
        request = Context(args=args, kwargs=kwargs)
        if self.plan.is_async:
            return self._call_coroutine(request)
        token = frame_variable.set(Frame(self, request, frame))
        try:
            return self.run(*args, **kwargs)
        finally:
            frame_variable.reset(token)

    async def _call_coroutine(self, request: Context) -> Any:
        token = frame_variable.set(Frame(self, request, frame_variable.get()))
        try:
            return await self.run(*request.args, **request.kwargs)
        finally:
            frame_variable.reset(token)

    @property
    def is_async(self) -> bool:
        """It is an ``async def``."""
        return self.plan.is_async

    @property
    def arity(self) -> Arity:
        """Which arguments fit."""
        return self.plan.arity

    def acks_after(self, error: BaseException) -> bool:
        """Say whether the message is gone after this failure; else it is kept as a dead letter."""
        said = self.acks_on_timeout if isinstance(error, TimeLimitExceeded) else self.acks_on_failure
        if said is None:
            said = self.acks_on_failure_or_timeout
        return said is not False

    def takes_error_details(self, errback: Signature[Any]) -> bool:
        """Say whether, as this errback, it takes ``(request, exc, traceback)`` and not just the task's id."""
        given = 0 if errback.immutable else len(errback.args)
        return self.plan.arity.most - given > 1

    # The request.

    @property
    def request(self) -> Context:
        """What is known of the call that runs now; an empty request when none does."""
        frame = frame_variable.get()
        while frame is not None:
            if frame.task is self:
                return frame.request
            frame = frame.outer
        if self._default_request is None:
            self.__dict__["_default_request"] = Context()
        assert self._default_request is not None
        return self._default_request

    def push_request(self, *args: Any, **kwargs: Any) -> None:
        """Let ``request`` be one of these fields until ``pop_request``; for tests of a task's body."""
        frame_variable.set(Frame(self, Context(*args, **kwargs), frame_variable.get()))

    def pop_request(self) -> None:
        """Take back what ``push_request`` did."""
        frame = frame_variable.get()
        if frame is not None:
            frame_variable.set(frame.outer)

    # What it is.

    def __reduce__(self) -> Any:
        return _find_task, (self.name, type(self).__module__)

    def __repr__(self) -> str:
        return f"<@task: {self.name} of {self._app!r}>" if self._app is not None else f"<unbound {self.name}>"


def _find_task(name: str, _module: str | None = None) -> Any:
    return get_current_app().tasks[name]


def _as_tuple(classes: Any) -> tuple[type[BaseException], ...]:
    return (classes,) if isinstance(classes, type) else tuple(classes or ())
