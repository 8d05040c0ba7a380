"""Lengths of time, numbers, and tracebacks, as people read them."""

from pathlib import Path

import pytest

from celeriac.cli.output import ago, count_of, duration, shown_value
from celeriac.user_traceback import named_error, user_part


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (7200, "2 h"),
        (7260, "2 h 1 min"),
        (180000, "2 d 2 h"),
    ],
)
def test_a_length_of_time_has_two_units(seconds, text):
    assert duration(seconds) == text


def test_how_long_ago_needs_one():
    assert [ago(1000 - seconds, 1000) for seconds in (0, 5, 61, 3700)] == [
        "just now",
        "5 s ago",
        "1 min ago",
        "1 h ago",
    ]


def test_numbers_have_their_nouns():
    assert count_of(1, "thing is", "things are") == "1 thing is"
    assert count_of(12345, "message") == "12,345 messages"


def test_a_value_is_json_where_it_can_be():
    assert shown_value({"a": [1, None, "ü"]}) == '{"a": [1, null, "ü"]}'
    assert shown_value({1, 2}) == "{1, 2}"


TRACEBACK = """\
Traceback (most recent call last):
  File "/app/inner.py", line 9, in first
    first_cause()
ValueError: an earlier one

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "<frozen importlib._bootstrap>", line 1204, in _gcd_import
  File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module
    return _bootstrap._gcd_import(name)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/tasks.py", line 3, in <module>
    import helper
  File "/app/.venv/lib/python3.11/site-packages/library/__init__.py", line 7, in <module>
    import more
  File "/lib/helper.py", line 1, in <module>
    x = 1 / 0
        ~~^~~
ZeroDivisionError: division by zero
in two lines
"""


def test_of_a_traceback_the_users_lines_remain():
    assert user_part(TRACEBACK, directory=Path("/app")) == (
        "  tasks.py, line 3\n    import helper\n  /lib/helper.py, line 1\n    x = 1 / 0\n        ~~^~~"
    )
    assert named_error(TRACEBACK) == "ZeroDivisionError: division by zero"


def test_a_traceback_of_nobodys_has_no_users_part():
    assert user_part("", directory=Path("/")) == ""
    assert named_error("") == ""
