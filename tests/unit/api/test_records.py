"""Records: what a task that ``keeps_record`` leaves of each of its attempts, whatever becomes of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from celeriac import Celeriac
from celeriac.exceptions import Ignore, Reject, WorkerLostError
from celeriac.execution import Execution
from celeriac.record import MOST_ERRORS, Record
from celeriac.request import Context
from tests.unit.api.bench import HOST, Bench


def published(app: Celeriac, name: str, *args: Any, task_id: str = "id", **options: Any) -> None:
    """Publish a call together with its record."""
    record = Record(task=name, args=list(args), enqueued_at=5.0, facts={"colour": "green"})
    stored = app.result_format.write(Context(id=task_id, task=name, call_record=record), "PENDING", None)
    message = app.publisher.message(name, args, {}, {"task_id": task_id, **options}, task=app.tasks[name])
    app.publisher.send([message], options={}, results={task_id: stored})


def kept(app: Celeriac, task_id: str = "id") -> tuple[str, Record]:
    """Return the state and the record of a call as they are stored."""
    stored = app.backend.fetch_one(task_id)
    assert stored is not None
    record = Record.from_plain(app.result_format.read(stored).record)
    assert record is not None
    return stored.state, record


def outcome(app: Celeriac) -> tuple[str, int, list[str]]:
    """Return the state, the number of attempts, and the names of the errors of a call published here."""
    state, record = kept(app)
    assert (record.enqueued_at, record.facts) == (5.0, {"colour": "green"})
    return state, len(record.attempts), [error.exception.rpartition(".")[2] for error in record.errors]


def test_a_record_is_there_with_the_message_and_grows_with_each_attempt(
    make_app: Callable[..., Celeriac], url: str
) -> None:
    app = make_app(broker=url, backend=url)
    seen = []

    @app.task(name="sow", keeps_record=True, autoretry_for=(OSError,), retry_kwargs={"countdown": 0})
    def sow(seed: str) -> str:
        seen.append(outcome(app))
        if len(seen) < 3:
            raise OSError(len(seen))
        return seed

    published(app, "sow", "poppy")
    assert outcome(app) == ("PENDING", 0, [])
    with Bench(app) as bench:
        bench.run_one()
        assert outcome(app) == ("RETRY", 1, ["OSError"])
        bench.run_one()
        bench.run_one()
    assert seen == [("STARTED", 1, []), ("STARTED", 2, ["OSError"]), ("STARTED", 3, ["OSError", "OSError"])]
    assert outcome(app) == ("SUCCESS", 3, ["OSError", "OSError"])
    _, record = kept(app)
    assert record.args == ["poppy"]
    assert record.attempts[0].worker.startswith(f"{HOST}/")
    assert record.attempts[0].began_at <= record.attempts[1].began_at
    assert "OSError: 2" in record.errors[1].traceback


def test_an_attempt_that_nobody_has_ended_is_told_by_the_next(app: Celeriac, bench: Bench) -> None:
    @app.task(name="sow", keeps_record=True)
    def sow() -> None:
        pass

    published(app, "sow")
    request = Context(id="id", task="sow", hostname=HOST, called_directly=False)
    lost = Execution(sow, request, ordinal=1)
    assert lost._keeper is not None
    lost._keeper.begin()
    bench.run_one()
    assert outcome(app) == ("SUCCESS", 2, ["WorkerLostError"])


def test_a_verdict_from_outside_is_added_to_the_record(app: Celeriac) -> None:
    @app.task(name="sow", keeps_record=True)
    def sow() -> None:
        pass

    published(app, "sow")
    request = Context(id="id", task="sow", hostname=HOST, called_directly=False)
    report = Execution(sow, request, ordinal=1).fail(WorkerLostError("lost"))
    assert report.result is not None
    app.backend.store([report.result])
    assert outcome(app) == ("FAILURE", 0, ["WorkerLostError"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Ignore(), ("IGNORED", 1, [])),
        (Reject("bad"), ("FAILURE", 1, ["Reject"])),
        (ValueError(), ("FAILURE", 1, ["ValueError"])),
    ],
)
def test_no_end_leaves_a_record_that_says_running(
    app: Celeriac, bench: Bench, error: Exception, expected: tuple[str, int, list[str]]
) -> None:
    @app.task(name="sow", keeps_record=True)
    def sow() -> None:
        raise error

    published(app, "sow")
    bench.run_one()
    assert outcome(app) == expected


def test_a_task_that_gives_its_message_back_waits_again(app: Celeriac, bench: Bench) -> None:
    @app.task(name="sow", keeps_record=True)
    def sow() -> None:
        if outcome(app)[1] == 1:
            raise Reject(requeue=True)

    published(app, "sow")
    bench.run_one()
    assert outcome(app) == ("REJECTED", 1, [])
    bench.run_one()
    assert outcome(app) == ("SUCCESS", 2, [])


def test_a_call_that_has_expired_keeps_its_record(app: Celeriac, bench: Bench) -> None:
    @app.task(name="sow", keeps_record=True)
    def sow() -> None:
        pass

    published(app, "sow", expires=datetime.now(UTC) - timedelta(seconds=1))
    bench.run_one()
    assert outcome(app) == ("REVOKED", 0, ["TaskRevokedError"])


def test_a_call_that_no_worker_knows_keeps_its_record(app: Celeriac, bench: Bench) -> None:
    @app.task(name="sow", keeps_record=True)
    def sow() -> None:
        pass

    published(app, "sow")
    app.tasks.unregister("sow")
    bench.run_one()
    assert outcome(app) == ("FAILURE", 0, ["NotRegistered"])


def test_a_state_of_the_tasks_own_keeps_the_record(app: Celeriac, bench: Bench) -> None:
    seen = []

    @app.task(bind=True, name="sow", keeps_record=True)
    def sow(self: Any) -> None:
        self.update_state(state="HALFWAY", meta={"done": 5})
        seen.append(outcome(app))

    published(app, "sow")
    bench.run_one()
    assert seen == [("HALFWAY", 1, [])]


def test_a_call_published_without_a_record_gets_one_when_it_runs(app: Celeriac, bench: Bench) -> None:
    @app.task(name="sow", keeps_record=True)
    def sow(seed: str) -> None:
        pass

    result = sow.delay("poppy")
    bench.run_one()
    state, record = kept(app, result.id)
    assert (state, record.task, record.args, record.enqueued_at) == ("SUCCESS", "sow", ["poppy"], None)
    assert len(record.attempts) == 1


def test_a_record_that_cannot_be_read_when_the_task_begins_is_read_when_it_ends(
    make_app: Callable[..., Celeriac], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "results").mkdir()
    app = make_app(backend=f"sqlite:///{tmp_path}/results/results.sqlite3")

    @app.task(name="sow", keeps_record=True)
    def sow() -> None:
        (tmp_path / "results").unlink()
        (tmp_path / "away").rename(tmp_path / "results")

    published(app, "sow")
    app.backend.close()
    (tmp_path / "results").rename(tmp_path / "away")
    (tmp_path / "results").touch()  # where the file's folder was
    with Bench(app) as bench:
        bench.run_one()
    assert outcome(app) == ("SUCCESS", 1, [])
    assert "The record of task sow[id] could not be read" in caplog.text


def test_other_tasks_keep_none(app: Celeriac, bench: Bench) -> None:
    @app.task
    def sow() -> None:
        pass

    result = sow.delay()
    bench.run_one()
    stored = app.backend.fetch_one(result.id)
    assert stored is not None
    assert b"celeriac-record" not in stored.document


def test_only_the_latest_errors_are_kept_and_every_attempt(app: Celeriac, bench: Bench) -> None:
    @app.task(name="sow", keeps_record=True, autoretry_for=(OSError,), retry_kwargs={"countdown": 0}, max_retries=None)
    def sow() -> None:
        raise OSError(len(kept(app)[1].attempts))

    published(app, "sow")
    for _ in range(MOST_ERRORS + 3):
        bench.run_one()
    _, record = kept(app)
    assert (len(record.attempts), len(record.errors)) == (MOST_ERRORS + 3, MOST_ERRORS)
    assert f"OSError: {MOST_ERRORS + 3}" in record.errors[-1].traceback


def test_the_last_error_tells_of_the_task_s_own_frames_like_those_before_it(app: Celeriac, bench: Bench) -> None:
    @app.task(name="sow", keeps_record=True, autoretry_for=(OSError,), retry_kwargs={"countdown": 0}, max_retries=1)
    def sow() -> None:
        raise OSError

    published(app, "sow")
    bench.run_one()
    bench.run_one()
    first, last = (error.traceback for error in kept(app)[1].errors)
    assert first == last
