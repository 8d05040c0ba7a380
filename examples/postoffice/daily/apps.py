"""The app of what happens every day: periodic tasks, and a clock on which a day is short."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DailyConfig(AppConfig):
    name = "daily"
    verbose_name = _("Every day")
