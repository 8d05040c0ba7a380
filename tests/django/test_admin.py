"""Periodic tasks in Django's admin: entered, checked, run, paused, and looked at."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client, modify_settings, override_settings
from django.utils import timezone

from celeriac import local, shared_task, signals
from celeriac.app.base import Celeriac
from celeriac.app.periodic import code_entries
from celeriac.beat.beat import Beat
from celeriac.publication import integration
from celeriac.stand_ins import look_for_stand_ins
from celeriac.timetables.base import FOREVER

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("admin_site")]

LIST = "/admin/celeriac/scheduledtask/"
APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
WRITTEN = {
    "name": "nightly",
    "enabled": "on",
    "kind": "crontab",
    "expression": "0 3 * * mon-fri",
    "time_zone": "Europe/Moscow",
    "task": "garden.water",
    "args": "[3]",
    "kwargs": "{}",
    "options": "{}",
    "missed": "once",
    "missed_bound": "100",
    "overlap": "allow",
}


@pytest.fixture
def admin_site(site: Celeriac) -> Iterator[None]:
    """The admin among the site's apps; afterwards celeriac's own connections to Django are as they were."""
    before = local._apps.make_default, dict(vars(integration))
    receivers = [(signal, signal.receivers) for signal in (signals.task_prerun, signals.task_postrun)]
    with (
        modify_settings(INSTALLED_APPS={"append": APPS}),
        override_settings(
            ROOT_URLCONF="tests.django.admin_urls",
            MIDDLEWARE=MIDDLEWARE,
            TEMPLATES=TEMPLATES,
            SESSION_ENGINE="django.contrib.sessions.backends.db",
            LANGUAGE_CODE="en",
        ),
    ):
        look_for_stand_ins(None)  # with its apps named once more, a site under test has its messages in memory
        call_command("migrate", verbosity=0)
        yield
        call_command("flush", interactive=False, verbosity=0)  # what is below forgets the tables of these apps
    local._apps.make_default = before[0]
    vars(integration).update(before[1])
    for signal, each in receivers:
        signal.receivers = each


@pytest.fixture
def tasks(site: Celeriac) -> None:
    @shared_task(name="garden.water")
    def water(litres, *, plant="roses"):
        """Water the plants.

        All of them.
        """


@pytest.fixture
def browser(tasks: None) -> Client:
    """A superuser's."""
    return client_of("root", is_staff=True, is_superuser=True)


def client_of(name: str, *permissions: str, **more: Any) -> Client:
    from django.contrib.auth.models import Permission, User

    user = User.objects.create(username=name, **more)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def row(**more: Any) -> Any:
    from celeriac.django.models import ScheduledTask

    entered = ScheduledTask(
        **{"name": "nightly", "task": "garden.water", "args": [3], "expression": "0 3 * * mon-fri"} | more
    )
    entered.save()
    return entered


def text_of(answer: Any) -> str:
    """Return what a person reads, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def check(client: Client, **more: str) -> dict[str, Any]:
    answer = client.post(f"{LIST}check/", WRITTEN | more)
    assert answer.status_code == 200
    return json.loads(answer.content)


def state(app: Celeriac, name: str = "nightly") -> Any:
    timetable = app.timetable()
    found = timetable.get(name)
    timetable.close()
    return found


def test_the_sentence_the_next_runs_and_the_tasks_signature_are_said_while_typing(browser: Client) -> None:
    said = check(browser)
    assert said["errors"] == {}
    assert "every weekday at 03:00 Europe/Moscow" in said["preview"]
    assert len(re.findall(r"<li><time[^>]*>(Mon|Tue|Wed|Thu|Fri) \d{4}-\d\d-\d\d 03:00</time>", said["preview"])) == 10
    assert said["task"] == {"signature": "water(litres, *, plant='roses')", "sentence": "Water the plants."}


def test_a_mistake_is_said_at_its_field_while_typing_and_nothing_is_saved(browser: Client, site: Celeriac) -> None:
    said = check(browser, expression="0 25 * * *", args="[]", kwargs="{")
    assert "There is no hour 25" in said["errors"]["expression"][0]
    assert "This is no JSON" in said["errors"]["kwargs"][0]
    assert "missing a required argument: 'litres'" in check(browser, args="[]")["errors"]["args"][0]
    assert "<li>" not in said["preview"]
    assert state(site) is None


def test_what_is_still_to_be_written_is_no_mistake_yet(browser: Client) -> None:
    said = check(browser, name="", expression="", task="")
    assert said["errors"] == {}
    assert said["task"] is None


def test_a_misspelt_task_gets_a_proposal(browser: Client) -> None:
    assert "did you mean garden.water?" in check(browser, task="garden.watre")["task"]["sentence"]


def test_runs_after_the_clocks_are_set_are_marked(browser: Client) -> None:
    said = check(browser, kind="every", expression="30 days", time_zone="Europe/Berlin")
    assert "the clocks have been set; they show UTC+02" in said["preview"]


def test_a_saved_form_is_an_entry_and_its_page_says_what_it_means(browser: Client, site: Celeriac) -> None:
    answer = browser.post(f"{LIST}add/", WRITTEN | {"_continue": "1"}, follow=True)
    assert "was added successfully" in text_of(answer)
    assert "every weekday at 03:00 Europe/Moscow The next runs" in text_of(answer)
    assert state(site).entry.args == (3,)


def test_saving_checks_as_typing_does(browser: Client, site: Celeriac) -> None:
    answer = text_of(browser.post(f"{LIST}add/", WRITTEN | {"expression": "0 25 * * *"}))
    assert "There is no hour 25" in answer
    answer = text_of(browser.post(f"{LIST}add/", WRITTEN | {"args": "[]"}))
    assert "missing a required argument: &#x27;litres&#x27;" in answer
    assert state(site) is None


def test_the_list_says_what_runs_when_and_what_became_of_it(browser: Client, site: Celeriac) -> None:
    row()
    row(name="broken", expression="99 * * * *")
    row(name="resting", enabled=False)
    browser.post(f"{LIST}run/", {"name": "nightly"})
    answer = text_of(browser.get(LIST))
    assert "every weekday at 03:00" in answer
    assert "There is no minute 99" in answer
    assert "disabled" in answer
    assert "3 periodic tasks" in answer


def test_a_page_of_the_list_reads_the_timetable_once(
    browser: Client, site: Celeriac, django_assert_num_queries
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for number in range(3):
        row(name=f"entry {number}")
    with CaptureQueriesContext(connection) as few:
        browser.get(LIST)
    for number in range(3, 40):
        row(name=f"entry {number}")
    with django_assert_num_queries(len(few)):
        browser.get(LIST)


def test_a_timetable_that_is_away_is_said_and_hinders_nobody(browser: Client, site: Celeriac, tmp_path) -> None:
    site.conf.broker_url = site.conf.result_backend = f"sqlite:///{tmp_path}/no/such/folder/queue.sqlite3"
    entered = row()
    answer = text_of(browser.get(LIST))
    assert "Next and last runs are not all known now." in answer
    assert "every weekday at 03:00" in answer
    assert "was changed successfully" in text_of(
        browser.post(f"{LIST}{entered.pk}/change/", WRITTEN | {"expression": "0 4 * * *"}, follow=True)
    )
    assert "Not done, and nothing was lost: nightly." in text_of(
        browser.post(f"{LIST}run/", {"name": "nightly"}, follow=True)
    )
    for page in ("timetable/", "runs/?name=nightly", "result/some-id/", "?paused=yes"):
        assert browser.get(LIST + page).status_code == 200


def test_a_run_by_hand_is_in_the_runs_with_its_result_and_in_the_history(browser: Client, site: Celeriac) -> None:
    from django.contrib.admin.models import LogEntry

    entered = row()
    answer = browser.post(LIST, {"action": "run_now", "_selected_action": [entered.pk]}, follow=True)
    assert "A run of nightly is published" in text_of(answer)
    [run] = site.timetable().history("nightly")
    assert f"{LIST}result/{run.id}/" in answer.content.decode()
    runs = browser.get(f"{LIST}runs/?name=nightly")
    assert "by hand" in text_of(runs)
    assert f"{LIST}result/{run.id}/" in runs.content.decode()
    assert "PENDING" in text_of(browser.get(f"{LIST}result/{run.id}/"))
    assert LogEntry.objects.get(object_id=entered.pk).change_message == f"Run by hand as {run.id}."


def test_what_was_saved_while_the_timetable_was_away_can_be_run(browser: Client, site: Celeriac) -> None:
    row()
    timetable = site.timetable()
    timetable.remove("nightly")
    assert "A run of nightly is published" in text_of(browser.post(f"{LIST}run/", {"name": "nightly"}, follow=True))
    assert len(timetable.history("nightly")) == 1
    timetable.close()


def test_a_result_is_shown_as_it_was_returned_or_raised(browser: Client, site: Celeriac) -> None:
    from celeriac.request import Context

    for task_id, name, value in (("good", "SUCCESS", {"litres": 3}), ("bad", "FAILURE", ValueError("no <water>"))):
        stored = site.result_format.write(Context(id=task_id), name, value, traceback="" if name == "SUCCESS" else "At")
        site.backend.store([stored])
    assert '"litres": 3' in browser.get(f"{LIST}result/good/").content.decode().replace("&quot;", '"')
    assert "ValueError: no &lt;water&gt;" in browser.get(f"{LIST}result/bad/").content.decode()


def test_entries_are_enabled_and_disabled_and_it_is_in_the_history(browser: Client) -> None:
    from django.contrib.admin.models import LogEntry

    entered = row()
    for action, enabled in (("disable", False), ("enable", True)):
        browser.post(LIST, {"action": action, "_selected_action": [entered.pk]})
        entered.refresh_from_db()
        assert entered.enabled is enabled
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == ["Disabled.", "Enabled."]


def test_an_entry_is_paused_until_a_moment_or_until_it_is_resumed(browser: Client, site: Celeriac) -> None:
    entered = row()
    asked = text_of(browser.post(LIST, {"action": "pause", "_selected_action": [entered.pk]}))
    assert "Empty: until somebody resumes it." in asked
    tomorrow = timezone.localtime() + timedelta(days=1)
    browser.post(f"{LIST}pause/", {"name": "nightly", "until": f"{tomorrow:%Y-%m-%dT%H:%M}"})
    assert state(site).paused_until == tomorrow.replace(second=0, microsecond=0).timestamp()
    assert "paused until" in text_of(browser.get(LIST))
    browser.post(f"{LIST}pause/", {"name": "nightly", "until": ""})
    assert state(site).paused_until == FOREVER
    assert "1 periodic task" in text_of(browser.get(f"{LIST}?paused=yes"))
    assert "0 periodic tasks" in text_of(browser.get(f"{LIST}?paused=no"))
    browser.post(f"{LIST}resume/", {"name": "nightly"})
    assert state(site).paused_until is None


def test_a_pause_that_is_over_already_is_refused(browser: Client, site: Celeriac) -> None:
    row()
    answer = browser.post(f"{LIST}pause/", {"name": "nightly", "until": "2001-01-01T00:00"})
    assert "This moment is over already" in text_of(answer)
    assert state(site).paused_until is None


def test_entries_of_the_code_are_listed_run_paused_and_resumed(browser: Client, site: Celeriac) -> None:
    row()
    site.conf.beat_schedule = {"hourly": {"task": "garden.water", "args": (1,), "schedule": 3600.0}}
    timetable = site.timetable()
    Beat(site, timetable, name="beat").sync(code_entries(site))
    answer = text_of(browser.get(f"{LIST}timetable/"))
    assert "hourly every hour" in answer
    assert "database of postoffice" in answer
    following = {"name": "hourly", "next": f"{LIST}timetable/"}
    assert "A run of hourly is published" in text_of(browser.post(f"{LIST}run/", following, follow=True))
    browser.post(f"{LIST}pause/", following)
    assert timetable.get("hourly").paused_until == FOREVER
    browser.post(f"{LIST}resume/", following)
    assert timetable.get("hourly").paused_until is None
    timetable.close()


def test_nobody_does_what_he_may_not(tasks: None, site: Celeriac) -> None:
    entered = row()
    viewer = client_of("viewer", "view_scheduledtask", is_staff=True)
    for page in ("", "timetable/", "runs/?name=nightly", "result/some-id/", f"{entered.pk}/change/"):
        answer = viewer.get(LIST + page)
        assert answer.status_code == 200
        assert "Run now" not in text_of(answer)
    for page in ("run/", "pause/", "resume/", "check/"):
        assert viewer.post(LIST + page, WRITTEN).status_code == 403
    viewer.post(LIST, {"action": "run_now", "_selected_action": [entered.pk]})
    stranger = client_of("stranger", is_staff=True)
    for page in ("", "timetable/", "runs/?name=nightly", "result/some-id/"):
        assert stranger.get(LIST + page).status_code == 403
    assert Client().get(f"{LIST}timetable/").status_code == 302
    assert site.timetable().history("nightly") == []


def test_what_is_done_needs_a_form_of_the_sites_own(browser: Client) -> None:
    row()
    guarded = Client(enforce_csrf_checks=True)
    guarded.cookies = browser.cookies
    with override_settings(MIDDLEWARE=[*MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]):
        assert guarded.post(f"{LIST}run/", {"name": "nightly"}).status_code == 403
    assert browser.get(f"{LIST}run/", {"name": "nightly"}).status_code == 405
    answer = browser.post(f"{LIST}run/", {"name": "nightly", "next": "https://elsewhere.example/"})
    assert answer["Location"] == LIST


def test_it_speaks_russian(browser: Client) -> None:
    row(time_zone="Europe/Moscow")
    answer = browser.get(LIST, headers={"accept-language": "ru"})
    assert "каждый будний день в 03:00 Europe/Moscow" in text_of(answer)
    assert "Последний запуск" in text_of(answer)
