"""Time passes when the test says so."""

from datetime import UTC, datetime, timedelta

import pytest

from celeriac import Celeriac, clock
from celeriac.testing import TaskRecorder, VirtualClock, record_tasks
from celeriac.testing.virtual_clock import seconds_of


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("1d", 86400),
        ("2h30m", 9000),
        ("1w 1s", 604801),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        (90, 90),
        (timedelta(minutes=2), 120),
    ],
)
def test_durations_are_read(duration, seconds) -> None:
    assert seconds_of(duration) == seconds


@pytest.mark.parametrize("duration", ["", "tomorrow", "1", "1 day", "-1d", -5, timedelta(seconds=-1)])
def test_what_is_no_duration_is_refused(duration) -> None:
    with pytest.raises(ValueError, match=r"is no duration: write it as|Time cannot go back"):
        seconds_of(duration)


def test_a_delayed_task_runs_when_its_time_has_come(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def note(): ...

    note.apply_async(countdown=3600)
    note.apply_async(eta=datetime.now(UTC) + timedelta(hours=2))
    assert tasks.run() == []
    tasks.advance("1h")
    assert len(tasks.run()) == 1
    tasks.advance(timedelta(hours=1))
    assert len(tasks.run()) == 1


def test_who_publishes_goes_by_the_same_clock(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def note(): ...

    tasks.advance("1d")
    note.apply_async(countdown=60)
    tasks.assert_enqueued(note, countdown=60)
    assert tasks.run() == []
    assert app.now() - datetime.now(UTC) > timedelta(hours=23)
    tasks.advance(61)
    assert len(tasks.run()) == 1


def test_a_task_expires(app: Celeriac, tasks: TaskRecorder) -> None:
    @app.task
    def note(): ...

    result = note.apply_async(expires=60)
    kept = note.apply_async(expires=600)
    tasks.advance("2m")
    assert [run.state for run in tasks.run()] == ["REVOKED", "SUCCESS"]
    assert result.state == "REVOKED"
    assert kept.state == "SUCCESS"


def test_while_time_passes_each_task_runs_at_its_moment(app: Celeriac, tasks: TaskRecorder) -> None:
    moments = []

    @app.task(bind=True, max_retries=3)
    def fetch(self):
        moments.append(round(clock.now() - began))
        if self.request.retries < 3:
            raise self.retry(countdown=60 * 2**self.request.retries)

    began = clock.now()
    fetch.apply_async(countdown=100)
    tasks.run(during="3m")
    assert moments == [100, 160]
    tasks.run(during="1h")
    assert moments == [100, 160, 280, 520]
    assert clock.now() - began >= 3780


def test_the_clock_is_the_machines_again_after_the_test() -> None:
    with record_tasks() as tasks:
        tasks.advance("1d")
        assert clock.now() - datetime.now(UTC).timestamp() > 80_000
        with record_tasks() as inner:
            assert abs(inner.clock() - datetime.now(UTC).timestamp()) < 80_000
        assert clock.now() - datetime.now(UTC).timestamp() > 80_000
    assert clock.now() - datetime.now(UTC).timestamp() < 80_000


def test_a_clock_says_the_moment_with_its_zone() -> None:
    assert VirtualClock().now().tzinfo is UTC
