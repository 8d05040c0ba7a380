"""The pages of the example, asked for through Django's test client."""

import re

import pytest
from django.core import mail
from django.test import Client

from celeriac.app.base import Celeriac
from letters.models import Letter, Mailing
from letters.post import TemporaryRefusalError

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]

JSON = {"accept": "application/json"}


def states() -> set[str]:
    return set(Letter.objects.values_list("state", flat=True))


def run_tasks(site: Celeriac) -> None:
    """Run the task of every letter here and now, as it would be by a worker; errors stay in the letters."""
    for letter in Letter.objects.exclude(task_id=""):
        site.tasks["letters.tasks.send_letter"].apply(args=(letter.pk,), task_id=letter.task_id)


def test_the_page_has_two_forms_that_work_without_script(client: Client) -> None:
    page = client.get("/").content.decode()
    assert re.findall(r'<form [^>]*method="post" action="(/send/[^"]+)"', page) == [
        "/send/request/",
        "/send/background/",
    ]
    assert "No letters yet" in page


def test_ten_letters_in_the_request_are_sent_before_it_answers(client: Client) -> None:
    response = client.post("/send/request/")
    assert response.status_code == 302
    assert response["Location"] == "/"
    assert len(mail.outbox) == 10
    assert states() == {"sent"}


def test_ten_letters_in_the_background_are_published_and_wait(client: Client, site: Celeriac) -> None:
    response = client.post("/send/background/", headers=JSON)
    assert response.status_code == 200
    assert response.json()["error"] is None
    assert response.json()["request_seconds"] > 0
    assert site.broker.size("celery").ready == 10
    assert mail.outbox == []
    assert states() == {"waiting"}
    assert "data-busy" in client.get("/").content.decode()


def test_the_tasks_send_the_letters(client: Client, site: Celeriac) -> None:
    client.post("/send/background/")
    run_tasks(site)
    assert states() == {"sent"}
    assert sorted(message.to[0] for message in mail.outbox) == sorted(
        Letter.objects.values_list("recipient", flat=True)
    )
    assert "data-busy" not in client.get("/").content.decode()


def test_a_task_that_is_run_again_does_not_send_a_letter_that_was_sent(client: Client, site: Celeriac) -> None:
    client.post("/send/background/")
    run_tasks(site)
    run_tasks(site)
    assert len(mail.outbox) == 10
    assert set(Letter.objects.values_list("attempts", flat=True)) == {1}


def test_a_letter_that_was_being_sent_when_its_worker_died_is_sent_again_and_says_so(
    client: Client, site: Celeriac
) -> None:
    client.post("/send/background/")
    letter = Letter.objects.all()[0]
    letter.begin()
    run_tasks(site)
    letter.refresh_from_db()
    assert (letter.state, letter.attempts) == ("sent", 2)
    assert "begun 2 times" in client.get(letter.get_absolute_url()).content.decode()


def test_a_letter_that_is_refused_for_now_waits_for_its_next_attempt(client: Client) -> None:
    letter = Mailing.compose(Mailing.Way.BACKGROUND).letters.all()[0]
    letter.begin()
    letter.mark_delayed(TemporaryRefusalError("452 full"))
    page = client.get(letter.get_absolute_url()).content.decode()
    assert "waiting for attempt 2" in page
    assert "452 full" in page
    assert "may have gone out twice" not in page
    assert "waiting for attempt 2" in client.get("/").content.decode()
    letter.begin()
    letter.mark_sent()
    page = client.get(letter.get_absolute_url()).content.decode()
    assert "The post did not take it at the first attempt. Then it did." in page
    assert "452 full" not in page
    assert "may have gone out twice" not in page


def test_every_attempt_carries_the_same_message_id(client: Client) -> None:
    client.post("/send/request/")
    letter = Letter.objects.all()[0]
    Letter.objects.filter(pk=letter.pk).update(state=Letter.State.SENDING)
    letter.send()
    identifiers = [message.message()["Message-ID"] for message in mail.outbox if message.to == [letter.recipient]]
    assert len(identifiers) == 2
    assert len(set(identifiers)) == 1
    assert len({message.message()["Message-ID"] for message in mail.outbox}) == 10


def test_a_broker_that_cannot_be_used_is_an_error_with_a_sentence_and_no_letter_waits_for_ever(
    client: Client, site: Celeriac
) -> None:
    site.conf.broker_url = "sqlite:////nowhere/at/all/queue.sqlite3"
    response = client.post("/send/background/", headers=JSON)
    assert response.status_code == 503
    assert "/nowhere/at/all" in response.json()["error"]
    assert states() == {"failed"}
    letter = client.get(Letter.objects.all()[0].get_absolute_url()).content.decode()
    assert "/nowhere/at/all" in letter


def test_a_letter_shows_its_text_and_its_waiting_task(client: Client) -> None:
    client.post("/send/background/")
    letter = Letter.objects.all()[0]
    page = client.get(letter.get_absolute_url()).content.decode()
    for text in (letter.subject, letter.recipient, letter.task_id, "PENDING", "Dear Ada,"):
        assert text in page


def test_a_letter_sent_in_the_request_has_no_task(client: Client) -> None:
    client.post("/send/request/")
    page = client.get(Letter.objects.all()[0].get_absolute_url()).content.decode()
    assert "none: it was sent in the request" in page


def test_a_letter_that_does_not_exist_is_not_found(client: Client) -> None:
    assert client.get("/letters/1/").status_code == 404


@pytest.mark.parametrize("way", ["request", "background"])
def test_the_buttons_take_no_get_and_no_foreign_form(way: str) -> None:
    assert Client().get(f"/send/{way}/").status_code == 405
    assert Client(enforce_csrf_checks=True).post(f"/send/{way}/").status_code == 403
    assert not Mailing.objects.exists()


def test_letters_of_a_request_that_was_cut_off_are_given_up_and_others_are_not(client: Client) -> None:
    cut_off = Mailing.compose(Mailing.Way.REQUEST)
    background = Mailing.compose(Mailing.Way.BACKGROUND)
    assert Letter.cut_off_all() == 10
    assert {letter.state for letter in cut_off.letters.all()} == {"cut-off"}
    assert {letter.state for letter in background.letters.all()} == {"waiting"}
    page = client.get(cut_off.letters.all()[0].get_absolute_url()).content.decode()
    assert "a task would have survived" in page
