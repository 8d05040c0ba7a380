"""What a worker of a Django site is told while the site is developed, and what it checks before it begins."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.checks import WARNING, CheckMessage, run_checks
from django.template.autoreload import get_template_directories
from django.utils.autoreload import is_django_module

from celeriac.app.development import Development
from celeriac.exceptions import CeleryWarning, ImproperlyConfigured

__all__ = ["SystemCheckWarning", "check_site", "site_development"]

_SKIP = ("CELERIAC_SKIP_CHECKS", "CELERY_SKIP_CHECKS")


def site_development() -> Development:
    """Return whether the site is being developed, and where its templates and translations are."""
    own = (str(folder) for folder in _resources() if "site-packages" not in folder.parts)
    return Development(is_on=bool(settings.DEBUG), resources=tuple(sorted(own)) if settings.DEBUG else ())


def _resources() -> Iterator[Path]:
    yield from map(Path, get_template_directories())
    if settings.USE_I18N:
        yield from (Path(path).absolute() for path in settings.LOCALE_PATHS)
        for config in apps.get_app_configs():
            if not is_django_module(config.module):
                yield Path(config.path) / "locale"


class SystemCheckWarning(CeleryWarning):
    """One of Django's system checks warns of something."""


def check_site() -> None:
    """Run Django's system checks, as its own commands do, and warn of what they warn of.

    Raises ``ImproperlyConfigured`` with the errors. The environment variable ``CELERIAC_SKIP_CHECKS``, also
    under Celery's name for it, leaves them out.
    """
    if any(os.environ.get(name) for name in _SKIP):
        return
    found = [message for message in run_checks() if not message.is_silenced()]
    errors = [message for message in found if message.is_serious()]
    if errors:
        raise ImproperlyConfigured(
            "Django's system checks have found errors; mend them, or start the worker with --skip-checks. "
            + " ".join(map(_line, errors))
        )
    for message in found:
        if message.level >= WARNING:
            warnings.warn(_line(message), SystemCheckWarning, stacklevel=1)


def _line(message: CheckMessage) -> str:
    return " ".join(str(message).split())
