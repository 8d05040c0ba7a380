"""Values become the bytes kombu would make, and are read only where that is allowed."""

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.exceptions import ContentDisallowed, DecodeError, EncodeError
from celeriac.protocol import serialization, tagged_json
from celeriac.protocol.serialization import Encoded, dumps, loads

UTC = dt.UTC

taggable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.sampled_from([None, UTC, dt.timezone(dt.timedelta(minutes=-210))]))
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False)
    | st.uuids(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


def read_json(data: bytes) -> Any:
    return loads(data, "application/json", "utf-8", ["json"])


@settings(deadline=None)
@given(taggable)
def test_whatever_json_can_carry_comes_back_as_it_was(value: Any) -> None:
    assert read_json(dumps(value).data) == value


def test_json_is_ascii_with_a_space_after_comma_and_colon() -> None:
    assert dumps({"a": [1, None, True], "\u20ac": 1.5}) == Encoded(
        "application/json", "utf-8", b'{"a": [1, null, true], "\\u20ac": 1.5}'
    )


def test_bytes_are_tagged_as_text_where_they_are_text_and_as_base64_where_not() -> None:
    assert dumps(b"ab").data == b'{"__type__": "bytes", "__value__": "ab"}'
    assert dumps(b"\xff").data == b'{"__type__": "base64", "__value__": "/w=="}'


def test_an_objects_json_method_wins_over_its_type() -> None:
    class Moment(dt.datetime):
        def __json__(self) -> Any:
            return [self.year, Decimal(1)]

    assert read_json(dumps(Moment(2026, 1, 1)).data) == [2026, Decimal(1)]


def test_djangos_lazy_text_is_written_as_text() -> None:
    functional = pytest.importorskip("django.utils.functional")
    lazy_text = functional.lazystr("Gr\u00fc\u00dfe")
    assert read_json(dumps([lazy_text]).data) == ["Gr\u00fc\u00dfe"]


def test_django_is_not_imported_for_it() -> None:
    code = (
        "import sys; from celeriac.protocol import serialization\n"
        "serialization.dumps([b'x'])\n"
        "print(*(name for name in ('django', 'yaml', 'msgpack', 'brotli', 'zstandard') if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == []


def test_a_users_own_type_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged_json, "_encoders", dict(tagged_json._encoders))
    monkeypatch.setattr(tagged_json, "_decoders", dict(tagged_json._decoders))
    tagged_json.register_type(complex, "complex", lambda value: [value.real, value.imag], lambda pair: complex(*pair))
    tagged_json.register_type(range, None, list)
    assert dumps(1 + 2j).data == b'{"__type__": "complex", "__value__": [1.0, 2.0]}'
    assert read_json(dumps([1j, range(2)]).data) == [1j, [0, 1]]


def test_an_application_dict_with_more_keys_than_a_tags_is_left_alone() -> None:
    value = {"__type__": "bytes", "__value__": "x", "more": 1}
    assert read_json(dumps(value).data) == value


def test_white_space_around_json_is_allowed() -> None:
    assert read_json(b' \n[1, "__type__"]\t') == [1, "__type__"]


@pytest.mark.parametrize("value", [{1, 2}, object(), {(1, 2): 3}, 1j, ValueError("x")])
def test_what_json_cannot_write_is_an_encode_error_that_says_why(value: Any) -> None:
    with pytest.raises(EncodeError, match=r"cannot be written as json: TypeError: .*; pass plain data"):
        dumps(value)


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_a_value_inside_itself_is_an_encode_error_or_survives(serializer: str) -> None:
    circle: list[Any] = []
    circle.append(circle)
    try:
        encoded = dumps(circle, serializer)
    except EncodeError:
        assert serializer in {"json", "msgpack"}
    else:
        assert isinstance(loads(encoded.data, *encoded[:2], {serializer})[0], list)


def test_an_encoders_own_failure_is_an_encode_error() -> None:
    class Broken:
        def __json__(self) -> Any:
            raise ZeroDivisionError("inside")

    with pytest.raises(EncodeError, match="ZeroDivisionError: inside"):
        dumps([Broken()])


@pytest.mark.parametrize("serializer", ["pickle", "yaml", "msgpack"])
def test_other_serializers_carry_plain_data(serializer: str) -> None:
    value = {"a": [1, 2.5, "\u20ac", None, True, b"\xff"]}
    encoded = dumps(value, serializer)
    assert loads(encoded.data, encoded.content_type, encoded.content_encoding, [encoded.content_type]) == value


def test_yaml_makes_no_objects() -> None:
    with pytest.raises(DecodeError):
        loads(b"!!python/object/apply:os.getcwd []", "application/x-yaml", "utf-8", {"yaml"})


def test_pickle_is_not_read_unless_it_is_accepted() -> None:
    encoded = dumps(UUID(int=1), "pickle")
    with pytest.raises(ContentDisallowed, match=r"pickle \(application/x-python-serialize\).*only json, yaml;"):
        loads(encoded.data, encoded.content_type, encoded.content_encoding, {"json", "yaml"})
    assert loads(encoded.data, encoded.content_type, encoded.content_encoding, {"pickle"}) == UUID(int=1)


@pytest.mark.parametrize("accept", [[], ["pickle"], {"application/x-python-serialize"}])
def test_not_even_json_is_read_unless_it_is_accepted(accept: Any) -> None:
    with pytest.raises(ContentDisallowed, match="accept_content"):
        loads(b"1", "application/json", "utf-8", accept)


def test_raw_content_is_always_read_and_never_interpreted() -> None:
    assert dumps("text", "raw") == Encoded("application/data", "utf-8", b"text")
    assert dumps(b"\xff", "raw") == Encoded("application/data", "binary", b"\xff")
    assert loads(b"text", "application/data", "utf-8", []) == "text"
    assert loads(b"\xff", "application/data", "binary", []) == b"\xff"
    with pytest.raises(EncodeError, match="takes bytes or text, not list"):
        dumps([], "raw")


def test_a_codec_that_is_no_text_encoding_is_refused() -> None:
    with pytest.raises(DecodeError):
        loads(b"x\x9c\x03\x00\x00\x00\x00\x01", "application/data", "zlib_codec", [])


def test_an_unknown_serializer_is_named_together_with_the_known_ones() -> None:
    with pytest.raises(
        EncodeError, match=r"no serializer 'jsno' to write with; there are: json, pickle, yaml, msgpack"
    ):
        dumps(1, "jsno")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(EncodeError, match=r"pip install 'celeriac\[msgpack\]'"):
        dumps(1, "msgpack")
    with pytest.raises(DecodeError, match=r"pip install 'celeriac\[msgpack\]'"):
        loads(b"\x01", "application/x-msgpack", "binary", {"msgpack"})


def test_a_serializer_of_the_users_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialization, "_by_name", dict(serialization._by_name))
    monkeypatch.setattr(serialization, "_by_content_type", dict(serialization._by_content_type))
    serialization.register("upper", lambda value: value.upper(), lambda data: data.decode().lower(), "text/x-upper")
    encoded = dumps("abc", "upper")
    assert encoded == Encoded("text/x-upper", "utf-8", b"ABC")
    assert loads(encoded.data, *encoded[:2], {"upper"}) == "abc"
    assert serialization.content_type_of("upper") == "text/x-upper"


@pytest.mark.parametrize("end", ["", "x", '"', "\\", "/", "\x00", "\x1f\b\f\n\r\t", "\x7f", "é", "\ud800", "😀"])
def test_long_texts_are_written_as_short_ones_are(end: str) -> None:
    for long in ("a" * 5000 + end, end * 5000):
        value = (
            (long, 1, {"name": long}, [{}, long]),
            {"text": long, "deep": [[[long]]], "when": dt.date(2026, 11, 26)},
        )
        assert tagged_json.encode_large(value) == tagged_json.encode(value)
        assert tagged_json.encode(long) == json.dumps(long).encode()
        assert tagged_json.encode_large([long]) == json.dumps([long]).encode()
