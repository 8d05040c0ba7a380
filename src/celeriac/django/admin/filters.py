"""Filters of the list of periodic tasks. None of them makes a list of a hundred thousand names."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _

from celeriac.django.admin.looking import tried
from celeriac.local import get_current_app

__all__ = ["PausedFilter", "QueueFilter", "TaskFilter"]

#: Values that a filter offers; who wants another one searches for it.
_MOST = 50
#: Entries that are read in one go.
_PAGE = 5000
#: Entries that the database is asked for by name.
_MOST_NAMES = 10_000


class _ValuesFilter(admin.SimpleListFilter):
    """Some of the values that a field has."""

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        values = model_admin.model.objects.exclude(**{self.parameter_name: ""}).order_by(self.parameter_name)
        some = list(values.values_list(self.parameter_name, flat=True).distinct()[:_MOST])
        chosen = self.used_parameters.get(self.parameter_name)
        return [(value, value) for value in ([] if chosen in {None, *some} else [chosen]) + some]

    def queryset(self, request: Any, queryset: Any) -> Any:
        return queryset if self.value() is None else queryset.filter(**{self.parameter_name: self.value()})


class TaskFilter(_ValuesFilter):
    """By what runs."""

    title = _("task")
    parameter_name = "task"


class QueueFilter(_ValuesFilter):
    """By where it goes."""

    title = _("queue")
    parameter_name = "queue"


class PausedFilter(admin.SimpleListFilter):
    """By what the timetable says: only it knows of pauses, and it is read through for this, once."""

    title = _("paused")
    parameter_name = "paused"
    answers: ClassVar = [("yes", _("Yes")), ("no", _("No"))]

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.answers)

    def queryset(self, request: Any, queryset: Any) -> Any:
        if self.value() not in {"yes", "no"}:
            return queryset
        names, problem = tried(_paused_names)
        if names is None:
            messages.warning(request, _("Which ones are paused is not known now. %s") % problem)
            return queryset
        if self.value() == "yes":
            return queryset.filter(name__in=names)
        return queryset.exclude(name__in=names)


def _paused_names() -> list[str]:
    timetable = get_current_app().timetable()
    try:
        now, offset = timetable.now(), 0
        names: list[str] = []
        while len(names) < _MOST_NAMES and (states := timetable.entries(offset, _PAGE)):
            names += [each.entry.name for each in states if each.paused_until is not None and each.paused_until > now]
            offset += len(states)
    finally:
        timetable.close()
    return names[:_MOST_NAMES]
