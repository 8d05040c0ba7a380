"""Objects to bytes and back, by content type.

The names, content types and bytes are kombu's (``kombu/serialization.py``). Bytes are only ever decoded when their
content type is in ``accept``: pickle runs code of the sender's choice.
"""

import pickle
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, NamedTuple

from celeriac.exceptions import ContentDisallowed, DecodeError, EncodeError
from celeriac.protocol import tagged_json

__all__ = [
    "Encoded",
    "Serializer",
    "check_accepted",
    "content_type_of",
    "dumps",
    "find",
    "is_own_json",
    "loads",
    "register",
]

_PICKLE_PROTOCOL = 4
#: Content types without structure, which cannot do harm: always accepted.
_RAW_CONTENT = frozenset({"application/data", "application/text"})
_BINARY_ENCODINGS = frozenset({"binary", "ascii-8bit"})


class Encoded(NamedTuple):
    """Bytes and what they are."""

    content_type: str
    content_encoding: str
    data: bytes


class Serializer(NamedTuple):
    """A way of writing, and what it writes is called."""

    name: str
    content_type: str
    content_encoding: str
    encoder: Callable[[Any], bytes | str] | None
    decoder: Callable[[bytes], Any] | None


_by_name: dict[str, Serializer] = {}
_by_content_type: dict[str, Serializer] = {}


def register(
    name: str,
    encoder: Callable[[Any], bytes | str] | None,
    decoder: Callable[[bytes], Any] | None,
    content_type: str,
    content_encoding: str = "utf-8",
) -> None:
    """Add a serializer, or replace the one of this name. Without encoder or decoder it works in one direction only."""
    serializer = Serializer(name, content_type, content_encoding, encoder, decoder)
    _by_name[name] = _by_content_type[content_type] = serializer


def find(name: str) -> Serializer | None:
    """Return the serializer of this name at the moment; None if there is none."""
    return _by_name.get(name)


def dumps(value: Any, serializer: str = "json") -> Encoded:
    """Return the value as bytes; raises ``EncodeError``.

    ``raw`` takes text or bytes as they are.
    """
    if serializer == "raw":
        return _encode_raw(value)
    entry = _by_name.get(serializer)
    if entry is None or entry.encoder is None:
        raise EncodeError(f"There is no serializer {serializer!r} to write with; there are: {', '.join(_by_name)}.")
    try:
        data = entry.encoder(value)
        if isinstance(data, str):
            data = data.encode("utf-8")
    except EncodeError:
        raise
    except RecursionError as error:
        raise EncodeError(
            f"The value cannot be written as {serializer}: it is nested too deeply, or contains itself."
        ) from error
    except Exception as error:  # encoders are other people's code: whatever they raise means the same
        raise EncodeError(
            f"The value cannot be written as {serializer}: {type(error).__name__}: {error}; "
            "pass plain data (numbers, text, lists, dicts, dates), or choose another serializer."
        ) from error
    return Encoded(entry.content_type, entry.content_encoding, data)


def is_own_json(serializer: str) -> bool:
    """Say whether this serializer writes JSON as ``tagged_json`` does; somebody may have registered another one."""
    return serializer == "json" and _by_name["json"].encoder is tagged_json.encode


def loads(data: bytes, content_type: str, content_encoding: str, accept: Collection[str]) -> Any:
    """Return the value in the bytes; raises ``ContentDisallowed`` and ``DecodeError``.

    ``accept`` holds content types, names of serializers, or both. A content type nobody has registered gives text, or
    bytes if the encoding is binary.
    """
    check_accepted(content_type, accept)
    entry = _by_content_type.get(content_type)
    try:
        if entry is not None and entry.decoder is not None:
            return entry.decoder(data)
        if not content_encoding or content_encoding.lower() not in _BINARY_ENCODINGS:
            return data.decode(content_encoding or "utf-8")
    except DecodeError:
        raise
    except RecursionError as error:
        raise DecodeError(f"These {len(data)} bytes of {content_type} are nested too deeply to be read.") from error
    except Exception as error:  # decoders are other people's code: whatever they raise means the same
        raise DecodeError(
            f"These {len(data)} bytes cannot be read as {content_type}: {type(error).__name__}: {error}."
        ) from error
    return data


def check_accepted(content_type: str, accept: Collection[str]) -> None:
    """Raise ``ContentDisallowed`` unless ``accept`` has the content type or the name of its serializer."""
    if content_type in accept or content_type in _RAW_CONTENT:
        return
    entry = _by_content_type.get(content_type)
    if entry is None or entry.name not in accept:
        name = f"{entry.name} ({content_type})" if entry else repr(content_type)
        raise ContentDisallowed(
            f"Content of the type {name} is not read, because accept_content allows only "
            f"{', '.join(sorted(accept)) or 'nothing'}; add it there if every sender can be trusted."
        )


def content_type_of(serializer: str) -> str:
    """Return the content type of a serializer, a content type unchanged; raises ``EncodeError`` for unknown names."""
    if "/" in serializer:
        return serializer
    if serializer not in _by_name:
        raise EncodeError(f"There is no serializer {serializer!r}; there are: {', '.join(_by_name)}.")
    return _by_name[serializer].content_type


def _encode_raw(value: Any) -> Encoded:
    if isinstance(value, str):
        try:
            return Encoded("application/data", "utf-8", value.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise EncodeError(f"The text cannot be written as utf-8: {error}.") from error
    if not isinstance(value, bytes):
        raise EncodeError(f"The serializer 'raw' takes bytes or text, not {type(value).__name__}.")
    return Encoded("application/data", "binary", value)


def _encode_pickle(value: Any) -> bytes:
    return pickle.dumps(value, protocol=_PICKLE_PROTOCOL)


def _encode_msgpack(value: Any) -> bytes:
    packed: bytes = _import_optional("msgpack", extra="msgpack").packb(value, use_bin_type=True)
    return packed


def _decode_msgpack(data: bytes) -> Any:
    return _import_optional("msgpack", extra="msgpack").unpackb(data, raw=False)


def _encode_yaml(value: Any) -> str:
    text: str = _import_optional("yaml", extra="yaml").safe_dump(value)
    return text


def _decode_yaml(data: bytes) -> Any:
    return _import_optional("yaml", extra="yaml").safe_load(data)


def _import_optional(module: str, *, extra: str) -> Any:
    """Import at first use: few need these packages, and they take longer to import than all of celeriac's protocol."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"the package for it is not installed ({error}); install it with: pip install 'celeriac[{extra}]'"
        ) from error


register("json", tagged_json.encode, tagged_json.decode, "application/json")
register("pickle", _encode_pickle, pickle.loads, "application/x-python-serialize", "binary")
register("yaml", _encode_yaml, _decode_yaml, "application/x-yaml")
register("msgpack", _encode_msgpack, _decode_msgpack, "application/x-msgpack", "binary")
