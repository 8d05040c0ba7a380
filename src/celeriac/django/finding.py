"""Finding a Django site's app, for the command line and for workers: Django is set up, and the rules of ``-A`` hold."""

import importlib.util
import os

import django
from django.apps import apps
from django.conf import ENVIRONMENT_VARIABLE, settings

from celeriac.app import finding
from celeriac.app.base import Celeriac
from celeriac.django import connections, localization
from celeriac.django.site_app import SiteApp, adopt
from celeriac.exceptions import ImproperlyConfigured
from celeriac.local import get_current_app

__all__ = ["find_app"]


def find_app(name: str) -> Celeriac:
    """Set up Django and return the app that ``-A name`` means: the project's own if there is one, else the site's.

    The settings are those the environment names, else those the project's own app names, else ``name.settings``. Safe
    to call twice. Raises ``ImproperlyConfigured`` with the cure, or what importing the site raises.
    """
    if os.environ.get(ENVIRONMENT_VARIABLE):
        django.setup()
        app = _own_app(name)
    else:
        app = _own_app(name)  # as Django projects write it, its module names the settings
        _name_settings(name)
        django.setup()
    if app is None:
        app = _app_of_site(name)
    if not isinstance(app, SiteApp):
        adopt(app)
    connections.watch_tasks()  # the site may have no 'celeriac.django' among its apps
    localization.watch_tasks()
    return app


def _own_app(name: str) -> Celeriac | None:
    """Return the app that the project has made; None if the site's own package has none."""
    try:
        return finding.find_app(name)
    except ImproperlyConfigured:
        if ":" in name or not _exists(name) or not _is_of_site(name):
            raise
        return None


def _app_of_site(name: str) -> Celeriac:
    app = get_current_app()
    if not apps.is_installed("celeriac.django") and not isinstance(app, SiteApp):
        raise ImproperlyConfigured(
            f"There is no app in {name!r}, and 'celeriac.django' is not among the INSTALLED_APPS of the settings "
            f"{settings.SETTINGS_MODULE}: add it, which gives the site an app, or name other settings in "
            f"{ENVIRONMENT_VARIABLE}."
        )
    return app


def _is_of_site(name: str) -> bool:
    """Say whether the module is in the package that has the settings, which are often beside or above it."""
    settings = os.environ.get(ENVIRONMENT_VARIABLE) or f"{name}.settings"
    return settings.partition(".")[0] == name.partition(".")[0]


def _name_settings(name: str) -> None:
    """Put the settings beside the app into the environment, unless some are named there."""
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return
    package = name.partition(":")[0]
    module = f"{package}.settings"
    while not _exists(module):
        package = package.rpartition(".")[0]
        if not package:
            raise ImproperlyConfigured(
                f"There is no module {module}: set {ENVIRONMENT_VARIABLE} to the module of your site's settings."
            )
        module = f"{package}.settings"
    os.environ[ENVIRONMENT_VARIABLE] = module


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package around it
        return False
