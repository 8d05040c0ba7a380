"""Tables go to bytes and back, and what AMQP cannot carry is refused in one sentence."""

import contextlib
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.amqp.table import read_table, write_table
from celeriac.exceptions import DecodeError, EncodeError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = TEXTS.filter(lambda text: len(text.encode()) <= 255)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def read(written: bytes) -> dict:
    return read_table(written, 4, len(written))


@settings(max_examples=50)
@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_what_is_written_is_read_again(table):
    assert read(write_table(table)) == table


@given(st.binary(max_size=80))
def test_any_bytes_are_a_table_or_a_decode_error(data):
    with contextlib.suppress(DecodeError):
        assert isinstance(read_table(data, 0, len(data)), dict)


def test_moments_decimals_and_bytes_are_carried_too():
    table = {
        "at": datetime(2026, 11, 26, tzinfo=UTC),
        "price": Decimal("-12.34"),
        "raw": b"\x00\xff",
        "big": Decimal("1E+3"),
    }
    assert read(write_table(table)) == table


def test_the_kinds_are_those_that_celery_writes():
    assert write_table({"n": 1, "l": 2**40, "t": True, "s": "ü", "v": None, "a": [1], "d": {}}) == (
        b"\x00\x00\x00\x35"
        b"\x01nI\x00\x00\x00\x01"
        b"\x01ll\x00\x00\x01\x00\x00\x00\x00\x00"
        b"\x01tt\x01"
        b"\x01sS\x00\x00\x00\x02\xc3\xbc"
        b"\x01vV"
        b"\x01aA\x00\x00\x00\x05I\x00\x00\x00\x01"
        b"\x01dF\x00\x00\x00\x00"
    )


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ({"n": 2**63}, EncodeError, "9223372036854775808 is none of them"),
        ({"n" * 256: 1}, EncodeError, "255 at most"),
        ({"half": "\ud800"}, EncodeError, "lone surrogate"),
        ({"odd": object()}, TypeError, "AMQP carries no object"),
        ({"odd": {1}}, TypeError, "AMQP carries no set"),
        ({1: 1}, TypeError, "must be text"),
        ({"price": Decimal("12345678901.5")}, EncodeError, "too few for"),
        ({"price": Decimal("NaN")}, EncodeError, "no NaN"),
    ],
)
def test_what_amqp_cannot_carry_is_refused(table, error, words):
    with pytest.raises(error, match=words):
        write_table(table)


def test_tables_within_tables_have_an_end():
    nested: dict = {}
    for _ in range(200):
        nested = {"inner": nested}
    with pytest.raises(DecodeError, match="levels deep"):
        read(write_table(nested))
