"""JSON with kombu's type tags: what Celery writes and reads as ``application/json``.

A value JSON has no form for is written as ``{"__type__": marker, "__value__": plain}``. The text is the same, byte for
byte, as kombu's (``kombu/utils/json.py``): ASCII only, ``", "`` and ``": "`` between the parts.
"""

import json
import sys
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Any

import msgspec

__all__ = ["decode", "encode", "encode_large", "register_type", "text"]

_Converter = Callable[[Any], Any]

#: Type to its marker and the function that makes it plain; the first type that fits is used, so ``datetime`` stands
#: before ``date``, of which it is a subclass. The marker None: the plain value alone is written.
_encoders: dict[type, tuple[str | None, _Converter]] = {
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    Decimal: ("decimal", str),
    uuid.UUID: ("uuid", lambda value: {"hex": value.hex}),
}
_decoders: dict[str, _Converter] = {
    "datetime": datetime.fromisoformat,
    "date": lambda text: datetime.fromisoformat(text).date(),
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": lambda fields: uuid.UUID(**fields),
    "bytes": lambda text: text.encode("utf-8"),
    "base64": lambda text: b64decode(text.encode("utf-8")),
}
#: Characters from which on the work of writing a text is worth a look at it, and how many parts are looked at.
_LONG = 4096
_FEW = 16
_TAG_KEYS = {"__type__", "__value__"}


def register_type(
    cls: type, marker: str | None, encoder: _Converter, decoder: _Converter = lambda plain: plain
) -> None:
    """Let values of ``cls`` be written: ``encoder`` makes them plain, ``decoder`` makes them anew.

    With the marker None only the plain value is written, and is what the reader gets. Safe to call twice.
    """
    _encoders[cls] = (marker, encoder)
    if marker is not None:
        _decoders[marker] = decoder


def encode(value: Any) -> bytes:
    """Return the value as JSON; raises whatever the value's own conversion raises, ``TypeError`` if it has none."""
    return text(value).encode("ascii")


def encode_large(value: Any) -> bytes:
    """Do the same; a long text not too deep in the value costs a fifth, and looking for one a little."""
    if not _has_long_text(value, 3):
        return encode(value)
    return "".join(_encode_long_parts(value, 0)).encode("ascii")


def text(value: Any) -> str:
    """Return the same as text."""
    if type(value) is str and len(value) > _LONG:
        return _quote(value)
    return "".join(_encode_parts(value, 0))


def decode(data: bytes) -> Any:
    """Return the value; raises ``ValueError``, ``TypeError`` and others for what is not JSON or has a wrong tag."""
    # A character that is not there is found missing ten times as fast as a text.
    if b"_" not in data or b'"__type__"' not in data:
        try:
            return _fast_decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Not JSON, or something that only Python's own decoder takes, such as NaN: that one decides.
            pass
    text = data.decode("utf-8")
    decoder = _tag_decoder if '"__type__"' in text else _plain_decoder
    try:
        value, end = decoder.raw_decode(text)
    except json.JSONDecodeError:
        # Only to allow white space around the value; it raises the same error for all else.
        return decoder.decode(text)
    return value if end == len(text) else decoder.decode(text)


def _tag(marker: str, plain: Any) -> dict[str, Any]:
    return {"__type__": marker, "__value__": plain}


def _to_plain(value: Any) -> Any:
    """Return something the encoder knows for a value it does not know."""
    reducer = getattr(value, "__json__", None)
    if reducer is not None:
        return reducer()
    if _is_lazy_text(value):
        return str(value)
    for cls, (marker, convert) in _encoders.items():
        if isinstance(value, cls):
            return convert(value) if marker is None else _tag(marker, convert(value))
    if isinstance(value, bytes):
        try:
            return _tag("bytes", value.decode("utf-8"))
        except UnicodeDecodeError:
            return _tag("base64", b64encode(value).decode("ascii"))
    raise TypeError(f"an object of type {type(value).__name__} has no JSON form")


def _is_lazy_text(value: Any) -> bool:
    """Tell Django's lazy translations; they can only exist once Django's module is loaded."""
    functional = sys.modules.get("django.utils.functional")
    return functional is not None and isinstance(value, functional.Promise)


def _from_tags(fields: dict[str, Any]) -> Any:
    if fields.keys() != _TAG_KEYS:
        return fields
    marker = fields["__type__"]
    decoder = _decoders.get(marker)
    if decoder is None:
        raise ValueError(f"the type tag {marker!r} is unknown")
    return decoder(fields["__value__"])


# Without the check for circles, which is a dictionary entry for each container: a circle ends as a RecursionError.
_encoder = json.JSONEncoder(default=_to_plain, check_circular=False)


def _quote(text: str) -> str:
    """Return a text as JSON; a long one of ASCII by the quicker encoder, which writes all of that alike but DEL."""
    if len(text) > _LONG and text.isascii() and "\x7f" not in text:
        return _fast_encoder.encode(text).decode("ascii")
    quoted: str = encode_basestring_ascii(text)
    return quoted


def _has_long_text(value: Any, levels: int) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) > _LONG
    if not levels or len(value := _items(value)) > _FEW:
        return False
    return any(_has_long_text(item, levels - 1) for item in value)


def _items(value: Any) -> Sequence[Any]:
    if type(value) is dict:
        return [*value.values()] if len(value) <= _FEW else ()
    return value if type(value) in (tuple, list) else ()


def _make_parts_encoder(quote: Callable[[str], str]) -> Callable[[Any, int], Iterable[str]]:
    """Return what gives the parts of a value's JSON, made once: ``JSONEncoder.encode`` makes it anew for each value.

    It takes the value, and the level of indentation, which does not count. Only Python's own function for texts is
    called without a step in between.
    """
    if c_make_encoder is None:
        return lambda value, _: _encoder.iterencode(value)
    make_parts: Callable[[Any, int], Iterable[str]] = c_make_encoder(
        None,
        _to_plain,
        quote,
        None,
        _encoder.key_separator,
        _encoder.item_separator,
        False,
        False,
        True,
    )
    return make_parts


_fast_encoder = msgspec.json.Encoder()
_encode_parts = _make_parts_encoder(encode_basestring_ascii)
_encode_long_parts = _make_parts_encoder(_quote)
_fast_decoder = msgspec.json.Decoder()
_plain_decoder = json.JSONDecoder()
_tag_decoder = json.JSONDecoder(object_hook=_from_tags)
