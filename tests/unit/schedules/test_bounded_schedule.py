"""Schedules with a start, an end, or one run only."""

from datetime import UTC, datetime, timedelta

import pytest

from celeriac.schedules import crontab, schedule, schedule_from_dict
from celeriac.schedules.bounded_schedule import bounded
from celeriac.schedules.zones import TICK

NIGHTLY = crontab(0, 3)


def moment(day: int, hour: int = 3) -> datetime:
    return datetime(2026, 12, day, hour, tzinfo=UTC)


def test_there_is_no_tick_before_the_start_and_none_after_the_end_and_both_count():
    when = bounded(NIGHTLY, start=moment(2), end=moment(4))
    assert list(when.ticks(moment(1, 0), moment(31))) == [moment(2), moment(3), moment(4)]
    assert when.latest_at(moment(31)) == moment(4)
    assert when.latest_at(moment(2)) == moment(2)
    assert when.latest_at(moment(2) - TICK) is None


def test_one_bound_is_enough():
    assert bounded(NIGHTLY, start=moment(9)).next_after(moment(1)) == moment(9)
    assert bounded(NIGHTLY, end=moment(9)).next_after(moment(9)) is None
    assert bounded(NIGHTLY, end=moment(9)).latest_at(moment(1)) == moment(1)


def test_once_is_the_first_tick_from_the_start_on():
    when = bounded(NIGHTLY, start=moment(2, 12), once=True)
    assert list(when.ticks(moment(1), moment(31))) == [moment(3)]
    assert when.latest_at(moment(31)) == moment(3)
    assert when.latest_at(moment(3) - TICK) is None
    assert bounded(NIGHTLY, start=moment(2, 12), end=moment(2, 13), once=True).next_after(moment(1)) is None


def test_bounds_are_told():
    nightly = crontab(0, 3, tz="Europe/Berlin")
    start, end = moment(2), moment(4)
    assert bounded(nightly, start=start).describe() == (
        "every day at 03:00 Europe/Berlin, from 2026-12-02 04:00 Europe/Berlin on"
    )
    assert bounded(schedule(60), end=end).describe() == "every minute, until 2026-12-04 03:00 UTC"
    assert bounded(schedule(60), start=start, end=end).describe() == (
        "every minute, from 2026-12-02 03:00 UTC to 2026-12-04 03:00 UTC"
    )
    assert bounded(nightly, start=start, once=True).describe() == "once, on 2026-12-03 at 03:00 Europe/Berlin"


@pytest.mark.parametrize("more", [{}, {"end": moment(9)}, {"once": True}])
def test_its_plain_form_means_the_same(more):
    when = bounded(crontab(0, 3, tz="Europe/Berlin"), start=moment(2), **more)
    again = schedule_from_dict(when.to_dict())
    assert again == when
    assert again.next_after(moment(1)) == when.next_after(moment(1))


def test_bounds_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="choose a later end"):
        bounded(NIGHTLY, start=moment(2), end=moment(2) - timedelta(seconds=1))
    with pytest.raises(ValueError, match="needs a start"):
        bounded(NIGHTLY, once=True)
