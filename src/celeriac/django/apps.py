"""The Django app."""

from django.apps import AppConfig


class CeleriacConfig(AppConfig):
    """Makes the site's celeriac app when Django is set up."""

    name = "celeriac.django"
    label = "celeriac"
    verbose_name = "celeriac"
