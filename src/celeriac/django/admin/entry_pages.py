"""Pages to look at: everything in the timetable, the runs of an entry, the result of a run."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from celeriac import states
from celeriac.beat.periodic_tasks import PeriodicTask
from celeriac.django.admin import cells
from celeriac.django.admin.looking import Look, opened, states_of_runs, tried
from celeriac.django.admin.moments import moment_of, seconds_text, time_tag
from celeriac.django.models import ScheduledTask
from celeriac.local import get_current_app
from celeriac.timetables.base import RunReason, RunRecord

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

__all__ = ["entries_page", "result_page", "runs_page"]

#: Entries on a page.
_PAGE = 100


class EntryRow(NamedTuple):
    """An entry in the table of all."""

    name: str
    task: SafeString
    sentence: str
    source: str
    next_run: SafeString
    last_run: SafeString
    is_paused: bool
    #: The key of its row in the database.
    row_id: int | None


class RunRow(NamedTuple):
    """A run in the table of an entry's runs."""

    id: str
    due: SafeString
    published: SafeString
    late: str
    reason: str
    state: SafeString


def entries_page(model_admin: "ModelAdmin", request: Any) -> TemplateResponse:
    """Show everything that is in the timetable, whoever has entered it."""
    _require_view(model_admin, request)
    number = request.GET.get("p", "")
    offset = max(0, int(number) - 1) * _PAGE if number.isdecimal() and len(number) < 10 else 0
    found, problem = tried(lambda: _some_entries(offset))
    entries, count = found or ([], 0)
    rows = dict(ScheduledTask.objects.filter(name__in=[task.name for task in entries]).values_list("name", "pk"))
    ids = [task.state.last_run_id for task in entries if task.state.last_run_id]
    known = (tried(lambda: states_of_runs(ids))[0]) or {}
    site = model_admin.admin_site.name
    shown = [
        EntryRow(
            name=task.name,
            task=cells.task_name(task.state.entry.task),
            sentence=task.describe(translation),
            source=task.state.entry.source,
            next_run=cells.next_run(task),
            last_run=cells.last_run(Look(task, known.get(task.state.last_run_id or "", "")), site),
            is_paused=task.is_paused,
            row_id=rows.get(task.name),
        )
        for task in entries
    ]
    page = offset // _PAGE + 1
    return _page(
        model_admin,
        request,
        "entries",
        title=_("Everything in the timetable"),
        entries=shown,
        problem=problem,
        count=count,
        previous=page - 1 if page > 1 else None,
        following=page + 1 if offset + len(entries) < count else None,
        next=request.get_full_path(),
    )


def runs_page(model_admin: "ModelAdmin", request: Any) -> TemplateResponse:
    """Show the last runs of an entry, and what became of them."""
    _require_view(model_admin, request)
    name = request.GET.get("name", "")
    records, problem = tried(lambda: _history(name))
    known, problem_of_states = tried(lambda: states_of_runs([record.id for record in records or ()]))
    row = ScheduledTask.objects.filter(name=name).first()
    return _page(
        model_admin,
        request,
        "runs",
        title=_("Runs of %s") % name,
        name=name,
        original=row,
        runs=[_run_row(record, (known or {}).get(record.id, "")) for record in records or ()],
        problem=problem or problem_of_states,
        next=request.get_full_path(),
    )


def result_page(model_admin: "ModelAdmin", request: Any, *, task_id: str) -> TemplateResponse:
    """Show the result of a task, as far as it is known."""
    _require_view(model_admin, request)
    facts, problem = tried(lambda: _facts(task_id))
    return _page(
        model_admin,
        request,
        "result",
        title=_("Result"),
        task_id=task_id,
        problem=problem,
        **(facts or {}),
    )


def _some_entries(offset: int) -> tuple[list[PeriodicTask], int]:
    with opened() as tasks:
        return tasks.some(_PAGE, offset=offset, order="name"), tasks.count()


def _history(name: str) -> list[RunRecord]:
    with opened() as tasks:
        return tasks.history(name)


def _run_row(record: RunRecord, state: str) -> RunRow:
    reasons = {
        RunReason.SCHEDULED: _("due"),
        RunReason.MISSED: _("missed, made up for"),
        RunReason.BY_HAND: _("by hand"),
    }
    published = record.published_at
    return RunRow(
        id=record.id,
        due=time_tag(moment_of(record.due)),
        published=SafeString("-") if published is None else time_tag(moment_of(published)),
        late=seconds_text(max(0.0, record.lateness)),
        reason=reasons[record.reason],
        state=cells.state_badge(state),
    )


def _facts(task_id: str) -> dict[str, Any]:
    result = get_current_app().AsyncResult(task_id)
    state = result.state
    has_failed = state in states.EXCEPTION_STATES
    value = result.result
    return {
        "state": cells.state_badge(state),
        "is_waited_for": state not in states.READY_STATES and state != states.IGNORED,
        "error": f"{type(value).__name__}: {value}" if has_failed and value is not None else "",
        "value": "" if has_failed or value is None else _text(value),
        "is_nothing": state == states.SUCCESS and value is None,
        "traceback": result.traceback or "",
        "done": None
        if result.date_done is None or not hasattr(result.date_done, "tzinfo")
        else time_tag(result.date_done),
        "task": result.name,
        "arguments": _call_text(result.args, result.kwargs),
        "worker": result.worker,
        "retries": result.retries,
        "queue": result.queue,
    }


def _text(value: Any) -> str:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def _call_text(args: Any, kwargs: Any) -> str:
    if args is None and kwargs is None:
        return ""
    return f"{_text(args or [])} {_text(kwargs or {})}"


def _require_view(model_admin: "ModelAdmin", request: Any) -> None:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied


def _page(model_admin: "ModelAdmin", request: Any, template: str, **more: Any) -> TemplateResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "may_change": model_admin.has_change_permission(request),
        **more,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, f"celeriac/admin/{template}.html", context)
