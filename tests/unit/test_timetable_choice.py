"""Which timetable an app has."""

from pathlib import Path

import pytest

from celeriac.engines import backend_from_url, broker_from_url
from celeriac.timetables.choice import timetable_for


def test_it_is_where_the_messages_are_and_a_claim_publishes(tmp_path: Path) -> None:
    for url in ("memory://x", f"sqlite:///{tmp_path}/messages.sqlite3", "redis://nowhere:6379/1"):
        broker = broker_from_url(url)
        backend = backend_from_url(f"sqlite:///{tmp_path}/results.sqlite3")
        timetable = timetable_for(broker, backend, file=tmp_path / "celerybeat-schedule")
        assert timetable.url == broker.url
        assert timetable.publishes


def test_beside_rabbitmq_it_is_where_the_results_are(tmp_path: Path) -> None:
    broker = broker_from_url("amqp://nowhere")
    for url in (f"sqlite:///{tmp_path}/results.sqlite3", "redis://nowhere:6379/1"):
        backend = backend_from_url(url)
        timetable = timetable_for(broker, backend, file=tmp_path / "celerybeat-schedule")
        assert timetable.url == backend.url
        assert not timetable.publishes


def test_on_a_cluster_a_claim_does_not_publish(tmp_path: Path) -> None:
    broker = broker_from_url("redis+cluster://nowhere:7000")
    timetable = timetable_for(broker, backend_from_url(None), file=tmp_path / "celerybeat-schedule")
    assert timetable.url == broker.url
    assert not timetable.publishes


@pytest.mark.parametrize("results", ["rpc://", "disabled://", "memory://"])
def test_where_nobody_else_keeps_one_it_is_in_a_file_for_this_machine(
    tmp_path: Path, results: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = broker_from_url("amqp://nowhere")
    backend = backend_from_url(results, broker=broker)
    timetable = timetable_for(broker, backend, file=tmp_path / "celerybeat-schedule")
    assert timetable.url == f"sqlite:///{tmp_path}/celerybeat-schedule.sqlite3"
    assert not timetable.publishes
    [sentence] = caplog.messages
    assert "celerybeat-schedule.sqlite3, for schedulers on this machine only" in sentence
    assert "set result_backend for example to redis://" in sentence


def test_a_file_that_is_named_with_a_suffix_is_used_as_it_is(tmp_path: Path) -> None:
    broker = broker_from_url("amqp://nowhere")
    timetable = timetable_for(broker, backend_from_url(None), file=tmp_path / "beat.db")
    assert timetable.url == f"sqlite:///{tmp_path}/beat.db"
