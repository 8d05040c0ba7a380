"""Back-off and pauses between tries."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.exceptions import ImproperlyConfigured
from celeriac.retries import backoff_interval, get_exponential_backoff_interval, publish_intervals


def test_an_interval_doubles_up_to_its_maximum():
    assert [backoff_interval(n, factor=3, maximum=20) for n in range(5)] == [3, 6, 12, 20, 20]


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 1e6))
def test_an_interval_is_never_negative_nor_longer_than_its_maximum(retries, factor, maximum):
    assert 0 <= backoff_interval(retries, factor=factor, maximum=maximum) <= maximum


@given(st.integers(0, 40), st.integers(0, 100), st.integers(0, 600), st.randoms(use_true_random=False))
def test_jitter_chooses_whole_seconds_within_the_interval(retries, factor, maximum, chance):
    interval = backoff_interval(retries, factor=factor, maximum=maximum)
    chosen = backoff_interval(retries, factor=factor, maximum=maximum, choose_below=chance.randrange)
    assert 0 <= chosen <= interval
    assert chosen == int(chosen)


def test_jitter_reaches_both_ends():
    chance = random.Random(1)
    chosen = {backoff_interval(1, factor=1, maximum=9, choose_below=chance.randrange) for _ in range(100)}
    assert chosen == {0.0, 1.0, 2.0}


def test_celerys_name_and_arguments_give_the_same():
    assert get_exponential_backoff_interval(2, 3, 100) == 16
    assert get_exponential_backoff_interval(2, 3, 100, True, choose_below=lambda end: end - 1) == 16


def test_pauses_grow_step_by_step():
    assert list(publish_intervals()) == pytest.approx([0, 0.2, 0.4])
    assert list(publish_intervals({"max_retries": 4, "interval_start": 1, "interval_step": 2, "interval_max": 4})) == [
        1,
        3,
        4,
        4,
    ]


def test_without_a_limit_pauses_never_end():
    assert len(list(itertools.islice(publish_intervals({"max_retries": None}), 1000))) == 1000
    assert list(publish_intervals({"max_retries": 0})) == []


def test_a_policy_that_makes_no_sense_is_refused():
    with pytest.raises(ImproperlyConfigured, match=r"retry policy .* cannot be used"):
        publish_intervals({"interval_step": "fast"})
