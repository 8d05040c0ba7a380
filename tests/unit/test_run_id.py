"""Ids of runs: the same for one run whoever asks, and another one for every other."""

import uuid

from celeriac.run_id import run_id

DUE = 1764180000.25


def test_a_run_has_one_id_for_ever() -> None:
    # A scheduler of an older version may have published it already: this text never changes.
    assert run_id("space", "nightly", DUE) == "019ac152-7dfa-77aa-a4ea-7c3f281ca373"


def test_it_is_a_version_7_uuid_that_begins_with_the_due_moment() -> None:
    parsed = uuid.UUID(run_id("space", "nightly", DUE))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == 1764180000250


def test_every_other_run_has_another_id() -> None:
    ids = {
        run_id(space, name, due)
        for space in ("one", "two")
        for name in ("a", "b", "ä")
        for due in (DUE, DUE + 0.001, DUE + 60)
    }
    assert len(ids) == 18


def test_a_moment_has_the_precision_of_a_millisecond() -> None:
    assert run_id("space", "a", DUE) == run_id("space", "a", DUE + 1e-7)
