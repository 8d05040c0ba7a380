"""Periodic tasks in Django's admin. Only that imports it, so a site without the admin has none of it."""

from django.contrib import admin

from celeriac.django.admin.scheduled_task_admin import ScheduledTaskAdmin
from celeriac.django.admin.scheduled_task_form import FIELD_NAMES
from celeriac.django.models import ScheduledTask

__all__ = ["ScheduledTaskAdmin"]

for _name, _words in FIELD_NAMES.items():
    ScheduledTask._meta.get_field(_name).verbose_name = _words  # noqa: SLF001 - Django's

admin.site.register(ScheduledTask, ScheduledTaskAdmin)
