"""The page of periodic tasks, and what its buttons do."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from celeriac import current_app
from celeriac.beat.periodic_tasks import PeriodicTasks
from celeriac.exceptions import OperationalError
from daily.cards import ENTRIES, Card, cards_of, milliseconds, part_of_day
from daily.demo_time import demo_time
from daily.models import ExpiredSessions, Report

#: How many sessions the button makes, and how many reports the page shows.
SESSIONS_MADE = 500
REPORTS_SHOWN = 5


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """All entries of the timetable. Also what the page asks again and again to stay up to date."""
    cards: list[Card] = []
    problem = ""
    try:
        with PeriodicTasks(current_app) as periodic:
            cards = cards_of(periodic)
    except OperationalError as error:
        problem = str(error)
    time, now = demo_time(), datetime.now(UTC)
    context = {
        "cards": cards,
        "problem": problem,
        "time": time,
        "demo_now": time.demo(now),
        "day_percent": part_of_day(time.demo(now)),
        # For the script, in milliseconds as it counts them.
        "now_ms": milliseconds(now),
        "began_ms": milliseconds(time.began),
        "showed_ms": milliseconds(time.showed),
        "expired_sessions": ExpiredSessions.count(),
        "sessions_made": SESSIONS_MADE,
        "reports": Report.objects.all()[:REPORTS_SHOWN],
        "admins": [admin if isinstance(admin, str) else admin[1] for admin in settings.ADMINS],
        "is_busy": any(card.is_busy for card in cards),
        "goes_on": True,
    }
    return render(request, "daily/index.html", context)


@require_POST
def run(_request: HttpRequest, slug: str) -> HttpResponse:
    """Publish a run beside the schedule."""
    return change(slug, PeriodicTasks.run_now)


@require_POST
def pause(_request: HttpRequest, slug: str) -> HttpResponse:
    """Let an entry rest until it is resumed."""
    return change(slug, PeriodicTasks.pause)


@require_POST
def resume(_request: HttpRequest, slug: str) -> HttpResponse:
    """Let it go on."""
    return change(slug, PeriodicTasks.resume)


@require_POST
def make_sessions(_request: HttpRequest) -> HttpResponse:
    """Make something to tidy up."""
    ExpiredSessions.make(SESSIONS_MADE)
    return back_to("sessions")


def change(slug: str, verb: Callable[[PeriodicTasks, str], Any]) -> HttpResponse:
    """Do something to an entry; what came of it, and what keeps it from coming, the page shows."""
    if slug not in ENTRIES:
        raise Http404
    with contextlib.suppress(OperationalError), PeriodicTasks(current_app) as periodic:
        verb(periodic, ENTRIES[slug].name)
    return back_to(slug)


def back_to(slug: str) -> HttpResponse:
    response: HttpResponse = redirect("daily:index")
    response["Location"] += f"#{slug}"
    return response
