"""Arguments in short: what the golden files cannot hold, because it differs from run to run."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.protocol.representation import represent

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda children: (
        st.lists(children, max_size=5)
        | st.dictionaries(st.text() | st.integers(), children, max_size=5)
        | st.tuples(children, children)
        | st.sets(st.integers(), max_size=5)
    ),
    max_leaves=30,
)


@settings(deadline=None)
@given(values, st.integers(1, 200), st.integers(0, 5))
def test_the_text_is_never_much_longer_than_allowed_and_always_utf_8(value: Any, length: int, levels: int) -> None:
    text = represent(value, max_length=length, max_levels=levels)
    text.encode("utf-8")
    # The last piece may be quoted and escaped, and closes what is open.
    assert len(text) <= 4 * length + 200


def test_a_container_inside_itself_is_named_and_not_followed() -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    assert represent(circle) == f"[1, <Recursion on list with id={id(circle)}>]"


def test_a_container_that_comes_twice_is_shown_twice() -> None:
    shared = [1]
    assert represent((shared, shared)) == "([1], [1])"


def test_a_failing_repr_does_not_fail_the_call() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    class BrokenNumber(int):
        def __str__(self) -> str:
            raise ZeroDivisionError

    assert "Unrepresentable" in represent([Broken()])
    assert "ZeroDivisionError" in represent([BrokenNumber()])


def test_half_a_surrogate_pair_is_written_out() -> None:
    assert represent(["\ud800"]) == "['\\ud800']"


def test_nesting_beyond_all_measure_is_left_out() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert represent(nested) == "[[[[...]]]]"
    assert represent(nested, max_levels=0, max_length=10**9) == "..."


def test_a_long_number_is_cut() -> None:
    assert represent([10**2000]).startswith("[1000")
    assert len(represent([10**2000])) < 1100
    assert "Unrepresentable" in represent([10**5000])


def test_a_large_container_is_not_walked_to_its_end() -> None:
    class Counting:
        shown = 0

        def __repr__(self) -> str:
            Counting.shown += 1
            return "value"

    represent([Counting() for _ in range(100_000)])
    assert 0 < Counting.shown < 1000


def memory_to_represent(value: Any) -> int:
    tracemalloc.start()
    try:
        represent(value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "value",
    [
        ("it's " * 200_000,),
        (b"byte " * 200_000,),
        [7] * 200_000,
        [[["word"] * 50] * 50] * 50,
        {number: {"name": "word"} for number in range(20_000)},
    ],
    ids=["text", "bytes", "numbers", "tree", "dictionary"],
)
def test_no_more_is_written_than_is_shown(value: Any) -> None:
    assert memory_to_represent(value) < 50_000
