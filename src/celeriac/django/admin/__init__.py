"""Periodic tasks in Django's admin. Only that imports it, so a site without the admin has none of it."""

from django.contrib import admin

from celeriac.django.admin.scheduled_task_admin import ScheduledTaskAdmin
from celeriac.django.models import ScheduledTask

__all__ = ["ScheduledTaskAdmin"]

admin.site.register(ScheduledTask, ScheduledTaskAdmin)
