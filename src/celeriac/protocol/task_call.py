"""A task call to a message and back.

Written is Celery's message protocol 2 (``celery/app/amqp.py``): facts about the call in the headers, and
``[args, kwargs, embed]`` in the body. Read is also protocol 1, where all is in the body, and the mixture of both that
some clients send (``celery/worker/strategy.py``).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from celeriac.exceptions import DecodeError, EncodeError, InvalidTaskError, UnreadableMessage
from celeriac.protocol import compression as compressions
from celeriac.protocol import serialization
from celeriac.protocol.message import Message
from celeriac.protocol.representation import MAX_LEVELS, represent

__all__ = ["NO_SIGNATURES_END", "PLAIN_HEADERS", "TaskCall", "decode_task", "encode_task"]

#: A signature as it travels: ``task``, ``args``, ``kwargs``, ``options``, ``subtask_type``, ``immutable``.
SignatureDict = dict[str, Any]

_Text = Annotated[str, Meta(min_length=1)]
_Seconds = int | float | None


class TaskCall(Struct, frozen=True, kw_only=True):
    """One call of a task: everything its message says."""

    task: str
    id: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}
    #: Signatures called with the result.
    callbacks: Sequence[SignatureDict] | None = None
    #: Signatures called after a failure.
    errbacks: Sequence[SignatureDict] | None = None
    #: The tasks after this one, in reverse: the next is the last element.
    chain: Sequence[SignatureDict] | None = None
    #: The body of the chord whose header this task is part of.
    chord: SignatureDict | None = None
    #: Not to be run before. With a time zone.
    eta: datetime | None = None
    #: Not to be run after. With a time zone.
    expires: datetime | None = None
    retries: int = 0
    #: Seconds: the hard and the soft time limit.
    timelimit: tuple[_Seconds, _Seconds] = (None, None)
    #: The first task of the workflow; None stands for this one.
    root_id: str | None = None
    #: The task that made this call.
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    #: Who published it: ``gen<pid>@<host>``.
    origin: str | None = None
    reply_to: str | None = None
    #: None: as the task says.
    ignore_result: bool | None = False
    #: The name to show in place of the task's.
    shadow: str | None = None
    replaced_task_nesting: int = 0
    stamped_headers: Sequence[str] | None = None
    stamps: Mapping[str, Any] = {}
    #: The arguments in short, for people; None: made when the message is written.
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    #: The caller's own headers. They stand beside the protocol's and win over them.
    headers: Mapping[str, Any] = {}


class _Headers(Struct, frozen=True, kw_only=True):
    """What protocol 2 says about a call outside its body, with the types it must have."""

    task: _Text
    id: _Text
    eta: Any = None
    expires: Any = None
    retries: Annotated[int, Meta(ge=0)] | None = 0
    timelimit: tuple[_Seconds, _Seconds] | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    origin: str | None = None
    ignore_result: bool | None = None
    shadow: str | None = None
    replaced_task_nesting: int | None = 0
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None


#: Headers that are not the caller's own: the protocol's, the compression's, and what brokers add on redelivery.
_PROTOCOL_HEADERS = frozenset(_Headers.__struct_fields__) | {"lang", "compression", "redelivered", "meth"}
#: Begins the names of the headers celeriac's nodes write.
_NODE_PREFIX = "celeriac-"

#: The headers of a message without any of its sender's own.
PLAIN_HEADERS = frozenset(_Headers.__struct_fields__) | {"lang"}

_NO_SIGNATURES = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
#: The end of most bodies, known beforehand.
NO_SIGNATURES_END = b', {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'


def encode_task(
    call: TaskCall,
    *,
    queue: str,
    serializer: str = "json",
    compression: str | None = None,
    priority: int | None = None,
    exchange: str = "",
    routing_key: str | None = None,
    delivery_mode: int = 2,
    repr_levels: int = MAX_LEVELS,
) -> Message:
    """Return the call as a message of protocol 2; raises ``EncodeError`` for what the serializer cannot write."""
    try:
        body = _encode_body(call, serializer)
    except EncodeError as error:
        raise EncodeError(f"The call of {call.task!r} cannot be sent. {error}") from error
    headers = _encode_headers(call, repr_levels)
    data = body.data
    if compression:
        data, headers["compression"] = compressions.compress(data, compression)
    return Message(
        id=call.id,
        queue=queue,
        headers=headers,
        priority=priority,
        not_before=_unix_time(call.eta),
        expires_at=_unix_time(call.expires),
        reply_to=call.reply_to,
        exchange=exchange,
        routing_key=routing_key,
        delivery_mode=delivery_mode,
        content_type=body.content_type,
        content_encoding=body.content_encoding,
        body=data,
    )


def decode_task(message: Message, accept: Collection[str]) -> TaskCall:
    """Return the call in a message of protocol 2, 1 or their mixture.

    Raises ``ContentDisallowed`` when its content type is not in ``accept``, ``UnreadableMessage`` when it is no task
    call, and ``InvalidTaskError`` when it is one with parts missing or of the wrong kind.
    """
    headers = message.headers
    if not isinstance(headers, dict):
        raise UnreadableMessage(f"The message {message.id!r} has no headers but something {_kind(headers)}.")
    body = _decode_body(message, accept)
    if "task" in headers:
        if isinstance(body, dict) and "args" in body:
            return _from_dict(message, {**body, **headers}, body)
        return _from_protocol_2(message, headers, body)
    if isinstance(body, dict) and "task" in body:
        facts = {**body, "group": body["taskset"]} if "taskset" in body else body
        return _from_dict(message, facts, body)
    raise UnreadableMessage(
        f"The message {message.id!r} is no task call: neither its headers nor its body name a task."
    )


def _encode_body(call: TaskCall, serializer: str) -> serialization.Encoded:
    embed = {
        "callbacks": call.callbacks,
        "errbacks": call.errbacks,
        "chain": call.chain,
        "chord": call.chord,
    }
    if serializer == "json" and embed == _NO_SIGNATURES:
        content_type, content_encoding, data = serialization.dumps((call.args, call.kwargs))
        return serialization.Encoded(content_type, content_encoding, data[:-1] + NO_SIGNATURES_END)
    return serialization.dumps((call.args, call.kwargs, embed), serializer)


def _encode_headers(call: TaskCall, repr_levels: int) -> dict[str, Any]:
    headers: dict[str, Any] = {
        "lang": "py",
        "task": call.task,
        "id": call.id,
        "shadow": call.shadow,
        "eta": call.eta and call.eta.isoformat(),
        "expires": call.expires and call.expires.isoformat(),
        "group": call.group,
        "group_index": call.group_index,
        "retries": call.retries,
        "timelimit": list(call.timelimit),
        "root_id": call.root_id or call.id,
        "parent_id": call.parent_id,
        "argsrepr": _shown(call.argsrepr, call.args, "()", repr_levels),
        "kwargsrepr": _shown(call.kwargsrepr, call.kwargs, "{}", repr_levels),
        "origin": call.origin,
        "ignore_result": call.ignore_result,
        "replaced_task_nesting": call.replaced_task_nesting,
        "stamped_headers": call.stamped_headers,
        "stamps": _plain_headers(call.stamps) if call.stamps else {},
    }
    if call.headers:
        headers.update(_plain_headers(call.headers))
    return headers


def _shown(given: str | None, arguments: Any, empty: str, levels: int) -> str:
    if given is not None:
        return given
    return represent(arguments, max_levels=levels) if arguments else empty


def _plain_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return headers that every broker can carry: dates and the like as text, sets as lists."""
    try:
        plain: dict[str, Any] = msgspec.to_builtins(dict(headers), str_keys=True)
        msgspec.msgpack.encode(plain)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(
            f"The headers {', '.join(map(repr, headers))} cannot be sent: {error}; a header holds text, numbers, lists "
            "and dicts of them."
        ) from error
    return plain


def _unix_time(moment: datetime | None) -> float | None:
    """A moment without time zone is meant in UTC, as Celery reads it."""
    if moment is None:
        return None
    return moment.timestamp() if moment.tzinfo else moment.replace(tzinfo=UTC).timestamp()


def _decode_body(message: Message, accept: Collection[str]) -> Any:
    serialization.check_accepted(message.content_type, accept)
    data = message.body
    compression = message.headers.get("compression")
    try:
        if compression:
            if not isinstance(compression, str):
                raise DecodeError(f"The header 'compression' names a content type, not {compression!r}.")
            data = compressions.decompress(data, compression)
        return serialization.loads(data, message.content_type, message.content_encoding, accept)
    except DecodeError as error:
        raise UnreadableMessage(f"The body of the message {message.id!r} cannot be read. {error}") from error


def _from_protocol_2(message: Message, headers: Mapping[str, Any], body: Any) -> TaskCall:
    match body:
        case [args, kwargs, embed]:
            return _make_call(message, headers, args, kwargs, embed or {})
    raise InvalidTaskError(
        f"The body of the task call {headers.get('id')!r} ({headers['task']!r}) is {_kind(body)}; "
        "protocol 2 has a list of the arguments, the keyword arguments and the embedded signatures there."
    )


def _from_dict(message: Message, facts: Mapping[str, Any], body: Mapping[str, Any]) -> TaskCall:
    """Read protocol 1, whose body is all of the call, and the mixture, whose headers come before the body."""
    embed = {name: body.get(name) for name in ("callbacks", "errbacks", "chord")}
    return _make_call(message, facts, body.get("args", ()), body.get("kwargs", {}), embed)


def _make_call(message: Message, facts: Mapping[str, Any], args: Any, kwargs: Any, embed: Any) -> TaskCall:
    try:
        known = msgspec.convert(facts, _Headers)
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        raise InvalidTaskError(_describe(facts, f"{error}")) from error
    if not isinstance(args, (list, tuple)):
        raise InvalidTaskError(_describe(facts, f"its arguments are {_kind(args)}, not a list"))
    if not isinstance(kwargs, dict) or not all(isinstance(key, str) for key in kwargs):
        raise InvalidTaskError(_describe(facts, f"its keyword arguments are {_kind(kwargs)}, not a dict with names"))
    if not isinstance(embed, dict):
        raise InvalidTaskError(_describe(facts, f"its embedded signatures are {_kind(embed)}, not a dict"))
    chord = embed.get("chord")
    return TaskCall(
        task=known.task,
        id=known.id,
        args=args,
        kwargs=kwargs,
        callbacks=_signatures(facts, embed, "callbacks"),
        errbacks=_signatures(facts, embed, "errbacks"),
        chain=_signatures(facts, embed, "chain"),
        chord=None if chord is None else _signature(facts, chord, "chord"),
        eta=_moment(facts, known.eta, "eta"),
        expires=_moment(facts, known.expires, "expires"),
        retries=known.retries or 0,
        timelimit=known.timelimit or (None, None),
        root_id=known.root_id,
        parent_id=known.parent_id,
        group=known.group,
        group_index=known.group_index,
        origin=known.origin,
        reply_to=message.reply_to,
        ignore_result=known.ignore_result,
        shadow=known.shadow,
        replaced_task_nesting=known.replaced_task_nesting or 0,
        stamped_headers=known.stamped_headers,
        stamps=known.stamps or {},
        argsrepr=represent(args) if known.argsrepr is None else known.argsrepr,
        kwargsrepr=represent(kwargs) if known.kwargsrepr is None else known.kwargsrepr,
        headers=_own_headers(message.headers),
    )


def _signatures(facts: Mapping[str, Any], embed: Mapping[str, Any], place: str) -> list[SignatureDict] | None:
    found = embed.get(place)
    if found is None:
        return None
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, (list, tuple)):
        raise InvalidTaskError(_describe(facts, f"{place} is {_kind(found)}, not a list of signatures"))
    return [_signature(facts, signature, place) for signature in found]


def _signature(facts: Mapping[str, Any], found: Any, place: str) -> SignatureDict:
    if not isinstance(found, dict) or not isinstance(found.get("task"), str):
        raise InvalidTaskError(_describe(facts, f"{place} has {_kind(found)} where a signature must be"))
    return found


def _moment(facts: Mapping[str, Any], value: Any, name: str) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise InvalidTaskError(_describe(facts, f"its {name} is {value!r}, not a date and time of ISO 8601")) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _own_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    if headers.keys() <= _PROTOCOL_HEADERS:
        return {}
    return {
        name: value
        for name, value in headers.items()
        if name not in _PROTOCOL_HEADERS and not name.startswith(_NODE_PREFIX)
    }


def _describe(facts: Mapping[str, Any], fault: str) -> str:
    return f"The task call {facts.get('id')!r} ({facts.get('task')!r}) is not valid: {fault}."


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"of the type {type(value).__name__}"
