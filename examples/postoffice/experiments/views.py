"""The page of the experiments, and what its buttons do."""

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from celeriac.exceptions import OperationalError
from experiments import addresses
from experiments.card import Card
from experiments.catalogue import EXPERIMENTS, Experiment
from experiments.models import Run


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """All cards. Also what the page asks again and again to stay up to date."""
    cards = [Card.of(experiment) for experiment in EXPERIMENTS.values()]
    context = {"cards": cards, "is_busy": any(card.is_busy for card in cards), "file_size": addresses.NUMBER}
    return render(request, "experiments/index.html", context)


@require_POST
def start(_request: HttpRequest, slug: str) -> HttpResponse:
    """Write down a run and publish its task.

    The row is there before its task is: a worker may begin at once. Within `transaction.atomic` the task would be
    published with the commit, so the order of the two would not matter.
    """
    experiment = find(slug)
    run = Run.objects.create(experiment=slug, task_id=str(uuid.uuid4()), document=experiment.document)
    try:
        experiment.task.apply_async(args=(run.pk,), task_id=run.task_id)
    except OperationalError as error:
        run.error = str(error)
        run.save(update_fields=["error"])
    return back_to(experiment)


@require_POST
def cancel(_request: HttpRequest, slug: str) -> HttpResponse:
    """Ask the newest run to stop."""
    experiment = find(slug)
    if run := Run.newest(slug):
        run.request_cancel()
    return back_to(experiment)


@require_safe
def file(_request: HttpRequest) -> HttpResponse:
    """The file that is imported."""
    return HttpResponse(addresses.sample(), content_type="text/plain; charset=utf-8")


def find(slug: str) -> Experiment:
    if slug not in EXPERIMENTS:
        raise Http404
    return EXPERIMENTS[slug]


def back_to(experiment: Experiment) -> HttpResponse:
    return redirect(f"{reverse('experiments:index')}#{experiment.slug}")
