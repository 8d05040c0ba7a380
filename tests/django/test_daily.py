"""What happens every day in the example: its clock, its page, and its tasks where no scheduler has to run."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from celeriac.app.base import Celeriac
from celeriac.app.periodic import code_entries
from celeriac.beat.beat import Beat
from celeriac.schedules import crontab
from daily.demo_time import DemoDays, DemoTime
from daily.models import Clock, ExpiredSessions, Report
from daily.tasks import write_report
from letters.models import Letter, Mailing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]

BEGAN = datetime(2026, 11, 27, 21, 13, 18, 740_021, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)
REPORT = "daily.tasks.write_report"
SESSIONS = "celeriac.django.tasks.clearsessions"


@pytest.fixture
def scheduled(site: Celeriac) -> Iterator[None]:
    """A scheduler has been there, and has gone."""
    site.import_task_modules()
    timetable = site.timetable()
    Beat(site, timetable, name="beat").sync(code_entries(site))
    yield
    timetable.close()


def set_clock(day_seconds: int) -> DemoTime:
    Clock.objects.create(pk=1, began=BEGAN, showed=MIDNIGHT, day_seconds=day_seconds)
    return Clock.read()


def page(client: Client, **headers: Any) -> str:
    return client.get("/daily/", headers=headers).content.decode()


# The clock and its schedules.


def test_seven_in_the_demo_is_once_a_minute() -> None:
    set_clock(60)
    at_seven = DemoDays(crontab(hour=7, minute=0))
    first = at_seven.next_after(BEGAN)
    assert first == BEGAN + timedelta(seconds=17.5)
    assert at_seven.next_after(first) == first + timedelta(minutes=1)
    assert at_seven.describe() == "every day at 07:00"


@pytest.mark.parametrize("day_seconds", [1, 7, 60, 86_400])
@pytest.mark.parametrize("calendar", [crontab(hour=7, minute=0), crontab(minute="*/7")])
def test_ticks_are_those_of_the_calendar_and_each_is_found_from_both_sides(day_seconds: int, calendar: crontab) -> None:
    time = set_clock(day_seconds)
    schedule = DemoDays(calendar)
    tick, demo_tick = BEGAN, MIDNIGHT
    for _ in range(300):
        before, tick = tick, schedule.next_after(tick)
        demo_tick = calendar.next_after(demo_tick)
        assert tick is not None
        assert tick > before
        assert tick == time.real(demo_tick)
        assert abs(time.demo(tick) - demo_tick) < timedelta(seconds=1)
        assert schedule.latest_at(tick) == tick
        assert schedule.latest_at(tick + timedelta(microseconds=1)) == tick
        if before != BEGAN:
            assert schedule.latest_at(tick - timedelta(microseconds=1)) == before


def test_the_clock_begins_at_midnight_and_runs_on_over_a_restart(settings: Any) -> None:
    first = Clock.read()
    assert (first.showed.hour, first.showed.minute) == (0, 0)
    assert first.day_seconds == settings.DAY_SECONDS == 60
    call_command("prepare")
    assert Clock.read() == first


def test_another_length_of_the_day_lets_the_clock_go_on_from_where_it_is(settings: Any) -> None:
    before = set_clock(60)
    settings.DAY_SECONDS = 10
    call_command("prepare")
    after = Clock.read()
    assert after.day_seconds == 10
    assert after.showed == before.demo(after.began)


# The page.


def test_each_entry_is_shown_with_its_schedule_its_next_run_and_no_last_one_yet(
    client: Client, scheduled: None
) -> None:
    shown = page(client)
    for slug in ("report", "sessions", "results", "attachments"):
        assert f'id="{slug}-run"' in shown
    assert "every day at 07:00</dd>" in shown
    assert "every day at 03:10</dd>" in shown
    assert "every day at 04:00 UTC</dd>" in shown
    assert re.search(r'id="report-next" data-live="whole"><strong class="countdown" data-due="\d{13}">in \d+ s<', shown)
    assert shown.count("It has not run yet.") == 4
    assert '<meta http-equiv="refresh" content="2;url=/daily/">' in shown
    assert "data-busy" not in shown


def test_the_page_is_russian_in_russian(client: Client, scheduled: None) -> None:
    shown = page(client, **{"accept-language": "ru"})
    assert "каждый день в 07:00" in shown
    assert re.search(r">через \d+ \w<", shown)
    assert re.search(r'style="left: [\d.]+%"', shown), "no comma in a number for the browser"


def test_before_any_scheduler_the_page_says_how_to_start_one(client: Client) -> None:
    assert "No scheduler has been here yet." in page(client)


def test_a_press_of_run_now_publishes_the_task_and_shows_it(client: Client, site: Celeriac, scheduled: None) -> None:
    response = client.post("/daily/report/run/")
    assert response["Location"] == "/daily/#report"
    (message,) = site.broker.peek("celery")
    assert message.headers["task"] == REPORT
    shown = page(client)
    assert f'href="/tasks/{message.id}/"' in shown
    assert "by hand" in shown
    assert "waiting for a worker" in shown
    assert "data-busy" in shown
    inside = client.get(f"/tasks/{message.id}/").content.decode()
    assert "write_report" in inside
    assert "celeriac-due" in inside


def test_a_paused_entry_says_so_until_it_is_resumed(client: Client, scheduled: None) -> None:
    client.post("/daily/sessions/pause/")
    assert page(client).count("paused</strong>") == 1
    client.post("/daily/sessions/resume/")
    assert "paused</strong>" not in page(client)


def test_a_broker_that_cannot_be_used_is_said_on_the_page(client: Client, site: Celeriac) -> None:
    site.conf.broker_url = "sqlite:////nowhere/at/all/queue.sqlite3"
    site.conf.result_backend = "sqlite:////nowhere/at/all/queue.sqlite3"
    assert "/nowhere/at/all" in page(client)
    assert client.post("/daily/report/run/").status_code == 302


def test_the_buttons_take_no_get_no_foreign_form_and_no_unknown_entry(client: Client) -> None:
    for path in ("report/run", "report/pause", "report/resume", "sessions/make"):
        assert client.get(f"/daily/{path}/").status_code == 405
        assert Client(enforce_csrf_checks=True).post(f"/daily/{path}/").status_code == 403
    assert client.post("/daily/tea/run/").status_code == 404
    assert ExpiredSessions.count() == 0


# The tasks.


def test_expired_sessions_are_made_and_cleared(client: Client, site: Celeriac, scheduled: None) -> None:
    response = client.post("/daily/sessions/make/")
    assert response["Location"] == "/daily/#sessions"
    assert ExpiredSessions.count() == 500
    assert '<span class="number" id="sessions-count">500</span>' in page(client)
    site.tasks[SESSIONS].apply().get()
    assert ExpiredSessions.count() == 0


def test_the_report_counts_what_has_happened_since_the_one_before_and_is_mailed(client: Client) -> None:
    Clock.read()
    mailing = Mailing.compose(Mailing.Way.BACKGROUND)
    for letter, state in zip(mailing.letters.all(), [*["sent"] * 7, "failed", "cut-off"], strict=False):
        Letter.objects.filter(pk=letter.pk).update(state=state, finished_at=timezone.now())
    client.post("/send/background/")
    first, second = write_report.apply(task_id="first"), write_report.apply(task_id="second")
    assert first.get() == "7 letters sent, 2 failed, 10 tasks published"
    assert second.get() == "0 letters sent, 0 failed, 0 tasks published"
    newest, oldest = Report.objects.all()
    assert newest.since == oldest.until
    assert [message.to for message in mail.outbox] == [["postmaster@example.com"]] * 2
    assert "letters sent      7" in mail.outbox[0].body
    assert mail.outbox[0].subject.startswith("Daily report of ")
    assert page(client).count('<span class="state sent">') == 2


def test_a_report_whose_task_is_run_again_is_neither_written_nor_mailed_twice() -> None:
    for _ in range(2):
        write_report.apply(task_id="the same").get()
    assert Report.objects.count() == 1
    assert len(mail.outbox) == 1
