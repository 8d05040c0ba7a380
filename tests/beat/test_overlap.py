"""What becomes of the run before, and of the next one, when something else happens at the same moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from celeriac import Celeriac
from celeriac.beat.beat import Beat
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules import schedule
from celeriac.testing.conformance.harness import until
from celeriac.timetables.base import Due, Timetable
from celeriac.timetables.memory import MemoryTimetable
from tests.redis.key_space import own_keys
from tests.timetables.scheduler import timetable_at


class PausedMeanwhile(MemoryTimetable):
    """Somebody pauses an entry after a scheduler has read it, if he wants to."""

    pauses = False

    def due(self, limit: int, *, now: float | None = None) -> Due:
        due = super().due(limit, now=now)
        if self.pauses:
            self.pause("report")
        return due


def enter(timetable: Timetable, overlap: str) -> None:
    plain = schedule(3600).to_dict()
    timetable.save(ScheduleEntry(name="report", task="work", schedule=plain, overlap=overlap), timetable.now() - 0.1)


def is_due_again(timetable: Timetable) -> None:
    timetable.resume("report", timetable.now() - 0.1)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celeriac]:
    url = f"memory://{tmp_path.name}"
    with Celeriac("overlap", broker=url, backend=url, set_as_current=False) as app:
        yield app


def test_an_entry_that_is_paused_while_its_next_run_is_planned_has_the_run_before_go_on(app):
    timetable = PausedMeanwhile(app.broker)
    beat = Beat(app, timetable, name="beat")
    enter(timetable, "replace")
    beat.turn()
    [first] = timetable.history("report")
    timetable.pauses = True
    is_due_again(timetable)
    beat.turn()
    assert len(timetable.history("report")) == 1
    assert app.AsyncResult(first.id).state == "PENDING"
    timetable.pauses = False
    is_due_again(timetable)
    beat.turn()
    assert len(timetable.history("report")) == 2
    assert app.AsyncResult(first.id).state == "REVOKED"


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_a_run_whose_message_was_refused_is_in_nobodys_way(overlap, tmp_path, caplog):
    with own_keys() as url, Celeriac("refused", broker=url, backend=url, set_as_current=False) as app:
        # Elsewhere, so a claim does not publish.
        timetable = timetable_at(f"sqlite:///{tmp_path}/timetable.sqlite3", app.broker)
        beat = Beat(app, timetable, name="beat")
        server, _, prefix = url.partition("?global_keyprefix=")
        with redis.Redis.from_url(server) as client:
            client.set(f"{prefix}celery", "no list")
            enter(timetable, overlap)
            until(lambda: beat.turn() and "is lost: the broker refuses its message" in caplog.text)
            client.delete(f"{prefix}celery")
        assert timetable.pending(0.0) == []
        is_due_again(timetable)
        beat.turn()
        [refused, published] = reversed(timetable.history("report"))
        assert (refused.published_at, published.published_at is None) == (None, False)
        timetable.close()
