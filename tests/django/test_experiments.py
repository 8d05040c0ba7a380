"""The experiments of the example: their page, and what becomes of their tasks where no process has to die."""

import re

import pytest
from django.test import Client

from celeriac.app.base import Celeriac
from celeriac.result import AsyncResult
from experiments import addresses, tasks
from experiments.card import Card
from experiments.catalogue import EXPERIMENTS
from experiments.models import Event, ImportedAddress, Run
from insight.models import PublishedMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, site: Celeriac) -> None:
    """Nobody watches here; and results of tasks that are run in this process are to be read as a worker's are."""
    monkeypatch.setattr(tasks, "PAUSE", 0)
    site.conf.task_store_eager_result = True


def start(client: Client, slug: str) -> Run:
    response = client.post(f"/experiments/{slug}/start/")
    assert response["Location"] == f"/experiments/#{slug}"
    run = Run.newest(slug)
    assert run is not None
    return run


def run_task(run: Run) -> None:
    EXPERIMENTS[run.experiment].task.apply(args=(run.pk,), task_id=run.task_id)


def card(run: Run) -> Card:
    return Card.of(EXPERIMENTS[run.experiment])


def test_a_press_of_each_button_publishes_a_task_and_leads_back_to_its_card(client: Client, site: Celeriac) -> None:
    for slug in EXPERIMENTS:
        start(client, slug)
    assert site.broker.size("celery").ready == len(EXPERIMENTS) == 5
    page = client.get("/experiments/").content.decode()
    assert page.count("waiting for a worker</span>") == 5
    assert "data-busy" in page


def test_a_failed_task_shows_its_error_and_its_traceback(client: Client) -> None:
    run = start(client, "failing")
    run_task(run)
    page = client.get("/experiments/").content.decode()
    assert "KeyError: &#x27;postcard&#x27;" in page
    assert "Traceback (most recent call last)" in page
    assert "data-busy" not in page


def test_an_import_writes_every_sound_row_once_however_often_it_is_run(client: Client) -> None:
    run = start(client, "import")
    for _ in range(2):
        run_task(run)
        assert AsyncResult(run.task_id).result == {"total": 2000, "done": 2000, "faulty": 16, "cancelled": False}
        assert run.addresses.count() == 2000 - 16
    page = client.get("/experiments/").content.decode()
    assert "2,000 of 2,000 rows; 16 rows are no addresses." in page
    assert '<progress max="100" value="100"' in page


def test_an_import_that_is_cancelled_stops_before_its_next_batch_and_says_so(client: Client) -> None:
    run = start(client, "import")
    client.post("/experiments/import/cancel/")
    run_task(run)
    assert AsyncResult(run.task_id).result == {"total": 2000, "done": 0, "faulty": 0, "cancelled": True}
    assert not ImportedAddress.objects.exists()
    assert [event.kind for event in run.events.all()] == [Event.Kind.BEGUN, Event.Kind.CANCELLED]
    assert card(run).state == "stopped"
    assert "What had been imported stays." in client.get("/experiments/").content.decode()


def test_cancelling_does_not_reach_an_import_that_is_started_later(client: Client) -> None:
    client.post("/experiments/import/cancel/")
    first = start(client, "import")
    client.post("/experiments/import/cancel/")
    second = start(client, "import")
    assert first.is_cancel_requested()
    assert not second.is_cancel_requested()


def test_the_file_can_be_looked_at(client: Client) -> None:
    lines = client.get("/experiments/addresses.csv").content.decode().splitlines()
    assert lines[:2] == ["name,email", "Ada Adler,ada.adler@example.org"]
    assert len(lines) == 2001
    assert "\n".join(lines) + "\n" == addresses.sample()


def test_bars_of_answers_end_and_the_others_grow(client: Client) -> None:
    run = start(client, "ten-at-once")
    assert card(run).bars == []
    run.note(Event.Kind.BEGUN)
    tasks.verify_ten.update_state(
        run.task_id,
        state="PROGRESS",
        meta={"verdicts": [{"address": "ada@example.org", "exists": True, "seconds": 1.5}]},
    )
    first, second = card(run).bars[:2]
    assert first == ("ada@example.org", 1.5, 50)
    assert second[:2] == ("boris@example.org", None)
    assert len(card(run).bars) == 10


def test_a_broker_that_cannot_be_used_is_said_on_the_card(client: Client, site: Celeriac) -> None:
    site.conf.broker_url = "sqlite:////nowhere/at/all/queue.sqlite3"
    start(client, "failing")
    page = client.get("/experiments/").content.decode()
    assert "/nowhere/at/all" in page
    assert "data-busy" not in page


def test_the_buttons_take_no_get_no_foreign_form_and_no_unknown_experiment(client: Client) -> None:
    for verb in ("start", "cancel"):
        assert client.get(f"/experiments/import/{verb}/").status_code == 405
        assert Client(enforce_csrf_checks=True).post(f"/experiments/import/{verb}/").status_code == 403
        assert client.post(f"/experiments/tea/{verb}/").status_code == 404
    assert not Run.objects.exists()


def test_the_page_of_a_task_shows_its_code_and_the_message_that_the_broker_has(client: Client, site: Celeriac) -> None:
    run = start(client, "too-slow")
    page = client.get(f"/tasks/{run.task_id}/").content.decode()
    code = re.sub(r"<[^>]+>", "", page)
    assert "@shared_task(soft_time_limit=2, time_limit=4)" in code
    assert "except SoftTimeLimitExceeded:" in code
    (kept,) = PublishedMessage.objects.all()
    (message,) = site.broker.peek("celery")
    assert bytes(kept.body) == message.body
    assert kept.headers == message.headers
    assert kept.headers["timelimit"] == [4, 2]
    assert kept.properties["correlation_id"] == message.id


def test_a_task_that_nobody_has_published_is_not_found(client: Client) -> None:
    assert client.get("/tasks/none/").status_code == 404
