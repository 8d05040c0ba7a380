"""What can be set on a task: its options with their defaults, and the handlers that subclasses override."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.einfo import ExceptionInfo

__all__ = ["CALL_OPTIONS", "FromSettings", "TaskOptions"]

T = TypeVar("T")

#: Attributes of a task that are options of each of its calls.
CALL_OPTIONS = (
    "queue",
    "exchange",
    "routing_key",
    "priority",
    "expires",
    "serializer",
    "delivery_mode",
    "compression",
    "time_limit",
    "soft_time_limit",
    "on_commit",
    "using",
)


class FromSettings(Generic[T]):
    """An option that is as a setting says, unless the task says otherwise by an attribute of its own."""

    def __init__(self, setting: str) -> None:
        self.setting = setting

    @overload
    def __get__(self, task: None, owner: type) -> None: ...

    @overload
    def __get__(self, task: "TaskOptions", owner: type) -> T: ...

    def __get__(self, task: "TaskOptions | None", owner: type) -> T | None:
        return None if task is None else getattr(task.app.conf, self.setting)


class TaskOptions:
    """Options and handlers of a task."""

    #: The app this task belongs to.
    app: "Celeriac"

    #: Unique among the app's tasks; made from module and function unless given.
    name: str = None  # type: ignore[assignment]  # until it is registered
    #: The class is a base for others: nothing to be run.
    abstract: bool | None = None
    autoregister: bool = True
    #: Whether arguments are checked against the function before they are sent. None: as the app says.
    typing: bool | None = None

    #: None: for ever.
    max_retries: int | None = 3
    #: Seconds.
    default_retry_delay: float = 180
    #: Errors after which the task is tried again by itself, and those of them after which it is not.
    autoretry_for: Sequence[type[BaseException]] = ()
    dont_autoretry_for: Sequence[type[BaseException]] = ()
    #: Arguments for ``retry`` then.
    retry_kwargs: Mapping[str, Any] = {}
    #: Growing pauses: True, or the first in seconds; at most ``retry_backoff_max``; with jitter anything below it.
    retry_backoff: bool | float = False
    retry_backoff_max: float = 600
    retry_jitter: bool = True
    #: Errors that are to be expected: logged without a traceback.
    throws: Sequence[type[BaseException]] = ()

    #: Each attempt is stored with the result when it begins, with when, where, and what ended it (``record``).
    keeps_record: bool = False

    #: Tasks that it publishes are noted in its result.
    trail: bool = True
    send_events: bool = True
    expires: Any = None
    compression: str | None = None
    queue: Any = None
    exchange: Any = None
    routing_key: str | None = None
    delivery_mode: Any = None
    #: Whether its calls wait for the transaction they are made in, and for which one; None: as the settings say.
    on_commit: bool | None = None
    using: str | None = None
    #: When the scheduler calls it, without arguments: seconds, a ``timedelta`` or a schedule such as ``crontab()``. Or
    #: a dict as in ``beat_schedule``, without its ``task``. None: it does not.
    schedule: Any = None
    #: Characters of the result that are logged.
    resultrepr_maxsize: int = 1024

    serializer = FromSettings[str]("task_serializer")
    rate_limit = FromSettings["str | float | None"]("task_default_rate_limit")
    priority = FromSettings["int | None"]("task_default_priority")
    time_limit = FromSettings["float | None"]("task_time_limit")
    soft_time_limit = FromSettings["float | None"]("task_soft_time_limit")
    track_started = FromSettings[bool]("task_track_started")
    acks_late = FromSettings[bool]("task_acks_late")
    acks_on_failure_or_timeout = FromSettings[bool]("task_acks_on_failure_or_timeout")
    #: Whether a message is gone after a failure, and after a hard time limit; False keeps it as a dead letter.
    acks_on_failure = FromSettings["bool | None"]("task_acks_on_failure")
    acks_on_timeout = FromSettings["bool | None"]("task_acks_on_timeout")
    reject_on_worker_lost = FromSettings["bool | None"]("task_reject_on_worker_lost")
    retry_on_worker_lost = FromSettings[bool]("task_retry_on_worker_lost")
    ignore_result = FromSettings[bool]("task_ignore_result")
    store_eager_result = FromSettings[bool]("task_store_eager_result")
    store_errors_even_if_ignored = FromSettings[bool]("task_store_errors_even_if_ignored")

    # Handlers. They are called in the process that runs the task; an error in one is logged.

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Called before the task runs. An error here fails the task."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Called when the task has returned."""

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: "ExceptionInfo") -> None:
        """Called when the task has failed."""

    def on_retry(self, exc: BaseException | None, task_id: str, args: Any, kwargs: Any, einfo: "ExceptionInfo") -> None:
        """Called when the task is to be tried again."""

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: "ExceptionInfo | None"
    ) -> None:
        """Called when the task has succeeded or failed, after the other handlers."""

    def shadow_name(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> str | None:
        """Return the name to show in place of the task's for this call; None: its own."""
        return None

    @classmethod
    def on_bound(cls, app: "Celeriac") -> None:
        """Called when the task has become an app's."""

    #: Handlers that a subclass has overridden are called; the others cost nothing.
    HANDLERS: ClassVar[tuple[str, ...]] = ("before_start", "on_success", "on_failure", "on_retry", "after_return")

    def overrides(self, name: str) -> bool:
        """Say whether a subclass has a handler of its own."""
        own: Callable[..., Any] | None = getattr(type(self), name, None)
        return own is not getattr(TaskOptions, name) or name in self.__dict__
