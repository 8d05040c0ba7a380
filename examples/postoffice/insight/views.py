"""The page that shows the code of a task and its messages."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from insight.models import PublishedMessage
from insight.source import TaskSource
from insight.task_report import TaskReport


@require_safe
@never_cache
def task(request: HttpRequest, task_id: str) -> HttpResponse:
    """What was run, and what was sent to have it run."""
    messages = PublishedMessage.objects.filter(task_id=task_id).exclude(body=b"")
    if not messages:
        raise Http404
    report = TaskReport.read(task_id)
    context = {
        "task_id": task_id,
        "task_name": messages[0].task_name,
        "report": report,
        "source": TaskSource.find(messages[0].task_name),
        "messages": messages,
        "is_busy": not report.is_ready,
    }
    return render(request, "insight/task.html", context)
