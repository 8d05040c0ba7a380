"""The form for a periodic task."""

import zoneinfo
from functools import cache
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextInputWidget
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from celeriac.django.admin.preview import known_tasks
from celeriac.django.models import ScheduledTask

__all__ = ["FIELD_NAMES", "ScheduledTaskForm", "SuggestingInput"]


class SuggestingInput(AdminTextInputWidget):
    """A text field for which the browser suggests values; others may be written, too."""

    #: Returns what is suggested.
    suggestions: Any = staticmethod(list)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        identifier = f"{(attrs or {}).get('id', name)}-suggestions"
        field = super().render(name, value, {**(attrs or {}), "list": identifier, "autocomplete": "off"}, renderer)
        options = format_html_join("", '<option value="{}"></option>', ((each,) for each in self.suggestions()))
        return format_html('{}<datalist id="{}">{}</datalist>', field, identifier, options)


class _TaskInput(SuggestingInput):
    suggestions = staticmethod(known_tasks)


#: What people call the fields. The model has no such names, for they would be in its migrations.
FIELD_NAMES = {
    "name": _("name"),
    "description": _("description"),
    "task": _("task"),
    "kind": _("kind of schedule"),
    "expression": _("expression"),
    "time_zone": _("time zone"),
    "starts_at": _("starts"),
    "ends_at": _("ends"),
    "one_off": _("only once"),
    "args": _("arguments"),
    "kwargs": _("keyword arguments"),
    "queue": _("queue"),
    "priority": _("priority"),
    "expires": _("expires after"),
    "options": _("further options"),
    "missed": _("missed runs"),
    "missed_bound": _("at most"),
    "overlap": _("overlapping runs"),
    "enabled": _("enabled"),
}


@cache
def _zones() -> list[str]:
    return sorted(zoneinfo.available_timezones())


class _ZoneInput(SuggestingInput):
    suggestions = staticmethod(_zones)


class ScheduledTaskForm(forms.ModelForm):
    """Says in a sentence what each field does. What is wrong is the model's to say."""

    class Meta:
        """Help in the user's language."""

        model = ScheduledTask
        fields = "__all__"  # noqa: DJ007 - the admin chooses
        widgets = {  # noqa: RUF012 - Django's form
            "task": _TaskInput({"class": "vTextField celeriac-code"}),
            "time_zone": _ZoneInput({"class": "vTextField"}),
            "expression": AdminTextInputWidget(
                {"class": "vTextField celeriac-code", "autocomplete": "off", "spellcheck": "false"}
            ),
            "args": forms.Textarea({"rows": 2, "class": "vLargeTextField celeriac-code", "spellcheck": "false"}),
            "kwargs": forms.Textarea({"rows": 3, "class": "vLargeTextField celeriac-code", "spellcheck": "false"}),
            "options": forms.Textarea({"rows": 3, "class": "vLargeTextField celeriac-code", "spellcheck": "false"}),
            "description": forms.Textarea({"rows": 2, "class": "vLargeTextField"}),
        }
        help_texts = {  # noqa: RUF012 - Django's form
            "name": _("Under this name it is in the timetable; another name makes it another entry, without a past."),
            "task": _("What runs: the task's name, such as shop.tasks.clean_up."),
            "expression": _(
                "crontab: 0 3 * * mon-fri · every: 10 minutes · solar: sunset 55.75 37.62 · clocked: 2026-12-24 18:00"
            ),
            "time_zone": _("On whose clock it runs; empty: on that of the site."),
            "starts_at": _("No run before this moment."),
            "ends_at": _("No run after this moment."),
            "one_off": _("Only the first run, counted from the start, or from now where there is none."),
            "args": _("A list, as JSON: [1, 2]."),
            "kwargs": _('An object, as JSON: {"days": 30}.'),
            "queue": _("Empty: where calls of this task go anyway."),
            "priority": _("From 0 to 255; which end goes first is the broker's to say. Empty: the task's own."),
            "expires": _("Seconds after which a run that has not begun is dropped. Empty: never."),
            "options": _('Further options of a call, as JSON: {"headers": {"tenant": "north"}}.'),
            "missed": _(
                "What becomes of runs that nobody published in time: once makes up for the latest, all for each, skip "
                "for none."
            ),
            "missed_bound": _("With all: how many of them are made up for, the latest ones."),
            "overlap": _(
                "What becomes of a run while the one before has not ended: allow lets it run beside, skip drops it, "
                "queue lets it wait, replace stops the one before."
            ),
            "enabled": _("Whether it runs at all."),
        }
        error_messages = {  # noqa: RUF012 - Django's form
            "args": {"invalid": _("This is no JSON. Write a list, such as [1, 2].")},
            "kwargs": {"invalid": _('This is no JSON. Write an object, such as {"days": 30}.')},
            "options": {"invalid": _('This is no JSON. Write an object, such as {"headers": {"tenant": "north"}}.')},
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "time_zone" in self.fields:
            self.fields["time_zone"].widget.attrs["placeholder"] = settings.TIME_ZONE

    def clean(self) -> Any:
        """Know the site's tasks, so that the model can compare the arguments with what the task takes."""
        known_tasks()
        return super().clean()

    def clean_args(self) -> Any:
        """Nothing written is no arguments."""
        return [] if self.cleaned_data["args"] is None else self.cleaned_data["args"]

    def clean_kwargs(self) -> Any:
        """The same of those with a keyword."""
        return {} if self.cleaned_data["kwargs"] is None else self.cleaned_data["kwargs"]

    def clean_options(self) -> Any:
        """The same of options."""
        return {} if self.cleaned_data["options"] is None else self.cleaned_data["options"]
