"""The app that looks into tasks: state, code and message."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InsightConfig(AppConfig):
    name = "insight"
    verbose_name = _("Insight")

    def ready(self) -> None:
        from insight import recording  # needs the models, which are loaded by now

        recording.connect()
