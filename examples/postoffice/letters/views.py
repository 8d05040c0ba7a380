"""The page with the two buttons, what the buttons do, and a letter."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from celeriac.exceptions import OperationalError
from insight.task_report import TaskReport
from letters import delivery
from letters.models import Letter, Mailing

#: How many mailings the page shows, the newest first.
MAILINGS_SHOWN = 3


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """The two buttons and the newest mailings. Also what the page asks again and again to stay up to date."""
    mailings = list(Mailing.objects.prefetch_related("letters")[:MAILINGS_SHOWN])
    context = {"mailings": mailings, "is_busy": any(mailing.is_busy for mailing in mailings)}
    return render(request, "letters/index.html", context)


@require_safe
@never_cache
def letter(request: HttpRequest, letter_id: int) -> HttpResponse:
    """One letter and what is known of its task."""
    found = get_object_or_404(Letter.objects.select_related("mailing"), pk=letter_id)
    context = {
        "letter": found,
        "task": TaskReport.read(found.task_id) if found.task_id else None,
        "is_busy": found.is_busy,
    }
    return render(request, "letters/letter.html", context)


@require_POST
def send_in_request(request: HttpRequest) -> HttpResponse:
    """Ten letters, all of them sent before this answers."""
    return _send(request, Mailing.Way.REQUEST, delivery.send_in_request)


@require_POST
def send_in_background(request: HttpRequest) -> HttpResponse:
    """Ten letters handed over to a worker."""
    return _send(request, Mailing.Way.BACKGROUND, delivery.send_in_background)


def _send(request: HttpRequest, way: Mailing.Way, deliver: Callable[[Mailing], None]) -> HttpResponse:
    started = time.perf_counter()
    mailing = Mailing.compose(way, difficult="difficult" in request.POST)
    error = None
    try:
        deliver(mailing)
    except OperationalError as refusal:
        error = str(refusal)
    mailing.request_seconds = time.perf_counter() - started
    mailing.save(update_fields=["request_seconds"])
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        answer = {"mailing": mailing.pk, "request_seconds": mailing.request_seconds, "error": error}
        return JsonResponse(answer, status=503 if error else 200)
    return redirect("letters:index")
