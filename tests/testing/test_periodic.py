"""Periodic tasks under the testing tools: calls are as those of any task, and the timetable is the test's own."""

from pathlib import Path

import pytest

from celeriac import Celeriac
from celeriac.app.periodic import code_entries
from celeriac.beat.beat import Beat
from celeriac.beat.by_hand import run_by_hand
from celeriac.testing import record_tasks


def app_in(directory: Path) -> Celeriac:
    url = f"sqlite:///{directory}/queue.sqlite3"
    app = Celeriac("shop", broker=url, backend=url, set_as_current=False, beat_housekeeping=True)

    @app.task(name="tick", schedule={"schedule": 5.0, "overlap": "skip"})
    def tick() -> int:
        return 7

    return app


@pytest.mark.parametrize("eager", [True, False])
def test_a_call_of_a_periodic_task_is_one_of_any_task(tmp_path: Path, eager: bool):
    app = app_in(tmp_path)
    app.conf.task_always_eager = eager
    assert app.tasks["tick"].apply().get() == 7
    if eager:
        assert app.tasks["tick"].delay().get() == 7
    assert not list(tmp_path.iterdir())


def test_a_recorder_sees_what_a_timetable_publishes_and_no_file_is_made(tmp_path: Path):
    app = app_in(tmp_path)
    with record_tasks() as recorder:
        timetable = app.timetable()
        Beat(app, timetable, name="beat@here:1").sync(code_entries(app))
        assert run_by_hand(app, timetable, "tick")
        assert [call.task for call in recorder.published] == ["tick"]
        timetable.close()
    assert not list(tmp_path.iterdir())
