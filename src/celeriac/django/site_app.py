"""The celeriac app of a Django site: made from Django's settings when first needed, if the project has made none."""

import importlib.util
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings

from celeriac.app.base import Celeriac
from celeriac.app.development import Development
from celeriac.app.finding import find_app
from celeriac.app.task import Task
from celeriac.django.development import check_site, site_development
from celeriac.django.foreign_tasks import find_foreign_task
from celeriac.django.site_settings import given_settings
from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings import Settings

__all__ = ["SiteApp", "adopt", "make_site_app", "site_app"]

#: LOGGING is the project's: what a worker logs goes to the loggers below `celeriac`, wherever they lead.
_DEFAULTS = {"worker_hijack_root_logger": False}


class SiteApp(Celeriac):
    """An app that finds tasks in the site's installed apps."""

    def discoverable_packages(self) -> Iterable[str]:
        """Return the packages of the installed apps."""
        return _installed_packages()

    def development(self) -> Development:
        """Return whether DEBUG is on, and where templates and translations are."""
        return site_development()

    def check(self) -> None:
        """Run Django's system checks."""
        check_site()

    def missing_task(self, name: str) -> Task[..., Any] | None:
        """Return the task for one of Django's framework that was declared for another backend."""
        return find_foreign_task(self, name)


def site_app() -> Celeriac:
    """Return the app of this site: the one in the module ``celery`` beside or above the settings, or one made of them.

    So every process of the site has the same, also where the project's package does not import its ``celery.py``.
    Raises what importing that module raises, and what ``make_site_app`` raises.
    """
    module = _celery_module()
    if module:
        try:
            own = find_app(module)
        except ImproperlyConfigured:
            pass  # it has another's app, such as Celery's own
        else:
            adopt(own)
            return own
    return make_site_app()


def _celery_module() -> str:
    """Return the name of the module ``celery`` in the innermost package around the settings that has one, or ''."""
    package = (getattr(settings, "SETTINGS_MODULE", None) or "").rpartition(".")[0]
    while package:
        if importlib.util.find_spec(f"{package}.celery") is not None:
            return f"{package}.celery"
        package = package.rpartition(".")[0]
    return ""


def make_site_app() -> SiteApp:
    """Make the app that Django's settings describe; task modules are imported by workers only.

    Raises ``ImproperlyConfigured`` for a key of ``CELERIAC`` that is no setting.
    """
    app = SiteApp(
        _project_name(), set_as_current=False, config_source=settings, namespace="CELERY", changes=given_settings()
    )
    app.default_directory = _base_directory()
    app.add_defaults(_DEFAULTS)
    app.autodiscover_tasks()
    return app


def adopt(app: Celeriac) -> None:
    """Let an app that the project has made itself find the site's tasks, and leave the site's root logger alone.

    Without a broker of its own it has the site's file in ``BASE_DIR``. Its settings are not read for this. May be
    called twice.
    """
    app.default_directory = _base_directory()
    app.discoverable_packages = _installed_packages  # type: ignore[method-assign]  # its place for integrations
    app.development = site_development  # type: ignore[method-assign]  # the same
    app.check = check_site  # type: ignore[method-assign]  # the same
    app.missing_task = partial(find_foreign_task, app)  # type: ignore[method-assign]  # the same
    if app.configured:
        app.add_defaults(_DEFAULTS)
    else:
        app.on_after_configure.connect(_add_defaults)


def _add_defaults(source: Settings, **_: object) -> None:
    source.add_defaults(_DEFAULTS)


def _installed_packages() -> list[str]:
    return [config.name for config in apps.get_app_configs()]


def _project_name() -> str:
    module: str = getattr(settings, "SETTINGS_MODULE", None) or "site"
    return module.partition(".")[0]


def _base_directory() -> Path:
    """Return BASE_DIR, or where it would be in a project as Django starts one."""
    directory = getattr(settings, "BASE_DIR", None)
    if directory:
        return Path(directory).absolute()
    module = getattr(settings, "SETTINGS_MODULE", None)
    specification = importlib.util.find_spec(module) if module else None
    if specification is None or specification.origin is None:
        return Path.cwd()
    return Path(specification.origin).absolute().parents[1]
