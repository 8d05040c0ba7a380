"""The celeriac app of a Django site: made from Django's settings when first needed, if the project has made none."""

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings

from celeriac.app.base import Celeriac
from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings_names import known_name, unknown_setting

__all__ = ["SiteApp", "adopt", "make_site_app"]


class SiteApp(Celeriac):
    """An app that finds tasks in the site's installed apps."""

    def discoverable_packages(self) -> Iterable[str]:
        """Return the packages of the installed apps."""
        return _installed_packages()


def make_site_app() -> SiteApp:
    """Make the app that Django's settings describe; task modules are imported by workers only.

    Raises ``ImproperlyConfigured`` for a key of ``CELERIAC`` that is no setting.
    """
    app = SiteApp(
        _project_name(), set_as_current=False, config_source=settings, namespace="CELERY", changes=_celeriac_settings()
    )
    app.default_directory = _base_directory()
    # LOGGING is the project's: what a worker logs goes to the loggers below `celeriac`, wherever they lead.
    app.add_defaults({"worker_hijack_root_logger": False})
    app.autodiscover_tasks()
    return app


def adopt(app: Celeriac) -> None:
    """Let an app that the project has made itself find the site's tasks, and leave the site's root logger alone."""
    app.discoverable_packages = _installed_packages  # type: ignore[method-assign]  # its place for integrations
    app.add_defaults({"worker_hijack_root_logger": False})


def _installed_packages() -> list[str]:
    return [config.name for config in apps.get_app_configs()]


def _celeriac_settings() -> dict[str, Any]:
    """Return the dict CELERIAC, its keys in lower case."""
    given = getattr(settings, "CELERIAC", None) or {}
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"CELERIAC must be a dict of celeriac's settings, not {given!r}.")
    found = {}
    for key, value in given.items():
        name = known_name(str(key).lower())
        if name is None:
            raise ImproperlyConfigured(unknown_setting(str(key).lower(), key=f"CELERIAC[{key!r}]"))
        found[name] = value
    return found


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
