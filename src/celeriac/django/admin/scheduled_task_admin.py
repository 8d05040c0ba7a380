"""The admin of periodic tasks."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from celeriac.django.admin import cells, entry_actions, entry_pages
from celeriac.django.admin.filters import PausedFilter, QueueFilter, TaskFilter
from celeriac.django.admin.looking import look_at_rows
from celeriac.django.admin.preview import preview_of, task_help
from celeriac.django.admin.scheduled_task_form import ScheduledTaskForm
from celeriac.django.models import ScheduledTask

__all__ = ["ScheduledTaskAdmin"]


class LookingChangeList(ChangeList):
    """A list that asks the timetable once for all of the page's rows."""

    def get_results(self, request: Any) -> None:
        super().get_results(request)
        problem = look_at_rows(self.result_list)
        if problem and request.method == "GET":
            messages.warning(request, _("Next and last runs are not all known now. %s") % problem)


class ScheduledTaskAdmin(admin.ModelAdmin):
    """Periodic tasks: entered, checked while they are written, run, paused, and what has become of them."""

    form = ScheduledTaskForm
    list_display = ("name", "schedule_text", "task_text", "enabled", "next_run", "last_run")
    list_display_links = ("name",)
    list_editable = ("enabled",)
    list_filter = ("enabled", PausedFilter, "kind", TaskFilter, QueueFilter)
    search_fields = ("name", "task", "description")
    search_help_text = gettext_lazy("Name, task or description")
    list_per_page = 50
    show_full_result_count = False
    actions = ("run_now", "enable", "disable", "pause", "resume")
    save_on_top = True
    readonly_fields = ("preview",)
    change_form_template = "celeriac/admin/change_form.html"
    change_list_template = "celeriac/admin/change_list.html"
    fieldsets = (
        (None, {"fields": ("name", "enabled", "description")}),
        (gettext_lazy("When"), {"fields": ("kind", "expression", "time_zone", "preview")}),
        (gettext_lazy("What"), {"fields": ("task", "args", "kwargs", "queue", "priority", "expires")}),
        (gettext_lazy("If it is late"), {"fields": ("missed", "missed_bound", "overlap")}),
        (
            gettext_lazy("Start, end and further options"),
            {"fields": ("starts_at", "ends_at", "one_off", "options"), "classes": ("collapse",)},
        ),
    )

    class Media:
        """Nothing is inline, for sites with a content security policy."""

        css = {"all": ("celeriac/admin.css",)}  # noqa: RUF012 - Django's form
        js = ("celeriac/admin.js",)

    # The list

    def get_changelist(self, request: Any, **options: Any) -> type[ChangeList]:
        return LookingChangeList

    def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
        title = capfirst(self.opts.verbose_name_plural)  # in languages that bend names, Django's sentences are wrong
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def changeform_view(
        self, request: Any, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        title = capfirst(self.opts.verbose_name) if object_id else _("New periodic task")
        return super().changeform_view(request, object_id, form_url, {"title": title, **(extra_context or {})})

    @admin.display(description=gettext_lazy("Runs"), ordering="expression")
    def schedule_text(self, row: ScheduledTask) -> SafeString:
        """The sentence that the schedule means."""
        return cells.schedule_of_row(row)

    @admin.display(description=gettext_lazy("Task"), ordering="task")
    def task_text(self, row: ScheduledTask) -> SafeString:
        """What runs."""
        return cells.task_name(row.task)

    @admin.display(description=gettext_lazy("Next run"))
    def next_run(self, row: ScheduledTask) -> SafeString:
        """When it runs next."""
        return cells.next_run_of_row(row, row.look)

    @admin.display(description=gettext_lazy("Last run"))
    def last_run(self, row: ScheduledTask) -> SafeString:
        """What became of it last."""
        return cells.last_run(row.look, self.admin_site.name)

    # The form

    @admin.display(description=gettext_lazy("Means"))
    def preview(self, row: ScheduledTask) -> SafeString:
        """What the schedule means, and its next runs; a script renews it while somebody types."""
        context = {
            "preview": preview_of(row),
            "check_url": reverse("admin:celeriac_scheduledtask_check", current_app=self.admin_site.name),
        }
        return SafeString(render_to_string("celeriac/admin/preview.html", context))

    def render_change_form(self, request: Any, context: Any, *arguments: Any, **options: Any) -> Any:
        row = context.get("original")
        if row is not None:
            problem = look_at_rows([row])
            if problem and request.method == "GET":
                messages.warning(request, _("Next and last runs are not all known now. %s") % problem)
            context["original_state"] = {
                "next_run": cells.next_run_of_row(row, row.look),
                "last_run": cells.last_run(row.look, self.admin_site.name),
            }
        return super().render_change_form(request, context, *arguments, **options)

    def check_view(self, request: Any) -> JsonResponse:
        """Answer what the form means as it is now; ``row`` names the row that is being changed. Changes nothing."""
        row = (
            self.get_object(request, request.POST.get("celeriac-row", "")) if request.POST.get("celeriac-row") else None
        )
        if not (self.has_change_permission(request, row) if row else self.has_add_permission(request)):
            raise PermissionDenied
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row)
        form.is_valid()
        wrong = {
            field: [str(sentence) for sentence in sentences]
            for field, sentences in form.errors.items()
            if field not in form.fields or form[field].value() not in {None, ""}  # what is still to be written
        }
        preview = preview_of(form.instance, form.errors)
        name = form["task"].value() or ""
        return JsonResponse(
            {
                "errors": wrong,
                "preview": render_to_string("celeriac/admin/preview_text.html", {"preview": preview}),
                "task": task_help(name)._asdict() if name.strip() else None,
            }
        )

    # Actions

    @admin.action(description=gettext_lazy("Run now"), permissions=["change"])
    def run_now(self, request: Any, rows: Any) -> None:
        """Publish a run of each."""
        entry_actions.run_entries(self, request, _names(rows))

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request: Any, rows: Any) -> None:
        """Let them run."""
        self._set_enabled(request, rows, enabled=True)

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request: Any, rows: Any) -> None:
        """Let them run no more."""
        self._set_enabled(request, rows, enabled=False)

    @admin.action(description=gettext_lazy("Pause…"), permissions=["change"])
    def pause(self, request: Any, rows: Any) -> Any:
        """Ask until when."""
        return entry_actions.pause_page(self, request, _names(rows))

    @admin.action(description=gettext_lazy("Resume"), permissions=["change"])
    def resume(self, request: Any, rows: Any) -> None:
        """Let them go on."""
        entry_actions.resume_entries(request, _names(rows))

    def _set_enabled(self, request: Any, rows: Any, *, enabled: bool) -> None:
        changed = list(rows.filter(enabled=not enabled))
        rows.model.objects.filter(pk__in=[row.pk for row in changed]).update(enabled=enabled)
        done = _("Enabled.") if enabled else _("Disabled.")
        self.note(request, changed, done)
        count = len(changed)
        sentence = (
            ngettext("%d periodic task is enabled.", "%d periodic tasks are enabled.", count)
            if enabled
            else ngettext("%d periodic task is disabled.", "%d periodic tasks are disabled.", count)
        )
        self.message_user(request, sentence % count, messages.SUCCESS)

    def note(self, request: Any, rows: Any, sentence: str) -> None:
        """Put into the history of each row that somebody has done something with it."""
        if rows:
            LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, change_message=sentence)

    # Pages

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        pages = {
            "check": ("check/", require_POST(self.check_view)),
            "entries": ("timetable/", self._page(entry_pages.entries_page)),
            "runs": ("runs/", self._page(entry_pages.runs_page)),
            "result": ("result/<str:task_id>/", self._page(entry_pages.result_page)),
            "run": ("run/", require_POST(self._page(entry_actions.run_view))),
            "pause": ("pause/", self._page(entry_actions.pause_view)),
            "resume": ("resume/", require_POST(self._page(entry_actions.resume_view))),
        }
        own = [path(at, wrap(view), name=f"celeriac_scheduledtask_{name}") for name, (at, view) in pages.items()]
        return [*own, *super().get_urls()]

    def _page(self, view: Any) -> Any:
        def page(request: Any, **arguments: Any) -> Any:
            return view(self, request, **arguments)

        return page


def _names(rows: Any) -> list[str]:
    return list(rows.values_list("name", flat=True))
