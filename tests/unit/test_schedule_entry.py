"""Schedule entries: what they refuse, how they are kept, and what makes two of them the same."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from celeriac.exceptions import EncodeError, ImproperlyConfigured
from celeriac.protocol import tagged_json
from celeriac.schedule_entry import ScheduleEntry


def entry(**changes: Any) -> ScheduleEntry:
    fields: dict[str, Any] = {"name": "nightly", "task": "shop.clean", "schedule": {"crontab": "0 3 * * *"}}
    return ScheduleEntry(**(fields | changes))


@pytest.mark.parametrize(
    ("field", "value", "cure"),
    [
        ("task", "", "name a task"),
        ("schedule", {}, "give it a schedule"),
        ("schedule", "0 3 * * *", "give it a schedule"),
        ("args", 1, "write a list"),
        ("args", "text", "write a list"),
        ("kwargs", {1: 2}, "write a dict with texts as keys"),
        ("options", ["queue"], "write a dict with texts as keys"),
        ("missed", "twice", "choose one of once, skip, all"),
        ("missed_bound", 0, "write a whole number of at least 1"),
        ("missed_bound", True, "write a whole number of at least 1"),
        ("overlap", None, "choose one of allow, skip, queue, replace"),
        ("enabled", 1, "write True or False"),
        ("source", "", "write a text"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_the_cure(field: str, value: Any, cure: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        entry(**{field: value})
    assert str(caught.value).startswith(f"The schedule entry 'nightly' is not valid: {field} is {value!r}; {cure}")


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0b", 7])
def test_a_name_is_a_text_that_people_can_read(name: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="give it a text of 1 to 200 characters"):
        entry(name=name)


def test_an_entry_is_kept_and_read_again() -> None:
    kept = entry(args=[1, datetime(2026, 11, 26, tzinfo=UTC), Decimal("1.10")], kwargs={"a": [None]}, missed="all")
    assert ScheduleEntry.decode(kept.encode()) == kept
    assert kept.args == (1, datetime(2026, 11, 26, tzinfo=UTC), Decimal("1.10"))


def test_what_another_version_has_kept_is_read() -> None:
    data = tagged_json.encode({"name": "a", "task": "t", "schedule": {"every": 1}, "colour": "of a later version"})
    assert ScheduleEntry.decode(data) == ScheduleEntry(name="a", task="t", schedule={"every": 1})


def test_arguments_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(EncodeError, match=r"The schedule entry 'nightly' cannot be kept\..*pass plain data"):
        entry(args=(object(),)).encode()


def test_a_digest_tells_what_an_entry_says_and_not_how_it_is_written() -> None:
    plain = entry(kwargs={"a": 1, "b": 2})
    assert plain.digest() == entry(kwargs={"b": 2, "a": 1}, source="user").digest()
    for other in (
        {"name": "daily"},
        {"task": "shop.other"},
        {"schedule": {"every": 1}},
        {"args": (1,)},
        {"options": {"queue": "x"}},
        {"missed": "skip"},
        {"missed_bound": 7},
        {"overlap": "skip"},
        {"enabled": False},
    ):
        assert entry(**{"kwargs": {"a": 1, "b": 2}, **other}).digest() != plain.digest()


def test_the_digest_of_the_timing_tells_when_an_entry_runs() -> None:
    assert entry().timing_digest() == entry(args=(1,), missed="skip").timing_digest()
    assert entry().timing_digest() != entry(schedule={"every": 1}).timing_digest()
    assert entry().timing_digest() != entry(enabled=False).timing_digest()
