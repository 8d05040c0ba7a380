"""Housekeeping: one line adds the entries, and its task drops what is old and nothing else, in real stores."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from celeriac import Celeriac
from celeriac.app import housekeeping
from celeriac.app.housekeeping import Chore, purge_old_dead_letters
from celeriac.app.periodic import code_entries
from celeriac.backends.base import StoredResult
from celeriac.brokers.base import Outcome, Settlement
from celeriac.exceptions import ImproperlyConfigured
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import until
from tests.redis.key_space import own_keys
from tests.servers.vhost import virtual_host

DAY = 86400.0


def entries(said: object, **settings: object) -> dict[str, dict]:
    app = Celeriac("shop", broker="memory://", set_as_current=False, beat_housekeeping=said, **settings)
    return {entry.name: dict(entry.kwargs) for entry, _ in code_entries(app)}


@pytest.fixture(autouse=True)
def chores(monkeypatch: pytest.MonkeyPatch) -> dict[str, Chore]:
    """Those of no integration but this test's."""
    chores: dict[str, Chore] = {}
    monkeypatch.setattr(housekeeping, "CHORES", chores)
    return chores


def test_without_the_line_nothing_is_tidied_up():
    assert entries(False) == {}


def test_the_line_alone_drops_expired_results_and_dead_letters_of_a_month():
    assert entries(True) == entries({}) == {"celeriac.prune": {"results": True, "dead_letters": 30 * DAY}}


@pytest.mark.parametrize(
    ("said", "kwargs"),
    [
        ({"dead_letters": timedelta(days=90)}, {"results": True, "dead_letters": 90 * DAY}),
        ({"dead_letters": 3600}, {"results": True, "dead_letters": 3600.0}),
        ({"dead_letters": None}, {"results": True, "dead_letters": None}),
        ({"results": False}, {"results": False, "dead_letters": 30 * DAY}),
    ],
)
def test_a_dict_says_what_is_to_be_otherwise(said: dict, kwargs: dict):
    assert entries(said) == {"celeriac.prune": kwargs}


def test_where_nothing_is_wanted_there_is_no_entry():
    assert entries({"results": False, "dead_letters": False}) == {}


def test_an_entry_of_the_users_takes_the_place_of_one_of_its_name():
    own = {"celeriac.prune": {"task": "celeriac.prune", "schedule": 60.0, "kwargs": {"dead_letters": 5.0}}}
    assert entries(True, beat_schedule=own) == {"celeriac.prune": {"dead_letters": 5.0}}


def test_an_integration_adds_chores_that_can_be_switched_off(chores: dict[str, Chore]):
    chores["sessions"] = Chore("celery.backend_cleanup", minute=10, applies=lambda: True)
    chores["elsewhere"] = Chore("another.apps.task", minute=10, applies=lambda: True)
    chores["nothing"] = Chore("celery.accumulate", minute=10, applies=lambda: False)
    assert set(entries(True)) == {"celeriac.prune", "celery.backend_cleanup"}
    assert set(entries({"sessions": False})) == {"celeriac.prune"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"dead_leters": 5}, "beat_housekeeping says 'dead_leters'; did you mean 'dead_letters'?"),
        ({"dust": True}, "beat_housekeeping says 'dust'; there are results, dead_letters."),
        ({"results": 5}, "beat_housekeeping['results'] must be true or false, not 5."),
        ({"dead_letters": "90 days"}, "must be how long they are kept, as a timedelta or in seconds, or None"),
        ({"dead_letters": -1}, "must be how long they are kept"),
    ],
)
def test_what_it_cannot_mean_is_a_sentence(said: dict, sentence: str):
    with pytest.raises(ImproperlyConfigured) as caught:
        entries(said)
    assert sentence in str(caught.value)


@pytest.fixture(params=["memory", "sqlite", "redis", "rabbitmq"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Celeriac]:
    """An app on a real store."""

    def made(url: str, backend: str | None = None) -> Iterator[Celeriac]:
        app = Celeriac("shop", broker=url, backend=backend or url, set_as_current=False)
        app.finalize()
        yield app
        app.broker.purge_dead_letters()
        app.close()

    match request.param:
        case "redis":
            with own_keys() as url:
                yield from made(url)
        case "rabbitmq":
            with virtual_host(tmp_path) as url:
                yield from made(url, "rpc://")
        case "sqlite":
            yield from made(f"sqlite:///{tmp_path}/queue.sqlite3")
        case _:
            yield from made("memory://")


def bury(app: Celeriac, *task_ids: str) -> None:
    """Make dead letters of tasks."""
    broker = app.broker
    broker.declare(Queue("celery"))
    broker.publish([Message(id=each, queue="celery", headers={"task": "t", "id": each}, body=b"") for each in task_ids])
    consumer = broker.consumer([Queue("celery")], node="undertaker@here")
    before, count = len(broker.dead_letters(100)), 0
    while count < len(task_ids):
        deliveries = consumer.receive(len(task_ids), 10)
        consumer.settle([Settlement(delivery=each, outcome=Outcome.REJECT, reason="No.") for each in deliveries])
        count += len(deliveries)
    consumer.close()
    until(lambda: len(broker.dead_letters(100)) == before + count)


def dead(app: Celeriac) -> list[str]:
    return sorted(letter.id for letter in app.broker.dead_letters(100))


def test_old_dead_letters_are_dropped_and_young_ones_stay(app: Celeriac, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(housekeeping, "_PAGE", 2)
    bury(app, "a", "b", "again")
    moment = max(letter.died_at for letter in app.broker.dead_letters(100))
    until(lambda: time.time() > moment + 1)  # some stores note whole seconds
    bury(app, "young", "again")
    assert purge_old_dead_letters(app.broker, moment - 10) == 0
    assert purge_old_dead_letters(app.broker, moment + 0.5) == 2
    # Its task has died once more.
    assert dead(app) == ["again", "again", "young"]


def test_the_task_drops_what_it_is_told_to(app: Celeriac):
    bury(app, "a")
    prune = app.tasks["celeriac.prune"]
    assert prune()["dead_letters"] == 0
    assert prune(dead_letters=3600)["dead_letters"] == 0
    assert dead(app) == ["a"]
    until(lambda: prune(dead_letters=0.01)["dead_letters"] == 1)
    assert dead(app) == []


def test_the_task_drops_expired_results(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/queue.sqlite3"
    app = Celeriac("shop", broker=url, backend=url, set_as_current=False)
    expired = [StoredResult(task_id=each, state="SUCCESS", document=b"{}", lifetime=0.001) for each in "abc"]
    app.backend.store(expired)
    until(lambda: not app.backend.fetch(["a", "b", "c"]))
    assert app.tasks["celeriac.prune"](results=False)["results"] == 0
    assert app.tasks["celeriac.prune"]()["results"] == 3
    app.close()
