"""The options of one call of a task, for type checkers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from celeriac.canvas import Signature
    from celeriac.queues import Exchange, Queue

__all__ = ["CallOptions"]


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
