"""While a test records, no app reaches a real broker, and the real ones are back when it ends."""

import threading
from pathlib import Path

import pytest

from celeriac import Celeriac, local
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.engines import backend_from_url, broker_from_url
from celeriac.testing import RealEngineError, TaskRecorder, real_brokers, record_tasks


@pytest.fixture
def note(app: Celeriac):
    @app.task
    def note(): ...

    return note


def test_nothing_is_written_where_the_settings_say(app: Celeriac, note, tmp_path: Path) -> None:
    with record_tasks() as tasks:
        note.delay()
        tasks.run()
    assert list(tmp_path.iterdir()) == []


def test_an_app_that_has_a_broker_already_gets_another_and_then_the_first_again(app: Celeriac, note) -> None:
    note.delay()
    with record_tasks() as tasks:
        note.delay()
        assert len(tasks.published) == 1
        assert not isinstance(app.broker, SqliteBroker)
    assert isinstance(app.broker, SqliteBroker)
    assert app.broker.size("celery").ready == 1


def test_every_app_is_recorded_and_so_are_those_made_meanwhile(app: Celeriac, note, tmp_path: Path) -> None:
    with record_tasks() as tasks:
        other = Celeriac("other", broker=f"sqlite:///{tmp_path}/other.sqlite3", set_as_current=False)

        @other.task(shared=False, name="other.greet")
        def greet():
            return other.main

        note.delay()
        greet.delay()
        assert [(run.task, run.value) for run in tasks.run()] == [("letters.note", None), ("other.greet", "other")]


def test_an_app_that_only_sends_is_served_by_the_one_that_knows_the_task(app: Celeriac, note) -> None:
    with record_tasks() as tasks:
        web = Celeriac("web", broker=app.conf.broker_url, set_as_current=False)
        web.send_task("letters.note")
        assert [run.state for run in tasks.run()] == ["SUCCESS"]


def test_an_inner_block_records_and_the_outer_one_does_not(app: Celeriac, note) -> None:
    with record_tasks() as outer:
        note.delay()
        with record_tasks() as inner:
            note.delay()
        note.delay()
    assert (len(outer.published), len(inner.published)) == (2, 1)


def test_threads_publish_into_the_same_record(app: Celeriac, note, tasks: TaskRecorder) -> None:
    threads = [threading.Thread(target=lambda: [note.delay() for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tasks.published) == len(tasks.run()) == 200


def test_opening_a_real_engine_is_refused_with_the_cure(tasks: TaskRecorder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/secret.sqlite3"
    with pytest.raises(RealEngineError, match=r"real sqlite:// broker .* @pytest\.mark\.celeriac\(real_broker=True\)"):
        broker_from_url(url)
    with pytest.raises(RealEngineError) as caught:
        backend_from_url(url)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    broker_from_url("memory://")


def test_a_test_that_wants_the_real_thing_gets_it(app: Celeriac, note, tasks: TaskRecorder) -> None:
    with real_brokers():
        note.delay()
        assert app.broker.size("celery").ready == 1
        broker_from_url(app.broker_url)
    note.delay()
    assert len(tasks.published) == 1


def test_the_default_app_is_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = local._apps.current
    local.set_current_app(None)
    try:
        with record_tasks() as tasks:
            local.get_current_app().send_task("anything")
            assert tasks.assert_enqueued("anything")
    finally:
        local.set_current_app(before)
    assert list(tmp_path.iterdir()) == []
