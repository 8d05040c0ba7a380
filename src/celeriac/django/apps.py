"""The Django app."""

from typing import Any

from django.apps import AppConfig

from celeriac.django import connections, localization
from celeriac.django.beat_import import add_import
from celeriac.django.checks import register_checks
from celeriac.django.chores import add_chores
from celeriac.django.database_entries import add_source
from celeriac.django.entry_pushes import watch_rows
from celeriac.django.site_app import SiteApp, adopt, site_app
from celeriac.django.testing_environment import watch_test_environment
from celeriac.django.transactions import CommitGate
from celeriac.local import known_app, set_default_app_factory
from celeriac.publication import integration


class CeleriacConfig(AppConfig):
    """Ties celeriac to the site. Nothing is connected to, and no task module imported, before it is needed."""

    name = "celeriac.django"
    label = "celeriac"
    verbose_name = "celeriac"

    def __init__(self, *args: Any, **options: Any) -> None:
        """Apps listed before this one may publish while their models are imported, or when they are ready."""
        super().__init__(*args, **options)
        set_default_app_factory(site_app)

    def ready(self) -> None:
        """An app of the project's own, made while the project was imported, stays the current one."""
        own = known_app()
        if own is not None and not isinstance(own, SiteApp):
            adopt(own)
        integration.gate = CommitGate()
        integration.carried = localization.carried
        connections.watch_tasks()
        localization.watch_tasks()
        register_checks()
        add_chores()
        watch_rows()
        add_source()
        add_import()
        watch_test_environment()
