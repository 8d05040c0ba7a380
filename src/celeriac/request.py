"""The request: what a running task knows of its own call (``self.request``)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celeriac.protocol.message import Message
    from celeriac.protocol.plain_call import PlainCall, PlainKombuMessage, PlainMessage
    from celeriac.protocol.task_call import TaskCall
    from celeriac.record import Record

__all__ = ["Context"]

#: What RabbitMQ adds to a message it has dead-lettered; sent again it would look like a cycle.
_BROKER_HEADERS = frozenset({"x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"})

#: What every plain call says alike.
_PLAIN = {
    "called_directly": False,
    "eta": None,
    "expires": None,
    "chain": None,
    "chord": None,
    "callbacks": None,
    "errbacks": None,
    "stamped_headers": None,
}


class Context:
    """The fields of a task's request, with Celery's names.

    Headers that the caller has added are in ``headers`` and are attributes too.
    """

    id: str | None = None
    task: str | None = None
    args: Any = None
    kwargs: Any = None
    #: How often the task has been tried before.
    retries: int = 0
    is_eager: bool = False
    #: True when the task is called as a function, and outside of any execution.
    called_directly: bool = True
    #: As the message has them: ISO 8601, with an offset.
    eta: str | None = None
    expires: str | None = None
    hostname: str | None = None
    origin: str | None = None
    delivery_info: dict[str, Any] | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    chain: list[Any] | None = None
    chord: Any = None
    callbacks: list[Any] | None = None
    errbacks: list[Any] | None = None
    #: (hard, soft), in seconds.
    timelimit: Any = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    utc: bool = True
    shadow: str | None = None
    ignore_result: bool | None = None
    loglevel: int | None = None
    logfile: str | None = None
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None
    replaced_task_nesting: int = 0
    taskset: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    #: What the caller gave as ``headers``.
    headers: dict[str, Any] | None = None

    #: What is kept of the call besides its result; None unless its task ``keeps_record``.
    call_record: "Record | None" = None

    _children: list[Any] | None = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Headers of the caller's are attributes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.update(*args, **kwargs)

    @classmethod
    def from_call(cls, call: "TaskCall", message: "Message", *, hostname: str, redelivered: bool) -> "Context":
        """Return the request of a task call that a worker has received."""
        request = cls.__new__(cls)
        hard, soft = call.timelimit or (None, None)
        fields = {
            "id": call.id,
            "task": call.task,
            "args": call.args,
            "kwargs": call.kwargs,
            "retries": call.retries,
            "called_directly": False,
            "eta": call.eta and call.eta.isoformat(),
            "expires": call.expires and call.expires.isoformat(),
            "hostname": hostname,
            "origin": call.origin,
            "delivery_info": {
                "exchange": message.exchange,
                "routing_key": message.routing_key or message.queue,
                "priority": message.priority,
                "redelivered": redelivered,
            },
            "reply_to": call.reply_to,
            "correlation_id": call.id,
            "root_id": call.root_id,
            "parent_id": call.parent_id,
            "group": call.group,
            "taskset": call.group,
            "group_index": call.group_index,
            "chain": call.chain,
            "chord": call.chord,
            "callbacks": call.callbacks,
            "errbacks": call.errbacks,
            "timelimit": call.timelimit,
            "time_limit": hard,
            "soft_time_limit": soft,
            "shadow": call.shadow,
            "ignore_result": call.ignore_result,
            "stamped_headers": call.stamped_headers,
            "stamps": call.stamps,
            "replaced_task_nesting": call.replaced_task_nesting,
            "argsrepr": call.argsrepr,
            "kwargsrepr": call.kwargsrepr,
            "headers": call.headers,
            "_message": message,
        }
        request.__dict__ = {**call.headers, **fields} if call.headers else fields
        return request

    @classmethod
    def from_plain(cls, plain: "PlainCall", *, hostname: str, redelivered: bool) -> "Context":
        """Return the request of a call that was read by the short way: what ``from_call`` gives, for less."""
        request = cls.__new__(cls)
        headers, args, kwargs, message = plain
        hard, soft = headers.timelimit
        request.__dict__ = {
            **_PLAIN,
            "id": headers.id,
            "task": headers.task,
            "args": args,
            "kwargs": kwargs,
            "retries": headers.retries,
            "hostname": hostname,
            "origin": headers.origin,
            "delivery_info": {
                "exchange": message.exchange,
                "routing_key": message.routing_key or message.queue,
                "priority": message.priority,
                "redelivered": redelivered,
            },
            "reply_to": message.reply_to,
            "correlation_id": headers.id,
            "root_id": headers.root_id,
            "parent_id": headers.parent_id,
            "group": headers.group,
            "taskset": headers.group,
            "group_index": headers.group_index,
            "timelimit": headers.timelimit,
            "time_limit": hard,
            "soft_time_limit": soft,
            "shadow": headers.shadow,
            "ignore_result": headers.ignore_result,
            "stamps": {},
            "replaced_task_nesting": headers.replaced_task_nesting,
            "argsrepr": headers.argsrepr,
            "kwargsrepr": headers.kwargsrepr,
            "headers": {},
            "_message": message,
        }
        return request

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set fields, as ``dict.update`` does."""
        fields = dict(*args, **kwargs)
        self.__dict__.update(fields)
        if "timelimit" in fields:
            limits = fields["timelimit"] or (None, None)
            self.time_limit, self.soft_time_limit = limits[0], limits[1]

    def clear(self) -> None:
        """Set all fields back to their defaults."""
        self.__dict__.clear()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, or the default if there is none of that name."""
        return getattr(self, key, default)

    @property
    def children(self) -> list[Any]:
        """Results of the tasks that this one has published."""
        if self._children is None:
            self._children = []
        return self._children

    @property
    def existing_children(self) -> list[Any] | None:
        """The same, or None when there are none: looking does not make a list."""
        return self._children

    @property
    def properties(self) -> dict[str, Any] | None:
        """The message's properties, with AMQP's names; None when there was no message."""
        message: Message | PlainMessage | PlainKombuMessage | None = self.__dict__.get("_message")
        if message is None:
            return None
        return {
            "correlation_id": message.id,
            "reply_to": message.reply_to,
            "delivery_mode": message.delivery_mode,
            "priority": message.priority,
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
            "delivery_info": self.delivery_info,
        }

    def carried(self, name: str) -> str | None:
        """Return what the publisher's framework has sent along under this name, or None."""
        message: Message | PlainMessage | PlainKombuMessage | None = self.__dict__.get("_message")
        headers = message.headers if message is not None else None
        # A plain message has no such header.
        value = headers.get(f"celeriac-{name}") if isinstance(headers, dict) else None
        return value if isinstance(value, str) else None

    def as_execution_options(self) -> dict[str, Any]:
        """Return the options with which the same call would be published again."""
        options: dict[str, Any] = {
            "task_id": self.id,
            "root_id": self.root_id,
            "parent_id": self.parent_id,
            "group_id": self.group,
            "group_index": self.group_index,
            "shadow": self.shadow,
            "chord": self.chord,
            "chain": self.chain,
            "link": self.callbacks,
            "link_error": self.errbacks,
            "expires": self.expires,
            "time_limit": self.time_limit,
            "soft_time_limit": self.soft_time_limit,
            "headers": {name: value for name, value in (self.headers or {}).items() if name not in _BROKER_HEADERS},
            "retries": self.retries,
            "reply_to": self.reply_to,
            "replaced_task_nesting": self.replaced_task_nesting,
            "origin": self.origin,
        }
        if self.stamped_headers is not None and self.stamps is not None:
            options["stamped_headers"] = self.stamped_headers
            options.update({name: value for name, value in self.stamps.items() if name in self.stamped_headers})
        return options

    def __repr__(self) -> str:
        return f"<Context: {vars(self)!r}>"
