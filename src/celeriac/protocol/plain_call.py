"""A task call read by the short way, which does for nearly all of them.

Plain is a call of protocol 2 as celeriac's and Celery's producers write it when nothing special is asked for: JSON
without type tags, no signatures, no moments, no headers of the caller's. Such an envelope is read into typed values in
two steps and without a dictionary in between. Everything else, also whatever is wrong, takes the long way
(``task_call.decode_task``), which gives the same call or says what is wrong.
"""

from collections.abc import Collection
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct, field

from celeriac.exceptions import UnreadableMessage
from celeriac.protocol.kombu_envelope import KombuProperties, decode_body
from celeriac.protocol.task_call import TaskCall

__all__ = ["PlainCall", "PlainMessage", "read_plain"]

_Text = Annotated[str, Meta(min_length=1)]
_Seconds = int | float | None


class _Headers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The headers of a plain call: these and no others."""

    task: _Text
    id: _Text
    argsrepr: str
    kwargsrepr: str
    lang: str = "py"
    eta: None = None
    expires: None = None
    retries: Annotated[int, Meta(ge=0)] = 0
    timelimit: tuple[_Seconds, _Seconds] = (None, None)
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    origin: str | None = None
    ignore_result: bool | None = None
    shadow: str | None = None
    replaced_task_nesting: int = 0
    stamped_headers: None = None
    stamps: Annotated[dict[str, Any], Meta(max_length=0)] = {}


class PlainMessage(Struct, frozen=True, kw_only=True, array_like=True):
    """The fields of a ``Message``, in the same order, with plain headers."""

    id: str
    queue: str
    headers: _Headers
    priority: int | None = None
    not_before: float | None = None
    expires_at: float | None = None
    reply_to: str | None = None
    exchange: str = ""
    routing_key: str | None = None
    delivery_mode: int = 2
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    body: bytes = b""


class PlainCall(NamedTuple):
    """A call and the message it came by."""

    call: TaskCall
    message: PlainMessage


class _NoSignatures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


class _KombuMessage(Struct, frozen=True, kw_only=True):
    """The same in Celery's envelope."""

    body: str
    headers: _Headers
    properties: KombuProperties
    content_type: str = field(name="content-type")
    content_encoding: str = field(name="content-encoding")


_message_decoder = msgspec.msgpack.Decoder(PlainMessage)
_kombu_decoder = msgspec.json.Decoder(_KombuMessage)
_body_decoder = msgspec.json.Decoder(tuple[list[Any], dict[str, Any], _NoSignatures])


def read_plain(envelope: bytes, accept: Collection[str]) -> PlainCall | None:
    """Return the call in an envelope if it is plain; None: take the long way."""
    try:
        message = _read_kombu(envelope) if envelope[:1] == b"{" else _message_decoder.decode(envelope)
        if message.content_type != "application/json" or message.content_type not in accept:
            return None
        if b'"__type__"' in message.body:
            return None
        args, kwargs, _ = _body_decoder.decode(message.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, UnreadableMessage, RecursionError):
        return None
    headers = message.headers
    call = TaskCall(
        task=headers.task,
        id=headers.id,
        args=args,
        kwargs=kwargs,
        retries=headers.retries,
        timelimit=headers.timelimit,
        root_id=headers.root_id,
        parent_id=headers.parent_id,
        group=headers.group,
        group_index=headers.group_index,
        origin=headers.origin,
        reply_to=message.reply_to,
        ignore_result=headers.ignore_result,
        shadow=headers.shadow,
        replaced_task_nesting=headers.replaced_task_nesting,
        argsrepr=headers.argsrepr,
        kwargsrepr=headers.kwargsrepr,
    )
    return PlainCall(call, message)


def _read_kombu(envelope: bytes) -> PlainMessage:
    read = _kombu_decoder.decode(envelope)
    properties = read.properties
    address = properties.delivery_info
    return PlainMessage(
        id=read.headers.id,
        queue=address.routing_key,
        headers=read.headers,
        priority=properties.priority or None,
        reply_to=properties.reply_to,
        exchange=address.exchange,
        routing_key=address.routing_key if address.exchange else None,
        delivery_mode=properties.delivery_mode,
        content_type=read.content_type,
        content_encoding=read.content_encoding,
        body=decode_body(read.body, properties.body_encoding),
    )
