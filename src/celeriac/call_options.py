"""The options of a call: which there are, and how they are read."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, TypedDict

from celeriac import clock

if TYPE_CHECKING:
    from celeriac.canvas import Signature
    from celeriac.queues import Exchange, Queue

__all__ = [
    "FIELDS",
    "KNOWN",
    "TO_BE_READ",
    "CallOptions",
    "eta_of",
    "expires_of",
    "refuse_slips",
    "refuse_wrong_arguments",
    "refuse_wrong_values",
]


class CallOptions(TypedDict, total=False):
    """What ``apply_async`` takes besides the arguments and ``task_id``, ``link``, ``link_error`` and ``shadow``."""

    #: Seconds from now until it may run.
    countdown: float | None
    #: When it may run. Without time zone: in the app's. Text: ISO 8601.
    eta: datetime | str | None
    #: When it is worth nothing any more, or seconds from now.
    expires: float | datetime | str | None
    queue: "str | Queue | None"
    exchange: "str | Exchange | None"
    exchange_type: str | None
    routing_key: str | None
    #: 0 to 9.
    priority: int | None
    serializer: str | None
    compression: str | None
    delivery_mode: int | str | None
    #: Facts of your own that travel with the message.
    headers: Mapping[str, Any] | None
    ignore_result: bool | None
    #: Seconds.
    time_limit: float | None
    soft_time_limit: float | None
    #: Whether and how publishing is tried again.
    retry: bool | None
    retry_policy: Mapping[str, Any] | None
    #: Seconds publishing may take, tries included.
    timeout: float | None
    confirm_timeout: float | None
    #: False: publish at once, also inside an open transaction. Counts where an integration looks after those: Django.
    on_commit: bool | None
    #: The transaction to wait for (in Django the alias of its database), where several are open.
    using: str | None
    #: Whether a task that makes this call notes it as its child.
    add_to_parent: bool
    retries: int
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    group_index: int | None
    chain: "Sequence[Signature[Any]] | None"
    chord: "Signature[Any] | None"
    reply_to: str | None
    origin: str | None
    argsrepr: str | None
    kwargsrepr: str | None
    replaced_task_nesting: int
    stamped_headers: Sequence[str] | None
    route_name: str | None
    # kombu's, without effect.
    connection: Any
    publisher: Any
    router: Any
    result_cls: Any
    declare: Any
    mandatory: bool
    immediate: bool
    task_type: Any


#: Options of a call. Some (of kombu's) have no meaning here, but are no slip either.
KNOWN = frozenset(CallOptions.__annotations__) | {"link", "link_error", "producer", "shadow", "task_id"}
#: Options that are fields of the call as they are.
FIELDS = {
    "task_id": "id",
    "chain": "chain",
    "chord": "chord",
    "retries": "retries",
    "root_id": "root_id",
    "parent_id": "parent_id",
    "group_id": "group",
    "group_index": "group_index",
    "origin": "origin",
    "reply_to": "reply_to",
    "ignore_result": "ignore_result",
    "shadow": "shadow",
    "replaced_task_nesting": "replaced_task_nesting",
    "stamped_headers": "stamped_headers",
    "argsrepr": "argsrepr",
    "kwargsrepr": "kwargsrepr",
    "headers": "headers",
}
#: Options that have to be understood first.
TO_BE_READ = frozenset(
    {"link", "link_error", "eta", "countdown", "expires", "time_limit", "soft_time_limit", "stamped_headers"}
)

#: Options whose value nobody could make sense of later, when it is too late to say so.
_TO_BE_CHECKED = frozenset({"task_id", "priority", "headers"})
#: Headers that say which call a message is.
_PROTOCOL_HEADERS = frozenset({"task", "id"})


def refuse_wrong_arguments(name: str, args: object, kwargs: object) -> None:
    """Raise ``TypeError`` for arguments that are no list and dict."""
    if not isinstance(args, (list, tuple)):
        raise TypeError(f"The args of {name} must be a list or tuple, not {args!r}; write args=({args!r},).")
    # A dict is told by its type: asking an abstract class costs more than everything else here.
    if type(kwargs) is not dict and not isinstance(kwargs, Mapping):
        raise TypeError(f"The kwargs of {name} must be a dict, not {kwargs!r}.")


def refuse_wrong_values(name: str, options: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` or ``ValueError`` for a value that would make a message no worker can read."""
    if options.keys().isdisjoint(_TO_BE_CHECKED):
        return
    task_id, priority = options.get("task_id"), options.get("priority")
    if task_id is not None and (not isinstance(task_id, str) or not task_id):
        raise TypeError(f"The option task_id of {name} must be a text that is not empty, not {task_id!r}.")
    if priority is not None and (isinstance(priority, bool) or not isinstance(priority, int)):
        raise TypeError(f"The option priority of {name} must be a whole number, 0 to 9, not {priority!r}.")
    for header in options.get("headers") or ():
        if header in _PROTOCOL_HEADERS or str(header).startswith("celeriac-"):
            raise ValueError(f"The header {header!r} of {name} is the message's own; choose another name for yours.")


def refuse_slips(name: str, options: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` for an option that looks like a slip; other unknown ones say nothing, as in Celery."""
    if options.keys() <= KNOWN:
        return
    stamps = options.get("stamped_headers") or ()
    for option in options.keys() - KNOWN - set(stamps):
        near = difflib.get_close_matches(option, KNOWN, n=1, cutoff=0.8)
        if near:
            raise TypeError(f"There is no option {option!r} for a call of {name}; did you mean {near[0]!r}?")


def eta_of(name: str, eta: Any, countdown: Any, zone: Callable[[], tzinfo]) -> datetime | None:
    """Return the moment before which a call shall not run; raises ``TypeError`` and ``ValueError`` with a sentence.

    ``zone`` returns the time zone of a moment that has none of its own.
    """
    if countdown:
        return _moment_in(name, "countdown", countdown)
    return _moment(name, "eta", eta, zone) if eta else None


def expires_of(name: str, expires: Any, zone: Callable[[], tzinfo]) -> datetime | None:
    """Return the moment after which a call is worth nothing; raises what ``eta_of`` raises."""
    if expires is None:
        return None
    if isinstance(expires, (int, float)):
        return _moment_in(name, "expires", expires)
    return _moment(name, "expires", expires, zone)


def _moment(name: str, option: str, value: Any, zone: Callable[[], tzinfo]) -> datetime:
    """Return a moment with a time zone: this one, if it has none of its own."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"The option {option}={value!r} of {name} is no moment; write it as in '2030-12-31T23:59:00+00:00'."
            ) from None
    if not isinstance(value, datetime):
        raise TypeError(f"The option {option} of {name} must be a datetime, not {value!r}.")
    return value if value.tzinfo is not None else value.replace(tzinfo=zone())


def _moment_in(name: str, option: str, seconds: Any) -> datetime:
    """Return the moment so many seconds from now."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"The option {option} of {name} must be a number of seconds, not {seconds!r}.")
    try:
        return datetime.fromtimestamp(clock.now(), UTC) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise ValueError(f"The option {option}={seconds!r} of {name} is beyond what a calendar can hold.") from None
