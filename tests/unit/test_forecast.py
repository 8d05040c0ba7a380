"""What is to come: the next runs of entries, and how many fall into which minute."""

import itertools
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from celeriac.beat.forecast import coming_runs, merged_runs
from celeriac.beat.load import busiest, load_of
from celeriac.cli.plot import column_plot
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import BaseSchedule, TickSchedule, clocked, crontab, schedule
from celeriac.timetables.base import FOREVER, EntryState

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86400.0


def entry(name: str, when: BaseSchedule, *, next_at: float | None = NOON, paused_until=None, **said):
    plain = when.to_dict() if isinstance(when, TickSchedule) else {"type": "own", "class": "Mine"}
    definition = ScheduleEntry(name=name, task="tasks.report", schedule=plain, **said)
    return EntryState(entry=definition, generation=1, next_at=next_at, paused_until=paused_until), when


def first(count: int, *entries) -> list[tuple[str, float]]:
    runs = merged_runs(entries, NOON)
    return [(run.state.entry.name, run.due - NOON) for run in itertools.islice(runs, count)]


def test_runs_of_several_entries_come_in_their_order():
    assert first(4, entry("a", schedule(HOUR)), entry("b", schedule(1.5 * HOUR), next_at=NOON + 1.5 * HOUR)) == [
        ("a", 0),
        ("a", HOUR),
        ("b", 1.5 * HOUR),
        ("a", 2 * HOUR),
    ]


def test_an_overdue_run_comes_first_and_once():
    assert first(2, entry("a", schedule(HOUR), next_at=NOON - 5 * HOUR)) == [("a", -5 * HOUR), ("a", HOUR)]


def test_what_does_not_run_has_no_runs():
    for state, when in (
        entry("disabled", schedule(HOUR), enabled=False),
        entry("paused", schedule(HOUR), paused_until=FOREVER),
        entry("ended", schedule(HOUR), next_at=None),
    ):
        assert not list(coming_runs(state, when, NOON))


def test_after_a_pause_the_first_tick_runs_also_the_one_at_its_end():
    assert first(2, entry("a", schedule(HOUR), paused_until=NOON + 3 * HOUR)) == [("a", 3 * HOUR), ("a", 4 * HOUR)]


def test_a_pause_that_is_over_changes_nothing():
    assert first(1, entry("a", schedule(HOUR), paused_until=NOON - HOUR)) == [("a", 0)]


def test_a_schedule_that_comes_to_its_end_has_no_more_runs():
    once = clocked(datetime.fromtimestamp(NOON + HOUR, UTC))
    assert first(9, entry("a", once, next_at=NOON + HOUR)) == [("a", HOUR)]


def test_of_a_schedule_that_has_to_be_asked_the_next_moment_is_known():
    assert first(9, entry("a", BaseSchedule(), next_at=NOON + 7)) == [("a", 7)]


@pytest.mark.parametrize("seconds", [1, 7, 59.5, 60, 61, 90, 3600])
def test_the_load_of_an_interval_is_that_of_its_ticks(seconds: float):
    chance = random.Random(seconds)
    for _ in range(5):
        start = NOON + chance.uniform(0, DAY)
        when = schedule(seconds, anchor=datetime.fromtimestamp(NOON + chance.uniform(-DAY, DAY), UTC))
        paused = start + chance.choice([0, 100, 4000])
        load = load_of([entry("a", when, paused_until=paused)], start, 180)
        expected: Counter[int] = Counter()
        moment = datetime.fromtimestamp(max(start, paused), UTC) - timedelta(microseconds=1)
        end = datetime.fromtimestamp(load.start + 180 * 60, UTC)
        while (moment := when.next_after(moment)) < end:
            expected[int((moment.timestamp() - load.start) // 60)] += 1
        assert load.by_minute() == [expected[minute] for minute in range(180)]


def test_entries_with_one_schedule_are_counted_each():
    entries = [entry(f"e{number}", crontab(minute=30, hour=12)) for number in range(50)]
    load = load_of([*entries, entry("other", schedule(20))], NOON, 60)
    counts = load.by_minute()
    assert (counts[30], counts[31], load.entries) == (53, 3, 51)
    names = load.names_in(30)
    assert len(names) == 51
    assert names[-1] == ("other", 3)
    assert [name for name, _ in load.names_in(31)] == ["other"]


def test_what_does_not_run_is_no_load_and_what_nobody_can_foresee_is_named():
    load = load_of(
        [
            entry("disabled", schedule(1), enabled=False),
            entry("paused", schedule(1), paused_until=FOREVER),
            entry("mine", BaseSchedule()),
        ],
        NOON,
        10,
    )
    assert (sum(load.by_minute()), load.entries, load.unforeseen) == (0, 0, ["mine"])


def test_the_busiest_of_several_minutes():
    assert busiest([1, 5, 2, 0, 0, 7, 3], 3) == [5, 7, 3]


def test_a_plot_has_a_column_for_each_value_and_shows_the_least_one():
    assert column_plot([0, 1, 100, 50], {0: "Mon", 2: "Tu"}, height=4) == [
        "100 |  #",
        "    |  #",
        "    |  ##",
        "    | ###",
        "  0 ++-+-",
        "     Mon",
    ]


def test_a_plot_of_nothing_is_empty():
    assert column_plot([0, 0], {}, height=2) == ["0 |", "  |", "0 +--", ""]
