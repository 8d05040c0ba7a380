"""What is done with entries of the timetable: by name, for those of the code have no row."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from celeriac import clock
from celeriac.beat.periodic_tasks import PeriodicTasks
from celeriac.django.admin.cells import link_to_result
from celeriac.django.admin.looking import opened, tried
from celeriac.django.entry_pushes import push_row
from celeriac.django.models import ScheduledTask
from celeriac.local import get_current_app

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

__all__ = ["pause_page", "pause_view", "resume_entries", "resume_view", "run_entries", "run_view"]

#: Runs by hand in one go; more of them are no longer by hand.
_MOST_RUNS = 100
#: Links in one message.
_MOST_LINKS = 5


class PauseForm(forms.Form):
    """Until when."""

    until = forms.DateTimeField(
        required=False,
        label=gettext_lazy("Until"),
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"],
    )

    def clean_until(self) -> datetime | None:
        """Return the moment, which has to come."""
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and timezone.is_naive(until):  # with USE_TZ = False
            until = timezone.make_aware(until, timezone.get_default_timezone())
        if until is not None and until <= datetime.fromtimestamp(clock.now(), UTC):
            raise forms.ValidationError(_("This moment is over already: choose one in the future."))
        return until


def run_view(model_admin: "ModelAdmin", request: Any) -> HttpResponseRedirect:
    """Publish runs of the entries that the form names."""
    run_entries(model_admin, request, _permitted_names(model_admin, request, request.POST))
    return _back(model_admin, request)


def resume_view(model_admin: "ModelAdmin", request: Any) -> HttpResponseRedirect:
    """Let the entries go on that the form names."""
    resume_entries(request, _permitted_names(model_admin, request, request.POST))
    return _back(model_admin, request)


def pause_view(model_admin: "ModelAdmin", request: Any) -> Any:
    """Ask until when the named entries are to rest, and let them."""
    if request.method != "POST":
        return pause_page(model_admin, request, _permitted_names(model_admin, request, request.GET))
    names = _permitted_names(model_admin, request, request.POST)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return pause_page(model_admin, request, names, form)
    until = form.cleaned_data["until"]
    done = _for_each(request, names, lambda tasks, name: tasks.pause(name, until))
    if done:
        moment = "" if until is None else f"{timezone.localtime(until):%Y-%m-%d %H:%M}"
        noted = _("Paused until %s.") % moment if until else _("Paused.")
        _note(request, done, noted)
        count = len(done)
        sentence = ngettext("%d entry is paused", "%d entries are paused", count) % count
        end = _("until %s.") % moment if until else _("until somebody resumes it.")
        messages.success(request, f"{sentence} {end}")
    return _back(model_admin, request)


def pause_page(model_admin: "ModelAdmin", request: Any, names: Sequence[str], form: PauseForm | None = None) -> Any:
    """Return the page that asks until when."""
    if not names:
        return _back(model_admin, request)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Pause"),
        "opts": model_admin.opts,
        "names": names,
        "form": form or PauseForm(),
        "zone": timezone.get_current_timezone_name(),
        "next": request.POST.get("next") or request.GET.get("next") or "",
        "media": model_admin.media,
    }
    return TemplateResponse(request, "celeriac/admin/pause.html", context)


def run_entries(model_admin: "ModelAdmin", request: Any, names: Sequence[str]) -> None:
    """Publish a run of each now, and say under which id."""
    if len(names) > _MOST_RUNS:
        messages.error(request, _("Nothing was run: choose at most %d at a time.") % _MOST_RUNS)
        return
    ids = _for_each(request, names, lambda tasks, name: tasks.run_now(name))
    if not ids:
        return
    for name, task_id in ids.items():
        _note(request, [name], _("Run by hand as %s.") % task_id)
    for name, task_id in list(ids.items())[:_MOST_LINKS]:
        link = link_to_result(task_id, model_admin.admin_site.name)
        messages.success(request, format_html(_("A run of {} is published: {}."), name, link))
    if len(ids) > _MOST_LINKS:
        messages.success(request, _("And %d more.") % (len(ids) - _MOST_LINKS))


def resume_entries(request: Any, names: Sequence[str]) -> None:
    """Let entries go on that are paused; the others do anyway."""
    done = _for_each(request, names, lambda tasks, name: tasks.resume(name))
    if done:
        _note(request, done, _("Resumed."))
        count = len(done)
        messages.success(request, ngettext("%d entry goes on.", "%d entries go on.", count) % count)


def _for_each(request: Any, names: Sequence[str], do: Callable[[PeriodicTasks, str], Any]) -> dict[str, Any]:
    """Do something with each entry, and say what could not be done; return what was, by name."""
    done: dict[str, Any] = {}

    def do_all() -> None:
        with opened() as tasks:
            for name in names:
                answer = do(tasks, name) or (_enter(name) and do(tasks, name))
                if answer:
                    done[name] = answer
                else:
                    messages.error(request, _("The timetable has no entry %s; a scheduler enters it.") % name)

    problem = tried(do_all)[1]
    if problem:
        left = [name for name in names if name not in done]
        messages.error(
            request,
            _("Not done, and nothing was lost: %(names)s. %(problem)s")
            % {
                "names": ", ".join(left[:_MOST_LINKS]) + (" …" if len(left) > _MOST_LINKS else ""),
                "problem": problem,
            },
        )
    return done


def _enter(name: str) -> bool:
    """Put the row of this name into the timetable, which was away when it was saved; return False if there is none."""
    row = ScheduledTask.objects.filter(name=name).first()
    if row is None:
        return False
    timetable = get_current_app().timetable()
    try:
        push_row(timetable, name, row)
    finally:
        timetable.close()
    return True


def _permitted_names(model_admin: "ModelAdmin", request: Any, form: Any) -> list[str]:
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    return list(dict.fromkeys(form.getlist("name")))


def _note(request: Any, names: Any, sentence: str) -> None:
    """Put into the admin's history what was done, with the row where there is one."""
    rows = {row.name: row for row in ScheduledTask.objects.filter(name__in=list(names))}
    content_type = ContentType.objects.get_for_model(ScheduledTask)
    for name in names:
        row = rows.get(name)
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type_id=content_type.pk,
            object_id=None if row is None else row.pk,
            object_repr=name[:200],
            action_flag=CHANGE,
            change_message=sentence,
        )


def _back(model_admin: "ModelAdmin", request: Any) -> HttpResponseRedirect:
    following = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(following, {request.get_host()}, require_https=request.is_secure()):
        following = reverse("admin:celeriac_scheduledtask_changelist", current_app=model_admin.admin_site.name)
    return HttpResponseRedirect(following)
